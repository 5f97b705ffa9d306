"""The waterfall: every span once, in the order of its tree, to scale, never wider than asked."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from apps.cli import bars, critical, journeys, spans, waterfall
from apps.cli.spans import Span, Tick
from tests.unit.cli import samples

Golden = Callable[[str, list[Text]], None]


@pytest.mark.parametrize("width", [80, 120])
def test_a_healthy_request_looks_as_it_should(width: int, golden: Golden) -> None:
    """The picture in the README is this one."""
    golden(f"waterfall-healthy-{width}", waterfall.draw(spans.decode(samples.trace()), width))


def test_failures_are_named_where_they_happened(golden: Golden) -> None:
    """Mark and word stand beside the name, with the status or the bug."""
    golden("waterfall-failed-80", waterfall.draw(spans.decode(samples.failed_trace()), 80))


def test_a_span_that_never_ended_is_hatched(golden: Golden) -> None:
    """It is shown from its first sign of life on, without a length that nobody knows."""
    known = spans.decode(samples.trace(8, 9))
    begun = spans.unfinished(journeys.decode(samples.journeys(samples.reset())), known)

    golden("waterfall-unfinished-80", waterfall.draw([*known, *begun], 80))


def test_requests_far_apart_get_an_axis_each(golden: Golden) -> None:
    """One trace id used twice, ten seconds apart: on one axis both would be dots."""
    first = samples.span(1, 0, 2, "gateway", "POST /api/<entity>", 0, 60)
    second = samples.span(21, 0, 2, "gateway", "POST /api/<entity>", 10_000, 10_080)

    golden("waterfall-twice-80", waterfall.draw(spans.decode({"resourceSpans": [first, second]}), 80))


def test_only_the_origin_of_a_failure_is_red() -> None:
    """Spans above it keep the colour of their app: the eye should find where it began."""
    drawn = waterfall.draw(spans.decode(samples.failed_trace()), 80)

    red_bars = [line.plain for line in drawn if line.spans and str(line.spans[-1].style) == "bold red"]

    assert ["work"] == [line.split("└")[-1].split()[0] for line in red_bars]


@pytest.mark.parametrize(("bug", "mark"), [("slow", "◷ slow"), ("burn", "◷ burn"), ("garbage", "⊗ garbage")])
def test_a_bug_is_named_by_its_kind(bug: str, mark: str) -> None:
    """With the mark of what still served, or of what did not."""
    span = samples.span(1, 0, 1, "service2", "work", 0, 60, carousel__bug=bug)

    assert any(mark in line.plain for line in waterfall.draw(spans.decode({"resourceSpans": [span]}), 80))


def test_no_spans_are_said_in_words() -> None:
    """Nothing is never drawn as nothing."""
    assert ["No spans of this trace were found."] == [line.plain for line in waterfall.draw([], 80)]


def _span(number: int, start: int, end: int, parent: int = 0) -> Span:
    return Span(f"{number}", f"{parent or ''}", "work", 1, "service2-1", "service2", start, end)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(0, 100, "██████████", id="whole"),
        pytest.param(50, 100, "     █████", id="second half"),
        pytest.param(0, 25, "██▌", id="part of a column"),
        pytest.param(99, 99, "         ▐", id="no time at all, at the very end"),
        pytest.param(0, 0, "▏", id="no time at all"),
    ],
)
def test_a_bar_is_to_scale(start: int, end: int, expected: str) -> None:
    """A column is divided into eighths, and a span that took no time leaves a mark all the same."""
    assert expected == bars.bar(_span(1, start, end), [], bars.Axis(0, 100, 10))


def test_waiting_is_lighter_than_work() -> None:
    """Time in which a child ran is a line, the span's own is solid."""
    assert "██━━━━━━██" == bars.bar(_span(1, 0, 100), [_span(2, 20, 80, 1)], bars.Axis(0, 100, 10))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 10**10), st.integers(0, 10**10))),
    st.integers(60, 160),
)
def test_any_trace_is_drawn_within_its_width(rows: list[tuple[int, int, int, int]], width: int) -> None:
    """Circles, spans that are their own parent, twins and times of any kind: no line is too long."""
    found = {number: _span(number, start, start + length, parent) for number, parent, start, length in rows}

    drawn = waterfall.draw(list(found.values()), width)

    assert [] == [line.plain for line in drawn if line.cell_len > width]


@pytest.mark.parametrize("width", [80, 120])
def test_log_records_are_ticks_and_a_node_without_spans_keeps_a_row(width: int, golden: Golden) -> None:
    """Whose spans never came is loud, and what it logged or did not stands below."""
    ways = journeys.decode(samples.journeys(samples.in_spans(samples.holed())))
    known = spans.decode(samples.trace(8, 9))

    lines = waterfall.draw(known, width, ticks=spans.ticks(ways), absent=spans.absent(ways, known))

    assert [] == [line.plain for line in lines if line.cell_len > width]
    golden(f"waterfall-absent-{width}", lines)


def test_ticks_are_where_the_records_are() -> None:
    """An error's tick hides another's; a bar too short for ticks keeps its shape, but for errors."""
    axis = bars.Axis(0, 100, 10)

    assert "┃███╳████┃" == bars.ticked(
        "█" * 10, [Tick(0, False), Tick(99, False), Tick(45, False), Tick(41, True)], axis
    )
    assert "  ██" == bars.ticked("  ██", [Tick(25, False)], axis)
    assert "  █╳" == bars.ticked("  ██", [Tick(35, True)], axis)


def test_what_nobody_waited_for_is_off_the_critical_path() -> None:
    """Two children side by side: the parent waited for the one that ended last."""
    parent, long, short = _span(1, 0, 100), _span(2, 10, 90, 1), _span(3, 10, 30, 1)

    path = critical.path(spans.tree([parent, long, short]))

    assert {"1": 20, "2": 80} == {name: share.own_ns for name, share in path.items()}


def test_work_that_goes_on_after_its_caller_gave_up_is_weak() -> None:
    """The caller waited until its deadline, and no longer."""
    parent, late = _span(1, 0, 50), _span(2, 10, 100, 1)

    path = critical.path(spans.tree([parent, late]))
    drawn = bars.bar(late, [], bars.Axis(0, 100, 10), until=path["2"].until)

    assert (50, " ████▒▒▒▒▒") == (path["2"].until, drawn)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 1000), st.integers(0, 1000)), max_size=10)
)
def test_the_critical_path_is_as_long_as_its_roots(rows: list[tuple[int, int, int, int]]) -> None:
    """Own times on it never add up to more than the roots took, whatever claims to be whose child."""
    found = {number: _span(number, start, start + length, parent) for number, parent, start, length in rows}
    branches = spans.tree(list(found.values()))

    shares = critical.path(branches).values()

    roots = sum(branch.span.end - branch.span.start for branch in branches if not branch.guides)
    assert sum(share.own_ns for share in shares) <= roots
    assert [] == [share for share in shares if share.own_ns < 0]
