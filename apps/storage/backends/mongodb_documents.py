"""What MongoDB keeps: the shape of each document, its indexes, and queries as filters. No call of the server here.

=========  =======================================================================================
`log`      one document a log; `_id` is its identity, `key` its place in time
`span`     one a span; `_id` is trace id and span id together
`point`    one a metric point; `_id` is the digest of its series and its time
`series`   one a time series, with its newest point
`origin`   resource and scope that records share, by digest
`tally`    how much each writer has kept of each node
`group`    what each writer is doing: the group of batches that it writes, and whether that is counted
`piece`    parts of what is too long for one document
`meta`     the version of all this, and which search engine is fed
=========  =======================================================================================

Times are int64 nanoseconds (a BSON date holds milliseconds only). Dates are there for the server's own clean-up alone.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from bson import Binary

from apps.storage.model import MAX_SEVERITY, Batch, NewLog, Origin, Point, Series, Span
from apps.storage.query import LogQuery, MetricQuery, Order, State
from apps.telemetry.record import ERROR_SEVERITY

Document: TypeAlias = dict[str, Any]

VERSION: Final = 1
MAX_INLINE: Final = 4 * 1024 * 1024
"""Bytes of a message that are kept inside its document (which may have 16 MiB with its words); more goes to `piece`."""

Index: TypeAlias = tuple[list[tuple[str, int]], dict[str, Any]]

INDEXES: Final[Mapping[str, tuple[Index, ...]]] = {
    "log": (
        ([("key", 1)], {"unique": True}),
        ([("trace", 1), ("key", 1)], {}),
        ([("node", 1), ("key", 1)], {}),
        ([("app", 1), ("key", 1)], {}),
        ([("step", 1), ("key", 1)], {}),
        ([("words", 1), ("key", 1)], {}),
        ([("todo", 1)], {"sparse": True}),
        ([("expires", 1)], {"expireAfterSeconds": 0}),
    ),
    "span": (
        ([("trace", 1), ("time", 1)], {}),
        ([("time", 1)], {}),
        ([("expires", 1)], {"expireAfterSeconds": 0}),
    ),
    "point": (
        ([("time", 1)], {}),
        ([("expires", 1)], {"expireAfterSeconds": 0}),
    ),
    "series": (([("name", 1)], {}),),
    "piece": (([("expires", 1)], {"expireAfterSeconds": 0}),),
}
"""`expires` is the moment itself, so a change of the retention holds for what comes after it."""


def text(value: str) -> str:
    """Return *value* as BSON can hold it: what is no character becomes a question mark."""
    return value.encode("utf-8", "replace").decode("utf-8")


def date(seconds: float) -> datetime:
    """Return unix *seconds* as BSON's date."""
    return datetime.fromtimestamp(seconds, UTC)


def log_document(log: NewLog, key: int, group: str) -> Document:
    """Return the document of *log* but for its message."""
    made: Document = {
        "_id": Binary(log.identity),
        "key": key,
        "app": text(log.origin.app),
        "node": text(log.origin.node),
        "severity": log.severity,
        "words": [text(word) for word in log.words],
        "origin": Binary(log.origin.digest),
        "group": group,
    }
    if log.trace_id:
        made["trace"] = Binary(log.trace_id)
    if log.step:
        made["step"] = text(log.step)
    return made


def span_id(span: Span) -> bytes:
    """Return what makes a span itself."""
    return span.trace_id + span.span_id


def span_document(span: Span, group: str) -> Document:
    """Return the document of *span* but for its message."""
    return {
        "_id": Binary(span_id(span)),
        "trace": Binary(span.trace_id),
        "span": Binary(span.span_id),
        "time": span.time,
        "app": text(span.origin.app),
        "node": text(span.origin.node),
        "origin": Binary(span.origin.digest),
        "group": group,
    }


def point_id(point: Point) -> bytes:
    """Return what makes a point itself."""
    return point.series.digest + point.time.to_bytes(8, "big", signed=True)


