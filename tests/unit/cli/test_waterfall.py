"""The waterfall: every span once, in the order of its tree, to scale, never wider than asked."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from apps.cli import journeys, spans, waterfall
from apps.cli.spans import Span
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
    assert expected == waterfall.bar(_span(1, start, end), [], waterfall.Axis(0, 100, 10))


def test_waiting_is_lighter_than_work() -> None:
    """Time in which a child ran is a line, the span's own is solid."""
    assert "██──────██" == waterfall.bar(_span(1, 0, 100), [_span(2, 20, 80, 1)], waterfall.Axis(0, 100, 10))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 10**10), st.integers(0, 10**10))),
    st.integers(60, 160),
)
def test_any_trace_is_drawn_within_its_width(rows: list[tuple[int, int, int, int]], width: int) -> None:
    """Circles, spans that are their own parent, twins and times of any kind: no line is too long."""
    found = {number: _span(number, start, start + length, parent) for number, parent, start, length in rows}

    drawn = waterfall.draw(list(found.values()), width)

    assert [] == [line.plain for line in drawn if line.cell_len > width]
