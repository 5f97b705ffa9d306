"""Group commit: what waits is handed over together, within bounds, and nobody is left waiting."""

import threading
from collections.abc import Sequence

import pytest

from apps.storage.backends.committer import GROUP_RECORDS, Committer
from apps.storage.errors import StoreBusy, StoreUnavailable
from apps.storage.model import Batch, Written
from tests.unit.storage.builders import ALog, logs


class Medium:
    """Where groups go: it holds each until it is told to go on."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def commit(self, batches: Sequence[Batch]) -> list[Written]:
        self.groups.append([len(batch) for batch in batches])
        self.begun.set()
        assert self.go_on.wait(10)
        return [Written(len(batch), 0) for batch in batches]


def in_thread(threads: list[threading.Thread], committer: Committer, batch: Batch) -> None:
    """Write *batch* in a thread of its own."""
    threads.append(threading.Thread(target=committer.write, args=(batch, 10.0)))
    threads[-1].start()


def test_what_gathers_during_a_commit_shares_the_next_one() -> None:
    """A commit waits for a disk; the more share it the less it costs each."""
    medium, threads = Medium(), list[threading.Thread]()
    committer = Committer(medium.commit, queue_bytes=10**9, tidy=lambda: None)
    in_thread(threads, committer, logs(ALog()))
    assert medium.begun.wait(10)
    before = committer.pending_bytes()
    for _ in range(3):
        in_thread(threads, committer, logs(ALog(), ALog()))
    while committer.pending_bytes() < before * 5:
        threads[-1].join(0.005)
    medium.go_on.set()
    for thread in threads:
        thread.join()
    committer.close()
    assert [[1], [2, 2, 2]] == medium.groups


def test_group_has_a_most_and_an_errand_is_alone() -> None:
    """Neither holds up the other for long."""
    medium, threads = Medium(), list[threading.Thread]()
    committer = Committer(medium.commit, queue_bytes=10**9, tidy=lambda: None)
    in_thread(threads, committer, logs(ALog()))
    assert medium.begun.wait(10)
    half = Batch(logs(ALog()).logs * (GROUP_RECORDS // 2 + 1))
    for count in (1, 2):
        before = committer.pending_bytes()
        in_thread(threads, committer, half)
        while committer.pending_bytes() == before:
            threads[-1].join(0.005)
        assert count == len(threads) - 1
    done: list[str] = []
    medium.go_on.set()
    committer.run(lambda: done.append("errand"))
    for thread in threads:
        thread.join()
    committer.close()
    assert ([[1], [len(half)], [len(half)]], ["errand"]) == (medium.groups, done)


def test_tidying_that_takes_long_holds_up_no_deadline() -> None:
    """A sender is told in time, whatever the thread is at."""
    release, begun = threading.Event(), threading.Event()

    def tidy() -> None:
        begun.set()
        release.wait(10)

    committer = Committer(lambda batches: [Written()] * len(batches), queue_bytes=10**9, tidy=tidy)
    committer.write(Batch(), 10)
    assert begun.wait(10)
    with pytest.raises(StoreBusy, match=r"no commit within 0\.05 s"):
        committer.write(Batch(), 0.05)
    release.set()
    committer.close()


def test_bug_of_a_commit_is_unavailable_and_the_next_one_works() -> None:
    """And the store calls itself not ready until one has worked."""
    answers: list[Written | Exception] = [ValueError("a bug"), Written(1, 0)]

    def commit(batches: Sequence[Batch]) -> list[Written]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [answer]

    committer = Committer(commit, queue_bytes=10**9, tidy=lambda: None)
    with pytest.raises(StoreUnavailable, match="Value: a bug"):
        committer.write(Batch(), 10)
    assert "Value: a bug" == committer.failure()
    assert Written(1, 0) == committer.write(Batch(), 10)
    assert committer.failure() is None
    committer.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        committer.write(Batch(), 10)
