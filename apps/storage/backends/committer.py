"""Group commit: one thread takes the batches that wait and hands them over together.

A commit waits for a disk or a network; the more batches share one, the less each costs. While one group is on its way
the next one gathers. Knows nothing of any database.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from apps.storage.errors import StoreBusy, StoreError, StoreUnavailable
from apps.storage.model import Batch, NewLog, Point, Span, Written
from apps.storage.seldom import Seldom

_seldom = Seldom(logging.getLogger(__name__))

GROUP_RECORDS: Final = 8192
"""Records that one commit takes at most (but at least one batch)."""
OVERHEAD_BYTES: Final = 1024
"""What a waiting record costs beside its bytes."""
FAILURE_STICKS_S: Final = 10.0
"""How long after a failed commit the store calls itself not ready, if nothing has proved otherwise."""


@dataclass(slots=True)
class _Job:
    batch: Batch = field(default_factory=Batch)
    weight: int = 0
    errand: Callable[[], object] | None = None
    done: "Future[Written]" = field(default_factory=Future)


class Committer:
    """Runs commits in a thread of its own, in the order their batches came.

    Args:
        commit: keeps all of some batches and tells what became of each; a `StoreError` is handed to every sender.
        queue_bytes: how much may wait; more raises `StoreBusy`.
        tidy: called about every *tidy_every_s*, between commits; what it raises is logged.
        tidy_every_s: seconds.
        finish: called once in the thread, when all is done.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Batch]], Sequence[Written]],
        *,
        queue_bytes: int,
        tidy: Callable[[], object],
        tidy_every_s: float = 60.0,
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        self._do_commit = commit
        self._queue_bytes = queue_bytes
        self._tidy = tidy
        self._tidy_every_s = tidy_every_s
        self._finish = finish
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._pending_bytes = 0
        self._is_closing = False
        self._failure: tuple[float, str] | None = None
        self._tidied_at = float("-inf")
        self._thread = threading.Thread(target=self._work, name="storage-writer", daemon=True)
        self._thread.start()

    def write(self, batch: Batch, timeout_s: float) -> Written:
        """Hand *batch* over and wait for its commit. See `Store.write`."""
        return self._submit(_Job(batch, _weight(batch)), timeout_s)

    def run(self, errand: Callable[[], object], timeout_s: float = 10.0) -> None:
        """Run *errand* in the thread, behind what waits already.

        Raises:
            StoreError: it could not be done, or not in time.
        """
        self._submit(_Job(errand=errand), timeout_s)

    def _submit(self, job: _Job, timeout_s: float) -> Written:
        with self._changed:
            if self._is_closing:
                raise StoreUnavailable("the store is closed")
            if self._pending_bytes and self._pending_bytes + job.weight > self._queue_bytes:
                raise StoreBusy(f"{self._pending_bytes} bytes wait to be committed already")
            self._waiting.append(job)
            self._pending_bytes += job.weight
            self._changed.notify()
        try:
            return job.done.result(timeout_s)
        except TimeoutError:
            # Not begun yet: then nobody has to do it any more. Begun: it will be committed, and sent again in vain.
            job.done.cancel()
            raise StoreBusy(f"no commit within {timeout_s:g} s") from None

    def failure(self) -> str | None:
        """Return why commits fail at the moment, None if they do not."""
        if not self._thread.is_alive():
            return "the store is closed" if self._is_closing else "the writer has died"
        failure = self._failure
        return failure[1] if failure and time.monotonic() - failure[0] < FAILURE_STICKS_S else None

    def pending_bytes(self) -> int:
        """Return how much is not committed yet."""
        with self._changed:
            return self._pending_bytes

    def close(self) -> None:
        """Commit what waits, then end. A second call does nothing."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        try:
            while (jobs := self._next_group()) is not None:
                self._commit(jobs)
                with self._changed:
                    self._pending_bytes -= sum(job.weight for job in jobs)
                self._tidy_if_due()
        finally:
            self._finish()

    def _next_group(self) -> list[_Job] | None:
        """Return the batches to commit next, or one errand alone; nothing after a while; None when all is done."""
        with self._changed:
            if not self._waiting and not self._is_closing:
                self._changed.wait(self._tidy_every_s)
            if not self._waiting:
                return None if self._is_closing else []
            group: list[_Job] = []
            records = 0
            while self._waiting and (not group or self._joins(group, records)):
                job = self._waiting.popleft()
                records += len(job.batch)
                group.append(job)
            return group

    def _joins(self, group: Sequence[_Job], records: int) -> bool:
        following = self._waiting[0]
        is_errand = group[0].errand is not None or following.errand is not None
        return not is_errand and records + len(following.batch) <= GROUP_RECORDS

    def _commit(self, group: Sequence[_Job]) -> None:
        jobs = [job for job in group if job.done.set_running_or_notify_cancel()]
        if not jobs:
            return
        try:
            results = self._results(jobs)
        except StoreError as error:
            self._failure = (time.monotonic(), str(error))
            for job in jobs:
                job.done.set_exception(error)
        else:
            self._failure = None
            for job, written in zip(jobs, results, strict=True):
                job.done.set_result(written)

    def _results(self, jobs: Sequence[_Job]) -> Sequence[Written]:
        try:
            if jobs[0].errand is not None:
                jobs[0].errand()
                return [Written()]
            return self._do_commit([job.batch for job in jobs])
        except StoreError as error:
            _seldom.error("commit failed", error)
            raise
        # Whatever it is, nobody may be left waiting, and the sender has to send again.
        except Exception as error:
            _seldom.error("commit failed", error)
            raise StoreUnavailable(f"{type(error).__name__.removesuffix('Error')}: {error}") from error

    def _tidy_if_due(self) -> None:
        if time.monotonic() - self._tidied_at < self._tidy_every_s:
            return
        self._tidied_at = time.monotonic()
        try:
            self._tidy()
        except Exception as error:
            _seldom.error("the store could not be tidied", error)


def _weight(batch: Batch) -> int:
    records: Iterable[NewLog | Span | Point] = chain(batch.logs, batch.spans, batch.points)
    return sum(len(record.raw) for record in records) + OVERHEAD_BYTES * (len(batch) + 1)
