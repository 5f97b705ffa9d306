"""Numbers and times as people read them."""

from datetime import UTC, datetime

import pytest

from apps.cli import quantities


@pytest.mark.parametrize(
    ("value", "expected"), [(None, ""), (0.04, "0.0"), (93.44, "93.4"), (9999.9, "9999.9"), (10_000.4, "10000")]
)
def test_milliseconds_keep_one_digit_while_it_means_something(value: float | None, expected: str) -> None:
    """Absent is empty, not 0."""
    assert expected == quantities.milliseconds(value)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(-3, "0 s"), (45, "45 s"), (60, "1 min"), (7_300, "2 h"), (200_000, "2 d")]
)
def test_lengths_of_time_have_one_unit(seconds: float, expected: str) -> None:
    """A clock that runs ahead makes no negative ages."""
    assert expected == quantities.ago(seconds)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23T11:52:59.123456789Z",
        "2026-11-23T14:52:59.123456+03:00",
        "2026-11-23T11:52:59.1234569Z",
    ],
)
def test_times_are_read_to_the_microsecond(value: str) -> None:
    """Nanoseconds are cut, zones turned to UTC."""
    assert datetime(2026, 11, 23, 11, 52, 59, 123456, UTC) == quantities.parse_time(value)


@pytest.mark.parametrize("value", ["", "yesterday", "2026-11-23T11:52:59", "2026-13-40T99:99:99Z"])
def test_what_is_no_time_is_none(value: str) -> None:
    """A time without a zone is nobody's."""
    assert quantities.parse_time(value) is None


def test_percentiles_are_values_that_were_measured() -> None:
    """Nearest rank: no number that no request took."""
    values = [float(one) for one in range(1, 101)]

    assert (50.0, 95.0, 100.0, 7.0, 0.0) == (
        quantities.percentile(values, 0.5),
        quantities.percentile(values, 0.95),
        quantities.percentile(values, 1.0),
        quantities.percentile([7.0], 0.5),
        quantities.percentile([], 0.5),
    )
