"""The thread that hands what is in the store's outbox to the search engine, and knows how far behind that is."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from apps.storage.backends.base import Feed
from apps.storage.errors import StoreError
from apps.storage.search.documents import batch_of
from apps.storage.search.meilisearch import MeilisearchIndex, SearchUnavailable, TaskFailed
from apps.storage.seldom import Seldom

_seldom = Seldom(logging.getLogger(__name__))

BATCH: Final = 5_000
"""Logs of one task; the engine is far quicker with thousands at once."""
IDLE_S: Final = 1.0
"""How long to wait for something to do; a write wakes the feeder earlier."""
GATHER_S: Final = 0.1
"""How long to let a batch grow after the first write."""
AWAIT_S: Final = 5.0
FEED_S: Final = 30.0
"""How long the store may take to note what was handed over."""
CLOSE_S: Final = 5.0
FIRST_RETRY_S: Final = 0.5
LAST_RETRY_S: Final = 10.0
DROP_EVERY_S: Final = 600.0
DROP_SLACK_S: Final = 3_600.0
"""Documents stay that much longer than their logs; a key without a log is left out of every answer."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the engine is behind the store: *pending* logs, and for how many seconds there have been any."""

    pending: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Task:
    number: int
    keys: list[int]


class Feeder:
    """Feeds *index* from *feed* in a thread of its own, until it is closed. One batch is on its way at a time.

    Args:
        feed: the store's outbox.
        index: the engine's index.
        age_s: seconds that the store keeps its logs, 0 for ever.
        on_fed: told how many logs a task has committed.
        on_failure: told of each turn that failed.
    """

    def __init__(
        self,
        feed: Feed,
        index: MeilisearchIndex,
        *,
        age_s: float = 0.0,
        on_fed: Callable[[int], None] = lambda count: None,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self._feed = feed
        self._index = index
        self._age_s = age_s
        self._on_fed = on_fed
        self._on_failure = on_failure
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._generation = ""
        self._task: _Task | None = None
        self._error: str | None = "not fed yet"
        self._caught_up_at = time.monotonic()
        self._dropped_at = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="search-feeder", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to hand over."""
        self._wake.set()

    def error(self) -> str | None:
        """Return why the engine cannot be asked now, None when it can."""
        return self._error

    def lag(self, at_most: int = 2**31 - 1) -> Lag:
        """Return how far behind the engine is; counting stops at *at_most*.

        Raises:
            StoreError: the store does not say.
        """
        pending = self._feed.pending(at_most)
        return Lag(pending, time.monotonic() - self._caught_up_at if pending else 0.0)

    def fail(self, error: SearchUnavailable) -> None:
        """Take note that the engine did not answer a search; it is asked again once the feeder has reached it."""
        self._error = str(error)
        self._wake.set()

    def close(self) -> None:
        """End the thread; what is pending stays so. One that waits for the engine is left to end by itself."""
        self._closing.set()
        self._wake.set()
        self._thread.join(CLOSE_S)

    def _work(self) -> None:
        retry_s = FIRST_RETRY_S
        # What feeds the engine must not become telemetry that has to be fed.
        with suppress_instrumentation():
            while not self._closing.is_set():
                try:
                    did_something = self._turn()
                    retry_s = FIRST_RETRY_S
                # Whatever it is, the engine can be fed later, and the main store answers meanwhile.
                except Exception as error:
                    self._error = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
                    self._on_failure()
                    _seldom.error("the search engine could not be fed", error)
                    self._closing.wait(retry_s)
                    retry_s = min(retry_s * 2, LAST_RETRY_S)
                    continue
                if not did_something:
                    self._rest()

    def _rest(self) -> None:
        if self._wake.wait(IDLE_S):
            self._wake.clear()
            self._closing.wait(GATHER_S)

    def _turn(self) -> bool:
        """Do the next thing; tell whether there was any."""
        self._know_index()
        if self._task is not None:
            self._finish(self._task)
            return True
        self._drop_if_due()
        started = time.monotonic()
        pending = self._feed.next_pending(BATCH)
        if not pending:
            self._caught_up_at = started
            return False
        keys, documents = batch_of(pending, int(time.time()))
        self._task = _Task(self._index.add(documents), keys)
        return True

    def _know_index(self) -> None:
        """See to it that the index is the one that the outbox belongs to; else make it anew, and feed it everything."""
        found = self._index.generation()
        if not found or found != self._feed.generation():
            self._error = "the index is made anew"
            self._task = None
            found = self._index.make_anew()
            self._feed.begin_feed(found, timeout_s=FEED_S)
        self._error = None

    def _finish(self, task: _Task) -> None:
        try:
            if not self._index.is_committed(task.number, AWAIT_S, self._closing):
                return
        except TaskFailed:
            # Its logs are pending still, and go into the next task.
            self._task = None
            raise
        self._feed.settle(task.keys, timeout_s=FEED_S)
        self._task = None
        self._on_fed(len(task.keys))

    def _drop_if_due(self) -> None:
        if self._age_s and time.monotonic() - self._dropped_at > DROP_EVERY_S:
            self._dropped_at = time.monotonic()
            self._index.drop_fed_before(int(time.time() - self._age_s - DROP_SLACK_S))