def point_document(point: Point, group: str) -> Document:
    """Return the document of *point* but for its message."""
    return {
        "_id": Binary(point_id(point)),
        "series": Binary(point.series.digest),
        "time": point.time,
        "app": text(point.series.origin.app),
        "node": text(point.series.origin.node),
        "group": group,
    }


def series_document(series: Series, born: int) -> Document:
    """Return the document of *series* as it is before its first point; *born* orders those of one name."""
    return {
        "time": -1,
        "origin": Binary(series.origin.digest),
        "name": text(series.name),
        "app": text(series.origin.app),
        "node": text(series.origin.node),
        "born": born,
    }


def origin_document(origin: Origin) -> Document:
    """Return the document of *origin* but for its two messages."""
    return {
        "_id": Binary(origin.digest),
        "app": text(origin.app),
        "node": text(origin.node),
        "resource_schema_url": text(origin.resource_schema_url),
        "scope_schema_url": text(origin.scope_schema_url),
    }


def tally_id(writer: str, app: str, node: str) -> Binary:
    """Return the id of what *writer* has kept of a node."""
    packed = "\0".join((writer, app, node)).encode("utf-8", "surrogatepass")
    return Binary(hashlib.blake2b(packed, digest_size=16).digest())


def pieces_of(message: bytes) -> Iterator[Document]:
    """Yield the documents of a long *message*, known by its digest: the same message has the same pieces."""
    digest = hashlib.blake2b(message, digest_size=32).digest()
    for number, start in enumerate(range(0, len(message), MAX_INLINE)):
        part = message[start : start + MAX_INLINE]
        yield {"_id": Binary(digest + number.to_bytes(4, "big")), "data": Binary(part)}


def window_of(batches: Sequence[Batch]) -> tuple[int, int]:
    """Return the least and the greatest time in *batches*; a log may have moved on by less than the second added."""
    times = [
        *(log.time for batch in batches for log in batch.logs),
        *(span.time for batch in batches for span in batch.spans),
        *(point.time for batch in batches for point in batch.points),
    ]
    return (min(times), min(max(times) + 10**9, 2**63 - 1)) if times else (0, 0)


def filter_of(query: LogQuery) -> Document | None:
    """Return the filter of *query*, None if nothing can match it."""
    first, last = query.bounds()
    if first > last:
        return None
    asked: Document = {"key": {"$gte": first, "$lte": last}}
    if query.trace_id:
        asked["trace"] = Binary(query.trace_id)
    for name, values in (("app", query.apps), ("node", query.nodes), ("step", query.steps)):
        if values:
            asked[name] = one_of(values)
    if query.words:
        words = [text(word) for word in sorted(query.words)]
        asked["words"] = words[0] if len(words) == 1 else {"$all": words}
    if (severity := _severities(query)) is not None:
        asked["severity"] = severity
    return asked


def _severities(query: LogQuery) -> Document | None:
    least, most = query.min_severity, MAX_SEVERITY
    if query.state is State.ERROR:
        least = max(least, ERROR_SEVERITY)
    elif query.state is State.OK:
        most = ERROR_SEVERITY - 1
    return {"$gte": least, "$lte": most} if least or most < MAX_SEVERITY else None


def one_of(values: tuple[str, ...]) -> Any:
    """Return the condition that a field has one of *values*."""
    return text(values[0]) if len(values) == 1 else {"$in": [text(value) for value in values]}


def series_filter(query: MetricQuery, oldest: int) -> Document:
    """Return the filter of the series that *query* asks for and that have a point since *oldest*."""
    asked: Document = {"time": {"$gte": oldest}}
    for name, values in (("name", query.names), ("app", query.apps), ("node", query.nodes)):
        if values:
            asked[name] = one_of(values)
    return asked


def direction_of(query: LogQuery) -> int:
    """Return the direction to sort keys in."""
    return -1 if query.order is Order.NEWEST_FIRST else 1
