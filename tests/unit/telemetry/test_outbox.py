"""The outbox: bounded, and what is on its way stays until it is freed."""

import threading

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apps.telemetry.outbox import MemoryOutbox


class OutboxAgainstModel(RuleBasedStateMachine):
    """The model is a list; *taken* of it are on their way."""

    @initialize(capacity=st.integers(1, 8))
    def begin(self, capacity: int) -> None:
        """An empty outbox."""
        self.capacity = capacity
        self.outbox: MemoryOutbox[int] = MemoryOutbox(capacity)
        self.model: list[int] = []
        self.taken: list[int] = []
        self.next = self.dropped = 0
        self.arrived: list[int] = []

    @rule(count=st.integers(1, 5))
    def append(self, count: int) -> None:
        """When full, the oldest goes that is not on its way."""
        for _ in range(count):
            self.next += 1
            self.outbox.append(self.next)
            self.model.append(self.next)
            if len(self.model) > self.capacity:
                del self.model[min(len(self.taken), self.capacity)]
                self.dropped += 1

    @rule(limit=st.integers(1, 10))
    def take(self, limit: int) -> None:
        """The oldest come first, and stay."""
        self.taken = list(self.outbox.oldest(limit))
        assert self.model[:limit] == self.taken

    @precondition(lambda self: self.taken)
    @rule()
    def free(self) -> None:
        """Exactly those that were taken are gone, whatever was appended meanwhile."""
        self.outbox.free(len(self.taken))
        assert self.taken == self.model[: len(self.taken)]
        self.arrived += self.taken
        del self.model[: len(self.taken)]
        self.taken = []

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        """Nothing appears from nowhere, nothing vanishes uncounted."""
        if hasattr(self, "outbox"):
            assert (len(self.model), self.dropped) == (len(self.outbox), self.outbox.dropped)
            assert len(self.model) <= self.capacity
            assert self.next == len(self.arrived) + len(self.model) + self.dropped
            assert self.arrived == sorted(set(self.arrived))


TestOutboxAgainstModel = OutboxAgainstModel.TestCase


def test_an_empty_outbox_has_nothing_to_give() -> None:
    """And nothing to forget."""
    outbox = MemoryOutbox[int]()

    assert [] == list(outbox.oldest(10))
    assert (0, 0) == (len(outbox), outbox.dropped)


def test_freeing_more_than_there_is_is_an_error() -> None:
    """The shipper would have to have made records up."""
    outbox = MemoryOutbox[int]()
    outbox.append(1)

    with pytest.raises(IndexError):
        outbox.free(2)


def test_many_threads_append_while_one_ships_and_nothing_is_lost() -> None:
    """Each record arrives once, those of one thread in their order."""
    outbox = MemoryOutbox[tuple[int, int]](100_000)
    arrived: list[tuple[int, int]] = []

    def writer(name: int) -> None:
        for number in range(2_000):
            outbox.append((name, number))

    threads = [threading.Thread(target=writer, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or len(outbox):
        batch = outbox.oldest(64)
        arrived += batch
        outbox.free(len(batch))
    for thread in threads:
        thread.join()

    assert 12_000 == len(arrived)
    for name in range(6):
        assert list(range(2_000)) == [number for who, number in arrived if who == name]
