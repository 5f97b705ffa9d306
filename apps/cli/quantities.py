"""Numbers and times as people read them: milliseconds, lengths of time, moments in UTC, percentiles."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta


def milliseconds(value: float | None) -> str:
    """Return *value* milliseconds as digits without a unit: 0.3, 93.4, 1203; empty for None."""
    if value is None:
        return ""
    return f"{value:.1f}" if abs(value) < 9999.95 else f"{value:.0f}"


def ago(seconds: float) -> str:
    """Return a length of time in its largest unit: 0 s, 45 s, 12 min, 3 h, 5 d. Less than nothing is 0 s."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def parse_time(value: str) -> datetime | None:
    """Return an RFC 3339 time, cut to microseconds, in UTC; None if *value* is none."""
    try:
        head, dot, rest = value.partition(".")
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        zone = rest[len(digits) :]
        moment = datetime.fromisoformat(f"{head}{dot}{digits[:6].ljust(6, '0')}{zone}" if dot else value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def from_nanoseconds(nanoseconds: int) -> datetime | None:
    """Return unix nanoseconds as a time in UTC; None where no calendar reaches."""
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return None


def to_nanoseconds(moment: datetime) -> int:
    """Return a time as unix nanoseconds, to the microsecond."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def clock(moment: datetime | None) -> str:
    """Return the time of day to the millisecond: 11:52:59.123."""
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}" if moment else "--:--:--.---"


def day_and_clock(moment: datetime | None) -> str:
    """Return day and time of day to the millisecond, with the zone: 2026-11-23 11:52:59.123 UTC."""
    return f"{moment:%Y-%m-%d} {clock(moment)} UTC" if moment else "at an unknown time"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that *share* (0 to 1) of the sorted *values* do not exceed (nearest rank); 0 for none."""
    if not values:
        return 0.0
    rank = max(1, -int(-share * len(values) // 1))
    return values[min(rank, len(values)) - 1]


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return *number* with its noun: 1 step, 2 steps, 3 journeys."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
