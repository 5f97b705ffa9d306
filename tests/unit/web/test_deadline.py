"""The time a request has left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.web.deadline import HOP_MARGIN_MS, Deadline, deadline_ms
from tests.fakes import FakeClock


def test_the_time_left_shrinks_with_the_clock_and_ends_at_nothing() -> None:
    """Never below zero."""
    clock = FakeClock()
    deadline = Deadline(1_500, clock)
    seen = [deadline.left_s()]
    for seconds in (1, 0.5, 10):
        clock.advance(seconds)
        seen.append(deadline.left_s())

    assert [1.5, 0.5, 0, 0] == seen


@pytest.mark.parametrize(("left_ms", "handed_on"), [
    (0, 0), (1, 0), (30, 0), (31, 1), (100, 70), (300, 270), (400, 360), (1_000, 900), (2_000, 1_900), (5_000, 4_900),
])  # fmt: skip
def test_a_tenth_is_kept_back_at_each_hop_within_bounds(left_ms: int, handed_on: int) -> None:
    """30 to 100 milliseconds, so that the hop inside gives up first."""
    assert handed_on == Deadline(left_ms, FakeClock(0)).for_next_hop_ms()


@given(st.integers(0, 60_000))
def test_each_hop_hands_on_less_than_it_has(left_ms: int) -> None:
    """By the least margin at least, or nothing; more time never means less to hand on."""
    clock = FakeClock(0)
    handed_on = Deadline(left_ms, clock).for_next_hop_ms()

    assert 0 <= handed_on <= max(left_ms - HOP_MARGIN_MS[0], 0)
    assert handed_on <= Deadline(left_ms + 1, clock).for_next_hop_ms()


@pytest.mark.parametrize(("field", "expected"), [
    (None, 5_000), ("1", 1), ("200", 200), ("5000", 5_000), ("5001", 5_000), ("9" * 400, 5_000), ("0200", 200),
])  # fmt: skip
def test_a_field_asks_for_less_never_for_more(field: str | None, expected: int) -> None:
    """The cap where it says nothing, or too much."""
    assert expected == deadline_ms(field, 5_000)


@pytest.mark.parametrize("field", ["", "0", "-1", "1.5", "1s", " 1", "+1", "soon", "²", "٣", "1_000", "0x10"])
def test_anything_but_a_positive_whole_number_is_an_error(field: str) -> None:
    """Which names the value."""
    with pytest.raises(ValueError, match="no whole number of milliseconds of at least 1"):
        deadline_ms(field, 5_000)
