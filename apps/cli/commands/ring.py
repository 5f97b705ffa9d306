"""``carousel ring``: the two rings, drawn; with ``--watch`` as they turn."""

import time
from typing import TYPE_CHECKING, Any

import click

from apps.cli import errors
from apps.cli.addresses import read_admin_token
from apps.cli.commands.options import addresses, gateway_option, json_option

if TYPE_CHECKING:
    from apps.cli.addresses import Addresses
    from apps.cli.following import Following
    from apps.cli.screen import Screen

POLL_S = 0.5


@click.command("ring")
@click.option("--watch", is_flag=True, help="Draw them anew as they turn, until Ctrl-C; in a pipe, a line a change.")
@json_option
@gateway_option
def command(watch: bool, as_json: bool, gateway: str | None) -> int:
    """Show the two rings: whose turn is next, shares, states.

    One picture for each gateway: the nodes on a circle in the order of their turns, the hand at the next. Under a name
    stand its share of the picks and the requests inside it. A node that gets nothing hangs off the circle on a dashed
    stem, with the reason and the time until it is tried again. More than twelve nodes are a list.

    \b
    Examples:
      carousel ring                  as they are
      carousel ring --watch          as they turn; Ctrl-C ends
      carousel ring --watch | cat    a line for each change
      carousel ring --json           what every gateway tells

    \b
    Exit codes: 0 at least one gateway answered; 1 it refused; 3 none can be reached.
    """
    places = addresses(gateway=gateway)
    return _watch(places, as_json) if watch else _once(places, as_json)


def _once(places: "Addresses", as_json: bool) -> int:
    from apps.cli.gateways import ask

    asked = ask(places.gateways, read_admin_token(places.run_dir), lambda api: api.get("/admin/rings"))
    if as_json:
        from apps.cli import jsonlines

        jsonlines.write({"gateways": asked.answers, "unavailable": asked.unavailable()})
        return errors.OK
    from apps.cli import ring_view, rings
    from apps.cli.screen import stdout

    screen = stdout()
    for n, answer in enumerate(asked.answers):
        screen.show([*[""] * (n > 0), *ring_view.draw(rings.decode(answer), screen.width)])
    asked.tell("shown")
    return errors.OK


def _watch(places: "Addresses", as_json: bool) -> int:
    from apps.cli.following import Following

    token = read_admin_token(places.run_dir)
    try:
        with Following(places.gateways, token, asks_rings=True, every_s=POLL_S) as following:
            if as_json:
                _as_json(following)
                return errors.OK
            from apps.cli.screen import stdout

            screen = stdout()
            if screen.can_redraw:
                _as_picture(following, screen)
            else:
                _as_lines(following, screen)
    except KeyboardInterrupt:
        pass  # the way it is meant to end
    return errors.OK


def _as_picture(following: "Following", screen: "Screen") -> None:
    from apps.cli.live import Live
    from apps.cli.turning import FRAMES_A_SECOND, Turning

    turning, drawn_at, drawn_size, is_stale = Turning(), 0.0, (0, 0), True
    with Live(screen) as live:
        while True:
            for told in following.take(1 / FRAMES_A_SECOND):
                turning.fold(told)
                is_stale = True
            now, size = time.monotonic(), live.size()
            due_s = 1 / FRAMES_A_SECOND if is_stale or size != drawn_size else POLL_S
            if now - drawn_at >= due_s:
                live.show(turning.frame(*size, now))
                drawn_at, drawn_size, is_stale = now, size, False


def _as_lines(following: "Following", screen: "Screen") -> None:
    from apps.cli.following import SNAPSHOT
    from apps.cli.turning import change_line, state_lines

    seen: set[str] = set()
    while True:
        for told in following.take(1.0):
            if told.name == SNAPSHOT:
                screen.show(state_lines(told) if told.gateway not in seen else ())
                seen.add(told.gateway)
            elif (line := change_line(told)) is not None:
                screen.show([line])


def _as_json(following: "Following") -> None:
    from apps.cli import jsonlines
    from apps.cli.following import SNAPSHOT

    seen: set[str] = set()
    while True:
        for told in following.take(1.0):
            if told.name in ("pick", "request") or (told.name == SNAPSHOT and told.gateway in seen):
                continue
            seen.update([told.gateway] if told.name == SNAPSHOT else [])
            shown: dict[str, Any] = {"type": told.name, "gateway": told.gateway or None, **told.data}
            jsonlines.write(shown)
