"""The values storage keeps: logs, spans, metric series and points.

Pure: knows nothing of Flask, of protobuf classes or of any database. What was sent is kept as it was sent (the
bytes of the OTLP message, and of its resource and scope once for all that share them); beside it stand the few
fields that are searched. Times are unix nanoseconds; ids are bytes (16 for a trace, 8 for a span).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

AttributeValue: TypeAlias = "str | bool | int | float | bytes | list[AttributeValue] | dict[str, AttributeValue] | None"

AHEAD_NS: Final = 600 * 1_000_000_000
"""How far ahead of arrival a time may be before it is not believed (ten minutes)."""

MAX_SEVERITY: Final = 24


@dataclass(frozen=True, slots=True)
class Origin:
    """Resource and scope that records share. Equal *digest* means equal bytes."""

    digest: bytes
    app: str
    node: str
    resource: bytes
    resource_schema_url: str
    scope: bytes
    scope_schema_url: str


@dataclass(frozen=True, slots=True)
class NewLog:
    """A log record on its way in.

    *identity* (16 bytes) is the same for two copies of one record and for nothing else. *time* is the time to sort
    and search by (`believable_time`), which is the record's own unless that cannot be. *severity* is the
    SeverityNumber, 0 where it is unspecified or out of range. *trace_id* is empty where there is none.
    """

    identity: bytes
    time: int
    severity: int
    trace_id: bytes
    step: str
    words: frozenset[str]
    origin: Origin
    raw: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """A log record as it is found. *key* is its place in time: unique in its store, and what order and paging go by."""

    key: int
    origin: Origin
    raw: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """A span; (*trace_id*, *span_id*) is its identity. *time* is its start, if that can be believed."""

    trace_id: bytes
    span_id: bytes
    time: int
    origin: Origin
    raw: bytes


@dataclass(frozen=True, slots=True)
class Series:
    """What the points of one time series share. *head* is the OTLP Metric message without points."""

    digest: bytes
    origin: Origin
    name: str
    head: bytes


@dataclass(frozen=True, slots=True)
class Point:
    """A data point; (*series*, *time*) is its identity. *raw* is the OTLP data point message, exemplars included."""

    series: Series
    time: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request brings. *rejected* counts the records of it that could not be used."""

    logs: tuple[NewLog, ...] = ()
    spans: tuple[Span, ...] = ()
    points: tuple[Point, ...] = ()
    rejected: int = 0

    def __len__(self) -> int:
        return len(self.logs) + len(self.spans) + len(self.points)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch: *stored* records are new, *duplicates* were there already."""

    stored: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """A node that has sent something, and how much of it was kept. Times are the first and last of its records."""

    node: str
    app: str
    first_seen: int
    last_seen: int
    logs: int = 0
    spans: int = 0
    points: int = 0


@dataclass(frozen=True, slots=True)
class Stats:
    """Totals since the store was made. *points_held* is how many of *points* are not too old to be kept."""

    logs: int = 0
    spans: int = 0
    points: int = 0
    points_held: int = 0
    duplicates: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class JourneyRecord:
    """A step record as the journey reads it: the fields of `apps.telemetry.names`, in plain values."""

    key: int
    time: int
    node: str
    app: str
    severity: int
    event: str
    message: str
    span_id: str
    attributes: Mapping[str, AttributeValue] = field(default_factory=lambda: MappingProxyType({}))

    def text(self, name: str) -> str | None:
        """Return attribute *name* as text; None where it is absent or not text."""
        value = self.attributes.get(name)
        return value if isinstance(value, str) and value else None

    def number(self, name: str) -> int | float | None:
        """Return attribute *name* as a number; None where it is absent or not one."""
        value = self.attributes.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def believable_time(own: int, observed: int, arrival: int) -> int:
    """Return the time to sort and search by, from a record's *own* time, the *observed* one and its *arrival*.

    A time that is missing (0) or more than `AHEAD_NS` after arrival would spoil every newest-first
    answer, so the next one is taken instead; the record keeps its own in what is shown.
    """
    for time in (own, observed):
        if 0 < time <= arrival + AHEAD_NS:
            return time
    return arrival


def searchable_severity(number: int) -> int:
    """Return *number* if it is a SeverityNumber (1 to 24), else 0."""
    return number if 1 <= number <= MAX_SEVERITY else 0
