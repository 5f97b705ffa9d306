"""``carousel nodes``: who is in the rings, who was heard of, and how each does."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from apps.cli import errors
from apps.cli.addresses import Address, read_admin_token
from apps.cli.commands.options import addresses, gateway_option, json_option, storage_option

if TYPE_CHECKING:
    from apps.cli.addresses import Addresses
    from apps.cli.vitals import Vitals

WIDE = 112
"""Columns from which on a terminal has room for everything."""


@dataclass
class Found:
    """What the parts of the stack told: rings of each gateway, storage's nodes, vitals, and who did not answer."""

    rings: list[dict[str, Any]] = field(default_factory=list)
    stored: dict[str, Any] | None = None
    vitals: "dict[str, Vitals]" = field(default_factory=dict)
    missing: str = ""
    failures: list[tuple[Address, errors.CliError]] = field(default_factory=list)


@click.command("nodes")
@click.option("--wide", is_flag=True, help="All columns, also where they do not fit into 80 characters.")
@json_option
@gateway_option
@storage_option
def command(wide: bool, as_json: bool, gateway: str | None, storage: str | None) -> int:
    """Show the nodes: state, rate, errors, p95, processor, memory.

    State and requests in flight come from the rings of every gateway; rate, share of 5xx, p95, processor (of one core)
    and memory from Prometheus, over the last minute; picks, logs, spans and last seen (with --wide, or on a wide
    terminal) from the rings and storage. What a part that does not answer would have told is a question mark, and is
    said once.

    \b
    Examples:
      carousel nodes
      carousel nodes --wide
      carousel nodes --json

    \b
    Exit codes: 0 the gateway or storage answered; 1 both refused; 3 neither can be reached.
    """
    found = _ask(addresses(gateway=gateway, storage=storage))
    if not found.rings and found.stored is None:
        _raise_both(found.failures)
    if as_json:
        _write(found)
    else:
        _show(found, wide)
        _tell(found)
    return errors.OK


def _ask(places: "Addresses") -> Found:
    from apps.cli import vitals
    from apps.cli.api import Api

    found, token = Found(), read_admin_token(places.run_dir)
    with ExitStack() as open_ones:
        for address in places.gateways:
            answer = _try(found, open_ones.enter_context(Api(address, token=token)), "/admin/rings")
            found.rings += [answer] if answer is not None else []
        storage = open_ones.enter_context(Api(places.storage))
        found.stored = _try(found, storage, "/api/v1/nodes")
        prometheus = open_ones.enter_context(Api(places.prometheus)) if places.prometheus else None
        if found.rings or found.stored is not None:
            found.vitals, found.missing = vitals.ask(prometheus, storage if found.stored is not None else None)
    return found


def _try(found: Found, api: Any, path: str) -> dict[str, Any] | None:
    """Return what is at *path*; None with the reason among the failures."""
    try:
        answer: dict[str, Any] = api.get(path)
    except errors.CliError as error:
        found.failures.append((api.address, error))
        return None
    return answer


def _raise_both(failures: list[tuple[Address, errors.CliError]]) -> None:
    worst = max((error for _, error in failures), key=lambda error: error.exit_code)
    both = ", nor ".join(str(error).removeprefix("cannot reach ") for _, error in failures)
    are_alike = all(isinstance(error, errors.Unreachable) for _, error in failures)
    message = f"cannot reach {both}" if are_alike else "; ".join(str(error) for _, error in failures)
    raise type(worst)(message, worst.hint)


def _write(found: Found) -> None:
    from apps.cli import census, jsonlines

    unavailable = [
        {"part": address.part, "address": address.url, "reason": str(error)} for address, error in found.failures
    ]
    nodes = census.as_json(found.rings, found.stored, found.vitals)
    jsonlines.write({"nodes": nodes, "unavailable": unavailable, "missing": found.missing or None})


def _tell(found: Found) -> None:
    """Say on standard error which part is missing, and what it would have told."""
    for address, error in found.failures:
        without = "state and picks" if address.part == "gateway" else "logs, spans and last seen"
        hint = f"\n  {error.hint}" if error.hint else ""
        click.echo(f"carousel: without {without}: {error}{hint}", err=True)
    if found.missing:
        click.echo(f"carousel: {found.missing}", err=True)


def _show(found: Found, wide: bool) -> None:
    from apps.cli import census, nodes_view, theme
    from apps.cli.screen import stdout

    screen = stdout()
    is_wide = wide or screen.width >= WIDE
    nodes = census.join(found.rings, found.stored, found.vitals)
    known = nodes_view.Known(datetime.now(UTC), ring=bool(found.rings), storage=found.stored is not None)
    screen.show(theme.cut(one, screen.limit) for one in nodes_view.draw(nodes, known, is_wide=is_wide))
    notes = [line for line in (nodes_view.rings_line(nodes), nodes_view.left_out(is_wide=is_wide)) if line]
    screen.show(["", *notes])
