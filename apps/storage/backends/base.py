"""What every back end promises. The docstrings are the specification; `tests/contract` holds each back end to it.

Times are unix nanoseconds, ids are bytes. Every method may be called from any thread. What cannot be done now raises
`StoreError` (busy, locked, full, read-only, closed), never anything else that a caller has to know.
"""

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from apps.storage.model import Batch, Log, Node, Point, Span, Stats, Written
from apps.storage.query import LogQuery, MetricQuery

MAX_TRACE: Final = 20_000
"""Spans of one trace that `Store.spans` returns, and logs that a journey is made of; a hostile trace has no end."""


class Store(Protocol):
    """Keeps logs, spans and metric points."""

    @property
    def name(self) -> str:
        """What kind of store it is, in one word."""
        ...

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


@runtime_checkable
class Feed(Protocol):
    """What a store that feeds a search engine does beside: its outbox, written together with the logs.

    A log is *pending* from its write until it is settled. Keys are those of `Log`.
    """

    def generation(self) -> str:
        """Return which index is fed, empty if none is."""
        ...

    def begin_feed(self, generation: str, *, timeout_s: float) -> None:
        """Feed another index from now on, a new one: every log is pending.

        Raises:
            StoreError: it could not be noted; each step may take *timeout_s*.
        """
        ...

    def pending(self, at_most: int) -> int:
        """Return how many logs are pending; counting stops at *at_most*."""
        ...

    def next_pending(self, limit: int) -> list[Log]:
        """Return pending logs in any order, at most *limit*."""
        ...

    def settle(self, keys: Sequence[int], *, timeout_s: float) -> None:
        """Note that the search engine has committed the logs with *keys*.

        Raises:
            StoreError: it could not be noted within *timeout_s*.
        """
        ...

    def pending_logs(self, query: LogQuery) -> list[Log]:
        """Return what `Store.logs` would, of the pending logs alone."""
        ...

    def logs_of(self, keys: Sequence[int]) -> list[Log]:
        """Return the logs with *keys* (at most 2,000 of them), by key; those that are gone are left out."""
        ...


class FeedingStore(Store, Feed, Protocol):
    """A store with an outbox."""
