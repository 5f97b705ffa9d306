"""Spans out of OTLP JSON, and the tree they make, whatever they claim of their parents."""

from hypothesis import given
from hypothesis import strategies as st

from apps.cli import spans
from apps.cli.spans import Span
from tests.unit.cli import samples


def _span(span_id: str, parent_id: str, start: int = 0, end: int = 10) -> Span:
    return Span(span_id, parent_id, "work", 1, "node-1", "app", start, end)


def test_reads_numbers_written_as_text() -> None:
    """OTLP JSON writes 64-bit numbers as strings."""
    [span] = spans.decode(
        {"resourceSpans": [samples.span(1, 0, 2, "gateway", "GET", 0, 2.5, http__response__status_code=200)]}
    )

    assert (2.5, 200, "gateway-1") == (span.duration_ms, span.status, span.node)


def test_passes_over_what_is_no_span() -> None:
    """Whatever shape an answer has, it is no reason to fail."""
    assert [] == spans.decode({"resourceSpans": [{"scopeSpans": "none"}, 7, {"scopeSpans": [{"spans": [None]}]}]})


def test_a_child_follows_its_parent() -> None:
    """Siblings come by start, each with all that is below it."""
    found = [_span("a", ""), _span("b", "a", 1), _span("c", "a", 2), _span("d", "b", 3)]

    assert [("a", ""), ("b", "├"), ("d", "│└"), ("c", "└")] == [
        (branch.span.span_id, branch.guides) for branch in spans.tree(found)
    ]


def test_a_span_without_its_parent_is_cut_off() -> None:
    """The parent has a name, and is not there."""
    assert [True, False] == [branch.is_cut_off for branch in spans.tree([_span("a", "gone"), _span("b", "a")])]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=40))
def test_every_span_comes_exactly_once(pairs: list[tuple[int, int]]) -> None:
    """Also of circles, of a span that is its own parent, and of many roots."""
    found = list({str(number): _span(str(number), str(parent)) for number, parent in pairs}.values())

    assert sorted(span.span_id for span in found) == sorted(branch.span.span_id for branch in spans.tree(found))


def test_a_deep_trace_is_no_matter_of_recursion() -> None:
    """Ten thousand levels are a hostile trace, not a crash."""
    found = [_span(str(number), str(number - 1)) for number in range(10_000)]

    assert 10_000 == len(spans.tree(found))


def test_own_time_is_what_no_child_covers() -> None:
    """Children that overlap, begin early or end late take nothing twice."""
    children = [_span("b", "a", -5, 10), _span("c", "a", 5, 20), _span("d", "a", 90, 120)]

    assert [(20, 90)] == spans.uncovered(_span("a", "", 0, 100), children)
