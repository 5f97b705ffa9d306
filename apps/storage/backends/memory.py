"""The store that forgets: for tests and for a look around. Correct first; everything is scanned."""

import bisect
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from apps.storage.backends.base import MAX_TRACE
from apps.storage.errors import StoreUnavailable
from apps.storage.model import Batch, Log, NewLog, Node, Origin, Point, Span, Stats, Written
from apps.storage.query import LogQuery, MetricQuery, Order, State
from apps.telemetry.record import is_error

Key = TypeVar("Key")
Value = TypeVar("Value")


class MemoryStore:
    """A `Store` and a `Feed` in this process's memory; gone with it.

    Args:
        metrics_age_s: how long metric points are kept, by *clock*.
        clock: unix nanoseconds.
        feeds: keep an outbox for a search engine beside the store.
    """

    name: Final = "memory"

    def __init__(
        self, *, metrics_age_s: float = 7200.0, clock: Callable[[], int] = time.time_ns, feeds: bool = False
    ) -> None:
        self._lock = threading.Lock()
        self._age_ns = int(metrics_age_s * 1e9)
        self._clock = clock
        self._keys: list[int] = []
        self._logs: dict[int, NewLog] = {}
        self._identities: set[bytes] = set()
        self._spans: dict[bytes, dict[bytes, Span]] = {}
        self._points: dict[bytes, dict[int, Point]] = {}
        self._nodes: dict[tuple[str, str], Node] = {}
        self._duplicates = 0
        self._rejected = 0
        self._feeds = feeds
        self._generation = ""
        self._outbox: set[int] = set()
        self._is_closed = False

    def write(self, batch: Batch, *, timeout_s: float) -> Written:
        """See `Store.write`."""
        with self._open():
            self._drop_old_points()
            logs = [log for log in sorted(batch.logs, key=lambda log: log.time) if self._add_log(log)]
            spans = [span for span in batch.spans if self._add_span(span)]
            points = [point for point in batch.points if self._add_point(point)]
            self._count(((log.origin, log.time) for log in logs), "logs")
            self._count(((span.origin, span.time) for span in spans), "spans")
            self._count(((point.series.origin, point.time) for point in points), "points")
            stored = len(logs) + len(spans) + len(points)
            self._duplicates += len(batch) - stored
            self._rejected += batch.rejected
            return Written(stored, len(batch) - stored)

    def logs(self, query: LogQuery) -> list[Log]:
        """See `Store.logs`."""
        first, last = query.bounds()
        with self._open():
            keys = self._keys[bisect.bisect_left(self._keys, first) : bisect.bisect_right(self._keys, last)]
            if query.order is Order.NEWEST_FIRST:
                keys.reverse()
            found: list[Log] = []
            for key in keys:
                if _matches(self._logs[key], query):
                    found.append(self._log(key))
                    if len(found) == query.limit:
                        break
            return found

    def generation(self) -> str:
        """See `Feed.generation`."""
        with self._open():
            return self._generation

    def begin_feed(self, generation: str, *, timeout_s: float) -> None:
        """See `Feed.begin_feed`."""
        with self._open():
            self._generation = generation
            self._outbox = set(self._keys)

    def pending(self, at_most: int) -> int:
        """See `Feed.pending`."""
        with self._open():
            return min(len(self._outbox), at_most)

    def next_pending(self, limit: int) -> list[Log]:
        """See `Feed.next_pending`."""
        with self._open():
            return [self._log(key) for key in sorted(self._outbox)[:limit]]

    def settle(self, keys: Sequence[int], *, timeout_s: float) -> None:
        """See `Feed.settle`."""
        with self._open():
            self._outbox.difference_update(keys)

    def pending_logs(self, query: LogQuery) -> list[Log]:
        """See `Feed.pending_logs`."""
        with self._open():
            outbox = set(self._outbox)
        everything = replace(query, limit=len(self._keys) + 1)
        return [log for log in self.logs(everything) if log.key in outbox][: query.limit]

    def logs_of(self, keys: Sequence[int]) -> list[Log]:
        """See `Feed.logs_of`."""
        with self._open():
            return [self._log(key) for key in sorted(keys) if key in self._logs]

    def spans(self, trace_id: bytes) -> list[Span]:
        """See `Store.spans`."""
        with self._open():
            return sorted(self._spans.get(trace_id, {}).values(), key=lambda span: span.time)[:MAX_TRACE]

    def latest_points(self, query: MetricQuery) -> list[Point]:
        """See `Store.latest_points`."""
        oldest = self._clock() - self._age_ns
        with self._open():
            newest = [points[max(points)] for points in self._points.values() if points]
        return sorted(
            (point for point in newest if point.time >= oldest and _asked(point, query)),
            key=lambda point: (point.series.name, point.series.origin.app, point.series.origin.node),
        )

    def nodes(self) -> list[Node]:
        """See `Store.nodes`."""
        with self._open():
            return sorted(self._nodes.values(), key=lambda node: (node.app, node.node))

    def stats(self) -> Stats:
        """See `Store.stats`."""
        with self._open():
            self._drop_old_points()
            return Stats(
                logs=sum(node.logs for node in self._nodes.values()),
                spans=sum(node.spans for node in self._nodes.values()),
                points=sum(node.points for node in self._nodes.values()),
                points_held=sum(len(points) for points in self._points.values()),
                duplicates=self._duplicates,
                rejected=self._rejected,
            )

    def check(self) -> str | None:
        """See `Store.check`."""
        return "the store is closed" if self._is_closed else None

    def close(self) -> None:
        """See `Store.close`."""
        self._is_closed = True

    def _log(self, key: int) -> Log:
        return Log(key, self._logs[key].origin, self._logs[key].raw)

    def _open(self) -> threading.Lock:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        return self._lock

    def _add_log(self, log: NewLog) -> bool:
        if log.identity in self._identities:
            return False
        key = log.time
        while key in self._logs:
            key += 1
        self._identities.add(log.identity)
        self._logs[key] = log
        bisect.insort(self._keys, key)
        if self._feeds:
            self._outbox.add(key)
        return True

    def _add_span(self, span: Span) -> bool:
        return _put(self._spans.setdefault(span.trace_id, {}), span.span_id, span)

    def _add_point(self, point: Point) -> bool:
        return _put(self._points.setdefault(point.series.digest, {}), point.time, point)

    def _drop_old_points(self) -> None:
        oldest = self._clock() - self._age_ns
        for digest, points in list(self._points.items()):
            for stamp in [stamp for stamp in points if stamp < oldest]:
                del points[stamp]
            if not points:
                del self._points[digest]

    def _count(self, kept: Iterable[tuple[Origin, int]], what: str) -> None:
        for origin, stamp in kept:
            name = (origin.app, origin.node)
            node = self._nodes.get(name) or Node(origin.node, origin.app, stamp, stamp)
            self._nodes[name] = replace(
                node,
                first_seen=min(node.first_seen, stamp),
                last_seen=max(node.last_seen, stamp),
                **{what: getattr(node, what) + 1},
            )


def _put(held: dict[Key, Value], key: Key, value: Value) -> bool:
    """Put *value* under *key* unless something is there; tell whether it was put."""
    if key in held:
        return False
    held[key] = value
    return True


def _matches(log: NewLog, query: LogQuery) -> bool:
    return (
        (not query.trace_id or log.trace_id == query.trace_id)
        and (not query.apps or log.origin.app in query.apps)
        and (not query.nodes or log.origin.node in query.nodes)
        and (not query.steps or log.step in query.steps)
        and log.severity >= query.min_severity
        and (query.state is None or query.state is (State.ERROR if is_error(log.severity) else State.OK))
        and query.words <= log.words
    )


def _asked(point: Point, query: MetricQuery) -> bool:
    return (
        (not query.names or point.series.name in query.names)
        and (not query.apps or point.series.origin.app in query.apps)
        and (not query.nodes or point.series.origin.node in query.nodes)
    )
