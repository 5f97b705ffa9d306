"""``carousel trace``: the spans of a trace, and the journeys in it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from apps.cli import errors
from apps.cli.commands.options import addresses, json_option, storage_option

if TYPE_CHECKING:
    from apps.cli.api import Api
    from apps.cli.screen import Screen

DEFAULT_WAIT_S = 3.0
POLL_S = 0.2
QUIET_S = 2.0
"""Nothing is said about a wait that is shorter."""


@dataclass
class Found:
    """What storage knows of a trace by now; empty where it knows nothing."""

    spans: dict[str, Any]
    journeys: dict[str, Any]

    @property
    def is_known(self) -> bool:
        """Tell whether storage has seen anything of the trace."""
        return bool(self.spans or self.journeys)


@click.command("trace")
@click.argument("trace_id", metavar="ID")
@click.option(
    "--wait",
    type=click.FloatRange(0, 3600),
    default=DEFAULT_WAIT_S,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for all of it to be in storage.",
)
@json_option
@storage_option
def command(trace_id: str, wait: float, as_json: bool, storage: str | None) -> int:
    """Show a trace: its spans, then the steps of each request in it.

    ID is the trace id (32 hex digits in any case) that every answer carries in X-Trace-Id, or a whole traceparent.

    First the spans as bars on one axis of time, the critical path strong, log records as ticks; then each journey:
    its steps, holes as `missing` rows with what to check, attempts that were in vain below.

    \b
    Examples:
      carousel trace 4bf92f3577b34da6a3ce929d0e0e4736
      carousel trace 4bf92f3577b34da6a3ce929d0e0e4736 --wait 30
      carousel trace 4bf92f3577b34da6a3ce929d0e0e4736 --json

    \b
    Exit codes: 0 every journey is whole; 1 one is not after the wait, or storage knows
    nothing of the trace; 2 that is no trace id; 3 storage cannot be reached.
    """
    from apps.cli.api import Api
    from apps.cli.trace_id import parse

    wanted = parse(trace_id)
    with Api(addresses(storage=storage).storage) as api:
        found = _await(lambda: _ask(api, wanted), wait)
    if not found.is_known:
        raise errors.CliError(
            f"storage at {api.address.url} knows nothing of trace {wanted}"
            + (f", also not after {wait:g} s" if wait else ""),
            "is it from this stack? telemetry takes up to a second; --wait 30 waits longer",
        )
    is_whole = _is_whole(found)
    if as_json:
        from apps.cli import jsonlines

        jsonlines.write(
            {
                "traceId": wanted,
                "complete": is_whole,
                "journeys": found.journeys.get("journeys", []),
                "resourceSpans": found.spans.get("resourceSpans", []),
            }
        )
    else:
        from apps.cli.screen import stdout

        _show(stdout(), wanted, found)
    return errors.OK if is_whole else errors.FAILED


def _ask(api: "Api", trace_id: str) -> Found:
    answers = []
    for path in (f"/api/v1/traces/{trace_id}", f"/api/v1/traces/{trace_id}/journeys"):
        try:
            answers.append(api.get(path))
        except errors.NotFound:
            answers.append({})
    return Found(*answers)


def _await(ask: Callable[[], Found], wait_s: float) -> Found:
    """Return what *ask* finds once it is whole, or what there is after *wait_s* seconds."""
    from apps.cli.waiting import Waiting

    deadline = time.monotonic() + wait_s
    with Waiting(QUIET_S) as waiting:
        while True:
            found = ask()
            left_s = deadline - time.monotonic()
            if left_s <= 0 or (_is_whole(found) and _has_all_spans(found)):
                return found
            waiting.tell("the journey to be whole" if found.is_known else "the trace to arrive in storage")
            time.sleep(min(POLL_S, left_s))


def _is_whole(found: Found) -> bool:
    """Tell whether every journey of the trace is whole; a trace of another program's has none, and nothing to miss."""
    journeys = found.journeys.get("journeys", [])
    return found.is_known and all(isinstance(one, dict) and one.get("complete") is True for one in journeys)


def _has_all_spans(found: Found) -> bool:
    """Tell whether the entry span of each journey is there, and no span's parent but theirs is not."""
    from apps.cli import spans
    from apps.cli.shape import children, text

    entries = {text(one, "journeyId") for one in children(found.journeys, "journeys")}
    known = spans.decode(found.spans)
    ids = {span.span_id for span in known}
    return (
        bool(entries)
        and entries <= ids
        and all(span.parent_id in ids for span in known if span.parent_id and span.span_id not in entries)
    )


def _show(screen: "Screen", trace_id: str, found: Found) -> None:
    from apps.cli import journey_view, journeys, spans, theme, waterfall
    from apps.cli.quantities import counted, day_and_clock, from_nanoseconds

    known = spans.decode(found.spans)
    ways = journeys.decode(found.journeys)
    ids = {span.span_id for span in known}
    begun = [span for span in spans.unfinished(ways, known) if span.span_id not in ids]
    title = theme.line(("trace ", theme.DIM), (trace_id, theme.STRONG))
    title.append(f"  {counted(len(known), 'span')}")
    if known:
        title.append(f"  {day_and_clock(from_nanoseconds(known[0].start))}", theme.DIM)
    screen.show([theme.cut(title, screen.limit), ""])
    ticks, absent = spans.ticks(ways), spans.absent(ways, known)
    screen.show(waterfall.draw([*known, *begun], screen.width, ticks=ticks, absent=absent))
    for journey in ways:
        screen.show(["", *journey_view.draw(journey, screen.limit)])
    if not ways:
        screen.show(["", theme.line(("No journey: this trace never came through the gateway.", theme.DIM))])
