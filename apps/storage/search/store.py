"""A store with a search engine beside it: the engine finds, the store shows, and nothing is missed in between."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from apps.storage.backends.base import FeedingStore, Store
from apps.storage.errors import StoreError
from apps.storage.model import Batch, Log, Node, Point, Span, Stats, Written
from apps.storage.query import LogQuery, MetricQuery, Order
from apps.storage.search.feeder import Feeder, Lag
from apps.storage.search.meilisearch import MeilisearchIndex, SearchUnavailable

MAX_BEHIND: Final = 10_000
"""Pending logs up to which the engine counts as caught up: those are looked through in the store, for every search."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, and which engine answered it."""

    logs: list[Log]
    answered_by: str


def find(store: Store, query: LogQuery) -> Found:
    """Return the logs that match *query*, and who found them.

    Raises:
        StoreError: the store cannot answer now.
    """
    return store.find(query) if isinstance(store, SearchedStore) else Found(store.logs(query), store.name)


@dataclass(frozen=True, slots=True)
class SearchState:
    """How it stands with the engine: *error* says why it is not asked, None when it is."""

    engine: str
    lag: Lag
    is_caught_up: bool
    error: str | None


class SearchedStore:
    """A `Store` over *main* whose full-text searches *index* answers, while it is caught up.

    Args:
        main: keeps everything, and the outbox; closed with this one.
        index: the engine.
        age_s: seconds that *main* keeps its logs, 0 for ever.
        on_fed: told how many logs the engine has committed.
        on_failure: told of each attempt to feed it that failed.
    """

    def __init__(
        self,
        main: FeedingStore,
        index: MeilisearchIndex,
        *,
        age_s: float = 0.0,
        on_fed: Callable[[int], None] = lambda count: None,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self._main = main
        self._index = index
        self._feeder = Feeder(main, index, age_s=age_s, on_fed=on_fed, on_failure=on_failure)

    @property
    def name(self) -> str:
        """See `Store.name`."""
        return self._main.name

    def write(self, batch: Batch, *, timeout_s: float) -> Written:
        """See `Store.write`. The engine gets the logs afterwards; searches find them at once."""
        written = self._main.write(batch, timeout_s=timeout_s)
        if batch.logs:
            self._feeder.wake()
        return written

    def find(self, query: LogQuery) -> Found:
        """Return the logs that match *query*, and who found them."""
        if query.words and self._feeder.error() is None and self._main.pending(MAX_BEHIND + 1) <= MAX_BEHIND:
            try:
                return Found(self._searched(query), self._index.name)
            except SearchUnavailable as error:
                self._feeder.fail(error)
        return Found(self._main.logs(query), self._main.name)

    def _searched(self, query: LogQuery) -> list[Log]:
        # In this order: a log that is settled in between is found by both, none by neither.
        pending = self._main.pending_logs(query)
        indexed = self._indexed(query)
        is_newest_first = query.order is Order.NEWEST_FIRST
        together = heapq.merge(pending, indexed, key=lambda log: log.key, reverse=is_newest_first)
        return list({log.key: log for log in together}.values())[: query.limit]

    def _indexed(self, query: LogQuery) -> list[Log]:
        """Return the logs that the engine finds and the store still has."""
        found: list[Log] = []
        asked = query
        while True:
            keys = self._index.find(asked)
            logs = {log.key: log for log in self._main.logs_of(keys)} if keys else {}
            found += [logs[key] for key in keys if key in logs]
            if len(keys) < asked.limit or len(found) >= query.limit:
                return found[: query.limit]
            # A whole page, and some of it has been dropped from the store.
            asked = replace(asked, after=keys[-1])

    def logs(self, query: LogQuery) -> list[Log]:
        """See `Store.logs`."""
        return self.find(query).logs

    def state(self) -> SearchState:
        """Return how it stands with the engine.

        Raises:
            StoreError: the store does not say how much is pending.
        """
        lag, error = self._feeder.lag(), self._feeder.error()
        return SearchState(self._index.name, lag, error is None and lag.pending <= MAX_BEHIND, error)

    def spans(self, trace_id: bytes) -> list[Span]:
        """See `Store.spans`."""
        return self._main.spans(trace_id)

    def latest_points(self, query: MetricQuery) -> list[Point]:
        """See `Store.latest_points`."""
        return self._main.latest_points(query)

    def nodes(self) -> list[Node]:
        """See `Store.nodes`."""
        return self._main.nodes()

    def stats(self) -> Stats:
        """See `Store.stats`."""
        return self._main.stats()

    def check(self) -> str | None:
        """See `Store.check`. That the engine is away is no reason to send nothing: the store keeps it."""
        return self._main.check()

    def close(self) -> None:
        """See `Store.close`."""
        self._feeder.close()
        self._main.close()


def state_view(state: SearchState) -> dict[str, Any]:
    """Return how it stands with the engine, as JSON."""
    return {
        "engine": state.engine,
        "pending": state.lag.pending,
        "lagS": round(state.lag.seconds, 3),
        "caughtUp": state.is_caught_up,
        "error": state.error,
    }


def lag_of(store: SearchedStore) -> Lag | None:
    """Return how far behind the engine is, None if the store does not say."""
    try:
        return store.state().lag
    except StoreError:
        return None
