"""``carousel bugs``: what goes wrong on purpose, and how often."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from apps.cli import completing, errors
from apps.cli.addresses import read_admin_token
from apps.cli.commands.options import addresses, gateway_option, json_option

if TYPE_CHECKING:
    from apps.cli.gateways import Asked

BUGS = "/admin/bugs"


@click.group("bugs", invoke_without_command=True)
@json_option
@gateway_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, gateway: str | None) -> int | None:
    """Show and order the bugs of the services.

    Alone it lists the orders and the bugs of every node. An order is for service1, service2 or one of their nodes; a
    node's own wins over its service's. It holds for nodes that come later, and until it is cleared.

    \b
    Examples:
      carousel bugs
      carousel bugs set service2 'slow=0.1;ms=400' error=0.05
      carousel bugs set service2-1 exception=1
      carousel bugs clear service2
      carousel bugs kinds

    \b
    Exit codes: 0 all went well; 1 a gateway refused, or a node could not be told; 2 the
    rates cannot be understood; 3 no gateway can be reached.
    """
    # Options before a subcommand hold for it too.
    ctx.default_map = {name: {"as_json": as_json, "gateway": gateway} for name in ("list", "set", "clear", "kinds")}
    return None if ctx.invoked_subcommand else _list(as_json, gateway)


@command.command("list")
@json_option
@gateway_option
def list_command(as_json: bool, gateway: str | None) -> int:
    """List the orders, and the bugs of every node.

    \b
    Examples:
      carousel bugs list
      carousel bugs list --json

    \b
    Exit codes: 0 at least one gateway answered; 1 it refused; 3 none can be reached.
    """
    return _list(as_json, gateway)


@command.command("set")
@click.argument("target", shell_complete=completing.targets)
@click.argument("rates", nargs=-1, required=True, shell_complete=completing.kinds)
@json_option
@gateway_option
def set_command(target: str, rates: tuple[str, ...], as_json: bool, gateway: str | None) -> int:
    """Order bugs for TARGET: service1, service2 or one of their nodes.

    RATES are KIND=PROBABILITY with parameters behind a semicolon, in quotes then; `carousel bugs kinds` lists the
    kinds. They replace what was ordered before.

    \b
    Examples:
      carousel bugs set service2 error=0.05
      carousel bugs set service2 'slow=0.1;ms=400' exception=0.01
      carousel bugs set service1-2 garbage=1

    \b
    Exit codes: 0 every node was told; 1 not every one, or a gateway refused; 2 the rates
    cannot be understood; 3 no gateway can be reached.
    """
    from apps.web.faults import FaultError, parse_rates

    joined = ",".join(part.strip(" ,") for part in rates)
    try:
        parse_rates(joined)
    except FaultError as error:
        raise errors.Misused(str(error), "`carousel bugs kinds` lists the kinds with their parameters") from error
    return _change("PUT", target, as_json, gateway, {"rates": joined})


@command.command("clear")
@click.argument("target", required=False, shell_complete=completing.targets)
@json_option
@gateway_option
def clear_command(target: str | None, as_json: bool, gateway: str | None) -> int:
    """Take back the order for TARGET, or all orders.

    The nodes go back to the bugs that they were started with.

    \b
    Examples:
      carousel bugs clear service2
      carousel bugs clear

    \b
    Exit codes: 0 every node was told; 1 not every one, or a gateway refused; 3 no gateway
    can be reached.
    """
    return _change("DELETE", target, as_json, gateway)


@command.command("kinds")
@json_option
def kinds_command(as_json: bool) -> int:
    """List the kinds of bugs: what each does, its parameters and their limits.

    \b
    Examples:
      carousel bugs kinds

    \b
    Exit codes: 0.
    """
    from apps.cli.bug_kinds import kinds

    if as_json:
        from apps.cli import jsonlines

        jsonlines.write({"kinds": kinds()})
        return errors.OK
    from apps.cli import bugs_view
    from apps.cli.screen import stdout

    screen = stdout()
    screen.show(bugs_view.kinds_table(kinds(), screen.width))
    return errors.OK


def _list(as_json: bool, gateway: str | None) -> int:
    places = addresses(gateway=gateway)
    from apps.cli.gateways import ask

    asked = ask(
        places.gateways,
        read_admin_token(places.run_dir),
        lambda api: {"address": api.address.url, **api.get(BUGS)},
    )
    if as_json:
        _write(asked)
        return errors.OK
    from apps.cli import bugs_view, theme
    from apps.cli.screen import stdout

    screen = stdout()
    alike = {str({**answer, "address": None}) for answer in asked.answers}
    shown = asked.answers[:1] if len(alike) == 1 else asked.answers
    for n, answer in enumerate(shown):
        lines = bugs_view.draw(answer, gateway=answer["address"] if len(shown) > 1 else "")
        screen.show([*[""] * (n > 0), *(theme.cut(line, screen.limit) for line in lines)])
    asked.tell("shown")
    return errors.OK


def _change(method: str, target: str | None, as_json: bool, gateway: str | None, body: Any = None) -> int:
    """Send the change to every gateway, so that all of them hold the same orders."""
    from apps.cli.gateways import ask

    places = addresses(gateway=gateway)
    path = f"{BUGS}/{quote(target, safe='')}" if target else BUGS
    asked = ask(
        places.gateways,
        read_admin_token(places.run_dir),
        lambda api: {"address": api.address.url, **api.change(method, path, body)},
    )
    if as_json:
        _write(asked)
    else:
        from apps.cli import bugs_view
        from apps.cli.screen import stdout

        stdout().show(bugs_view.changed({"target": target, **asked.answers[0]}))
        asked.tell("done")
    return errors.OK if _is_everywhere(asked) else errors.FAILED


def _write(asked: "Asked[dict[str, Any]]") -> None:
    from apps.cli import jsonlines

    jsonlines.write({"gateways": asked.answers, "unavailable": asked.unavailable()})


def _is_everywhere(asked: "Asked[dict[str, Any]]") -> bool:
    """Tell whether each gateway answered and each node was told."""
    from apps.cli import shape

    nodes = [node for answer in asked.answers for node in shape.children(answer, "nodes")]
    return not asked.failures and all(shape.text(node, "status", "set") == "set" for node in nodes)
