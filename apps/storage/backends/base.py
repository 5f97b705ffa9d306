"""What every back end promises. The docstrings are the specification; `tests/contract` holds each back end to it.

Times are unix nanoseconds, ids are bytes. Every method may be called from any thread. What cannot be done now raises
`StoreError` (busy, locked, full, read-only, closed), never anything else that a caller has to know.
"""

from typing import Final, Protocol

from apps.storage.model import Batch, Log, Node, Point, Span, Stats, Written
from apps.storage.query import LogQuery, MetricQuery

MAX_TRACE: Final = 20_000
"""Spans of one trace that `Store.spans` returns, and logs that a journey is made of; a hostile trace has no end."""


class Store(Protocol):
    """Keeps logs, spans and metric points."""

    def write(self, batch: Batch, *, timeout_s: float) -> Written:
        """Keep *batch*; return when it is durable and searchable.

        Durable: it survives the death of the process, and for a store on disk that of the machine. Idempotent: a log
        by its `identity`, a span by (trace id, span id), a point by (series, time); the first one wins, another is
        counted as duplicate, also within one batch. All of the batch is kept or, when this raises, it is unknown
        whether: sending it again does no harm.

        Each log gets a key, within a batch by time: its time, or the next nanosecond that is free.
        `batch.rejected` is added to the statistics.

        Raises:
            StoreBusy: too much is waiting, or there was no commit within *timeout_s*.
            StoreUnavailable: the medium refuses.
        """
        ...

    def logs(self, query: LogQuery) -> list[Log]:
        """Return the logs that match *query*, at most `query.limit`, by key in the order it asks for.

        Empty if there are none. Paging with `after` neither repeats nor misses a log that was there at the first page,
        whatever is written meanwhile.
        """
        ...

    def spans(self, trace_id: bytes) -> list[Span]:
        """Return the spans of *trace_id*, oldest first, at most `MAX_TRACE`; empty if it is unknown."""
        ...

    def latest_points(self, query: MetricQuery) -> list[Point]:
        """Return the newest point of each series that matches *query*, by name, app and node; empty if there are none.

        A series whose newest point is older than the store keeps points is not there any more.
        """
        ...

    def nodes(self) -> list[Node]:
        """Return every node that anything was kept of, by app and name. Times are the least and greatest seen."""
        ...

    def stats(self) -> Stats:
        """Return the totals since the store was made; they survive a restart where the records do."""
        ...

    def check(self) -> str | None:
        """Return why the store cannot take records now, None when it can."""
        ...

    def close(self) -> None:
        """Finish what was begun and let go of the medium; a second close does nothing.

        Every other call raises `StoreUnavailable` from then on.
        """
        ...
