"""``carousel watch``: client requests as they end, with the way of each."""

import time
from typing import TYPE_CHECKING

import click

from apps.cli import completing, errors
from apps.cli.addresses import read_admin_token
from apps.cli.commands.options import addresses, gateway_option, json_option

if TYPE_CHECKING:
    from apps.cli.following import Following, Told
    from apps.cli.screen import Screen
    from apps.cli.ways import Ended, Filter

TICK_S = 0.1


@click.command("watch")
@click.option("--errors", "only_errors", is_flag=True, help="Only requests that failed.")
@click.option("--entity", default="", help="Only requests about this: orders, payments, deliveries.",
              shell_complete=completing.entities)  # fmt: skip
@click.option("--slower-than", type=click.FloatRange(0), metavar="MS", help="Only those that took longer.")
@click.option("-n", "--count", type=click.IntRange(1), help="End after this many; else Ctrl-C ends.")
@json_option
@gateway_option
def command(
    only_errors: bool, entity: str, slower_than: float | None, count: int | None, as_json: bool, gateway: str | None
) -> int:
    """Show client requests as they end.

    One line each: time, status, milliseconds, entity, the way round the ring, trace id. A node that was met in vain
    has a ✗ behind it. All gateways of the stack are followed; one that restarts is waited for, and what ended
    meanwhile is not shown.

    \b
    Examples:
      carousel watch
      carousel watch --errors
      carousel watch --entity orders --slower-than 200
      carousel watch -n 100 --json > requests.ndjson

    \b
    Exit codes: 0 ended by Ctrl-C or after -n requests; 1 the gateway refused (too many
    streams, wrong token); 3 no gateway can be reached; 130 Ctrl-C before -n requests.
    """
    from apps.cli.following import Following
    from apps.cli.ways import Filter

    places = addresses(gateway=gateway)
    wanted = Filter(only_errors, entity, slower_than)
    with Following(places.gateways, read_admin_token(places.run_dir)) as following:
        output: _Json | _Lines
        if as_json:
            output = _Json()
        else:
            from apps.cli.screen import stdout

            output = _Lines(stdout())
        try:
            _watch(following, wanted, count, output)
        except KeyboardInterrupt:
            output.end()
            return errors.INTERRUPTED if count is not None else errors.OK
    output.end()
    return errors.OK


def _watch(following: "Following", wanted: "Filter", count: int | None, output: "_Json | _Lines") -> None:
    from apps.cli.ways import GRACE_S, Ways

    ways, shown = Ways(GRACE_S if len(following.gateways) > 1 else 0.0), 0
    while True:
        for told in following.take(TICK_S):
            ways.fold(told)
            output.note(told)
            if told.name == "request" and len(following.gateways) == 1:
                break  # show it before what comes next
        for ended in ways.ripe(time.monotonic()):
            if wanted.takes(ended):
                output.request(ended)
                shown += 1
                if shown == count:
                    return


class _Json:
    """One object a line, for requests as for what happened to the streams."""

    def request(self, ended: "Ended") -> None:
        """Write a request."""
        from apps.cli import jsonlines

        jsonlines.write(ended.as_json())

    def note(self, told: "Told") -> None:
        """Write that a gateway is gone or back, or that events were dropped."""
        from apps.cli import jsonlines
        from apps.cli.following import BACK, DROPPED, LOST

        if told.name in (LOST, BACK, DROPPED):
            jsonlines.write({"type": told.name, "gateway": told.gateway or None, **told.data})

    def end(self) -> None:
        """Write nothing: the lines say all."""


class _Lines:
    """Lines on *screen*; what happened to the streams goes to standard error."""

    def __init__(self, screen: "Screen") -> None:
        self._screen = screen
        self._requests = self._failed = 0
        self._slowest: Ended | None = None
        self._last_failed: Ended | None = None

    def request(self, ended: "Ended") -> None:
        """Show a request."""
        from apps.cli import watch_view

        width = self._screen.size()[0] if self._screen.is_terminal else None
        heads = [watch_view.head(width)] if self._requests == 0 else []
        self._requests += 1
        if not ended.is_good:
            self._failed += 1
            self._last_failed = ended
        if self._slowest is None or (ended.duration_ms or 0) > (self._slowest.duration_ms or 0):
            self._slowest = ended
        self._screen.show([*heads, watch_view.row(ended, width)])

    def note(self, told: "Told") -> None:
        """Say that a gateway is gone or back, or that lines were dropped."""
        from apps.cli.following import BACK, DROPPED, LOST
        from apps.cli.screen import stderr
        from apps.cli.turning import change_line

        line = change_line(told) if told.name in (LOST, BACK, DROPPED) else None
        if line is not None:
            line.append("; what ended meanwhile is not shown" if told.name == BACK else "")
            stderr().show([line])

    def end(self) -> None:
        """Sum up, on standard error, as it belongs to no request."""
        from apps.cli import watch_view
        from apps.cli.screen import stderr

        stderr().show(watch_view.summary(self._requests, self._failed, self._slowest, self._last_failed))
