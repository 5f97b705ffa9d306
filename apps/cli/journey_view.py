"""A journey in the terminal: nineteen steps down the page, and in how deep each is on the way. Pure.

::

     n         node       step                                  at ms what
     1 ▸       gateway-1  gateway.client.request.received         0.0 POST
     4 ·▸      service1-2 service1.request.received               1.9
    11 ···■    service2-1 service2.work.done                     31.0 24.5 ms
    19 ◂       gateway-1  gateway.client.response.sent           62.1 200 62.1 ms

The marks between number and node are the way: one column a hop (gateway, service 1, gateway again, service 2), with
a dot for each that waits meanwhile.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from rich.text import Text

from apps.cli import theme
from apps.cli.journeys import Earlier, Hole, Journey, Skew, Taken
from apps.cli.quantities import counted, day_and_clock, milliseconds, parse_time
from apps.telemetry import names, steps
from apps.web.kinds import is_mild

_DEPTH: Final = {n: depth for depth, places in enumerate(
    ((1, 2, 3, 18, 19), (4, 5, 6, 15, 16, 17), (7, 8, 9, 13, 14), (10, 11, 12))
) for n in places}  # fmt: skip
"""How many hops wait while a step is taken."""

_WAY_WIDTH: Final = 4
_NODE_WIDTH: Final = 10
_STEP_WIDTH: Final = max(len(name) for name in steps.BY_NAME)
_OFFSET_WIDTH: Final = 7
_ERROR_WORDS: Final = {
    "connection_refused": "refused",
    "connection_reset": "reset",
    "no_node": "no node",
    "bad_answer": "bad answer",
}
_PICKS: Final = {"service1": 2, "service2": 8}
"""The step that picks a node for each leg."""
_THERE: Final = "▸"
_BACK: Final = "◂"
_PICK: Final = "◆"
_WORK: Final = "■"


def draw(journey: Journey, width: int | None) -> list[Text]:
    """Return *journey* in lines of at most *width* columns; None cuts nothing."""
    lines = [*_head(journey), Text(""), _columns()]
    skewed = {skew.n: skew for skew in journey.skew}
    holes = {hole.n: hole for hole in journey.missing}
    taken = {step.n: step for step in journey.steps}
    for n in sorted(holes.keys() | taken.keys()):
        if n in taken:
            lines.append(_step(taken[n], skewed.get(n)))
        if n in holes:
            lines.append(_hole(holes[n]))
    for earlier in journey.earlier:
        lines += _earlier(earlier, journey)
    lines += _notes(journey)
    return [theme.cut(line, width) for line in lines]


def state_of(journey: Journey) -> tuple[str, str]:
    """Return how a journey stands, as a mark with words, and the style of it."""
    if journey.missing:
        return f"{theme.MISSING_MARK} {counted(len(journey.missing), 'step')} missing", theme.MISSING
    if journey.duplicated:
        return f"{theme.MISSING_MARK} {counted(len(journey.duplicated), 'step')} twice", theme.MISSING
    if journey.is_complete:
        return "whole", theme.STRONG
    return f"{theme.UNFINISHED_MARK} unfinished", theme.STRONG


def _head(journey: Journey) -> list[Text]:
    went_well = journey.outcome == "ok"
    outcome = journey.outcome if went_well else f"{theme.ERROR_MARK} {journey.outcome}"
    if journey.at:
        outcome += f" at {journey.at}"
    if journey.outcome == "unfinished":
        outcome = ""
    facts: list[tuple[str, str]] = [state_of(journey)]
    if outcome:
        facts.append((outcome, theme.STRONG if went_well else theme.ERROR))
    facts += [(f"{_bug_mark(step.bug)} {step.bug} of {step.node}", _bug_style(step.bug)) for step in _bugs(journey)]
    if journey.unfinished:
        words = counted(len(journey.unfinished), "span") + " unfinished"
        facts.append((f"{theme.UNFINISHED_MARK} {words}", theme.STRONG))
    if journey.earlier:
        facts.append((counted(len(journey.earlier), "earlier attempt"), ""))
    if journey.status:
        facts.append((str(journey.status), theme.ERROR if journey.status >= 500 else ""))
    if journey.duration_ms is not None:
        facts.append((f"{milliseconds(journey.duration_ms)} ms", ""))
    parts: list[str | tuple[str, str]] = []
    for fact in facts:
        parts += [" · ", fact] if parts else [fact]
    when = day_and_clock(parse_time(journey.time))
    title = theme.line(("journey ", theme.DIM), (journey.journey_id or "?", theme.STRONG))
    title.append(f"  {journey.entity}" if journey.entity else "")
    title.append(f"  {counted(len(journey.steps), 'step')}")
    title.append(f"  {when}", theme.DIM)
    return [title, theme.line(*parts)]


def _bugs(journey: Journey) -> list[Taken]:
    """Return the steps that a bug showed at, of the last attempts; of an earlier one it did no harm."""
    return [step for step in journey.steps if step.bug]


def _bug_mark(bug: str) -> str:
    return theme.SLOW_MARK if is_mild(bug) else theme.ERROR_MARK


def _bug_style(bug: str) -> str:
    return theme.SLOW if is_mild(bug) else theme.ERROR


def _columns() -> Text:
    return theme.line(
        (
            f"{'n':>2} {'':{_WAY_WIDTH}} {'node':{_NODE_WIDTH}} {'step':{_STEP_WIDTH}} {'at ms':>{_OFFSET_WIDTH}} what",
            theme.DIM,
        )
    )


def _step(step: Taken, skew: Skew | None = None, *, style: str = "") -> Text:
    mark, tone = _mark(step)
    facts, alarm = facts_of(step)
    if skew is not None:
        facts = f"clock skew {facts}".rstrip()
        alarm = alarm or theme.SLOW
    offset = "?" if step.offset_ms is None else milliseconds(step.offset_ms)
    return theme.line(
        (f"{step.n:>2} ", style or theme.DIM),
        *_way(step.n, mark, style or tone or theme.app_style(step.app)),
        (" " + theme.fit(step.node or "?", _NODE_WIDTH) + " ", style or theme.app_style(step.app)),
        (theme.fit(step.step, _STEP_WIDTH), style),
        (" " + theme.right(offset, _OFFSET_WIDTH) + " ", style),
        (facts, style or alarm),
    )


def _way(n: int, mark: str, style: str) -> tuple[tuple[str, str], tuple[str, str]]:
    depth = _DEPTH.get(n, 0)
    return ("·" * depth, theme.DIM), (mark.ljust(_WAY_WIDTH - depth), style)


def _mark(step: Taken) -> tuple[str, str]:
    """Return what kind of step it is as one character, and the style where that is an alarm."""
    if step.event == names.REQUEST_FAILED:
        return theme.ERROR_MARK, theme.ERROR
    if step.event == names.WORK_FAILED:
        return _bug_mark(step.bug), _bug_style(step.bug)
    if step.event == names.NODE_PICKED:
        return _PICK, ""
    if step.event == names.WORK_DONE:
        return _WORK, ""
    return (_BACK if step.n > 11 else _THERE), ""


def facts_of(step: Taken) -> tuple[str, str]:
    """Return what happened at *step* in a few words (status, bug, milliseconds), and the style of an alarm."""
    is_failure = step.event == names.REQUEST_FAILED
    is_bad = step.status >= 500 or step.error_type == "bad_answer"
    facts: list[str] = []
    if step.event == names.NODE_PICKED:
        facts.append(f"→ {step.peer}" + (f" #{step.attempt}" if step.attempt > 1 else ""))
    elif step.event == names.REQUEST_SENT and step.peer not in ("", "gateway"):
        facts.append(f"to {step.peer}")
    if is_bad and not is_failure:
        facts.append(theme.ERROR_MARK)
    if step.bug:
        facts.append(step.bug)
    if step.status:
        facts.append(str(step.status))
    if is_failure or (is_bad and step.status < 500):
        facts.append(_ERROR_WORDS.get(step.error_type, step.error_type) or "failed")
    if step.duration_ms is not None:
        facts.append(f"{milliseconds(step.duration_ms)} ms")
    alarm = theme.SLOW if is_mild(step.bug) else theme.ERROR if step.bug or is_failure or is_bad else ""
    return " ".join(facts), alarm


def _hole(hole: Hole) -> Text:
    room = _STEP_WIDTH + 1 + _OFFSET_WIDTH
    dashed = f"{hole.step} ".ljust(room, theme.DASHES[0])
    return theme.line(
        (f"{hole.n:>2} ", theme.MISSING),
        *_way(hole.n, theme.MISSING_MARK, theme.MISSING),
        (" " + theme.fit(hole.node or f"{hole.app}-?", _NODE_WIDTH) + " ", theme.MISSING),
        (theme.fit(dashed, room) + " ", theme.MISSING),
        ("missing", theme.MISSING),
    )


def _earlier(earlier: Earlier, journey: Journey) -> Iterator[Text]:
    """Yield an attempt that was not the last: what went wrong loudly, its steps as ghosts of themselves."""
    within = f" (within attempt {earlier.parent_attempt} of service1)" if earlier.parent_attempt > 1 else ""
    met = next((step.peer for step in earlier.steps if step.event == names.NODE_PICKED), "")
    again = next((step.peer for step in journey.steps if step.n == _PICKS.get(earlier.leg)), "")
    yield Text("")
    yield theme.line(
        (f"{theme.TRIED_MARK} attempt {earlier.attempt}", theme.ERROR),
        f" of {earlier.leg}: ",
        (met or "?", theme.app_style(earlier.leg)),
        (f" {theme.ERROR_MARK} {_what_failed(earlier)}", theme.ERROR),
        f", tried again{f' on {again}' if again else ''}{within}",
    )
    for step in earlier.steps:
        ghost = _step(step, style=theme.DIM)
        yield theme.line(("┆", theme.DIM)).append_text(ghost)


def _what_failed(earlier: Earlier) -> str:
    """Return why an attempt was in vain: the bug, the kind of the error, the status."""
    bug = next((step.bug for step in earlier.steps if step.bug), "")
    kind = next((step.error_type for step in reversed(earlier.steps) if step.error_type), "")
    status = next((step.status for step in reversed(earlier.steps) if step.status), 0)
    words = [bug or _ERROR_WORDS.get(kind, kind), str(status or "")]
    return " ".join(word for word in words if word) or "no answer"


def _notes(journey: Journey) -> Iterator[Text]:
    if journey.missing:
        yield Text("")
        for node, holes in _by_node(journey.missing):
            yield theme.line(
                (f"{theme.MISSING_MARK} missing", theme.MISSING), f" of {node}: {_numbers(holes)}. What to check:"
            )
            yield from _checks(node)
    if journey.duplicated:
        yield Text("")
        for node, holes in _by_node(journey.duplicated):
            yield theme.line(
                (f"{theme.MISSING_MARK} twice", theme.MISSING),
                f" from {node}: {_numbers(holes)}. Storage drops what has the same uid, so",
            )
            yield theme.line("  these were logged twice: the node did it again, or two attempts have one number.")
    if journey.unfinished:
        yield Text("")
    for span in journey.unfinished:
        yield theme.line(
            (f"{theme.UNFINISHED_MARK} unfinished", theme.STRONG),
            f": span {span.span_id or '?'} of {span.node or span.app or '?'} began and never ended",
        )
        if span.last_step:
            yield theme.line(f"  the last that is known of it: {span.last_step}")
    if journey.skew:
        yield Text("")
    for skew in journey.skew:
        yield theme.line(
            (f"{theme.SLOW_MARK} clock skew", theme.SLOW),
            f": step {skew.n} is {_before(skew)}before a step that it follows",
        )


def _before(skew: Skew) -> str:
    return f"{milliseconds(abs(skew.offset_ms))} ms " if skew.offset_ms is not None else ""


def _by_node(holes: Sequence[Hole]) -> Iterator[tuple[str, list[Hole]]]:
    def owner(hole: Hole) -> str:
        return hole.node or f"{hole.app}, node unknown"

    for node, group in groupby(sorted(holes, key=owner), key=owner):
        yield node, sorted(group, key=lambda hole: hole.n)


def _numbers(holes: Sequence[Hole]) -> str:
    return ("step " if len(holes) == 1 else "steps ") + ", ".join(str(hole.n) for hole in holes)


def _checks(node: str) -> Iterator[Text]:
    if "," in node:
        yield theme.line("  is one of its nodes down?  ", ("carousel nodes", theme.STRONG))
    else:
        yield theme.line("  is it alive?               ", ("carousel nodes", theme.STRONG))
        yield theme.line("  what it said last          ", (f"carousel logs --node {node} --limit 20", theme.STRONG))
    yield theme.line("  are its records under way? ", ("make status", theme.STRONG), ", then ask again with --wait 30")
