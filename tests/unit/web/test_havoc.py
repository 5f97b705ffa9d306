"""What bugs do to a node beyond one request, and that all of it ends."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from apps.web.deadline import Deadline
from apps.web.havoc import LAST_WORDS_S, LEAST_AGE_S, SPARE_THREADS, Havoc, Immortal, Overcrowded
from apps.web.kinds import OVERTIME_S
from tests.fakes import FakeClock


class Ticking(FakeClock):
    """A clock that moves on by a millisecond each time it is read."""

    def __call__(self) -> float:
        """Return the time, and let some pass."""
        self.advance(0.001)
        return self.now


@dataclass
class Node:
    """A node whose deeds are written down."""

    threads: int = 8
    clock: FakeClock = field(default_factory=FakeClock)
    deeds: list[object] = field(default_factory=list)
    mortal: bool = True

    def havoc(self) -> Havoc:
        """Return what this node's bugs do."""

        def wait(seconds: float) -> None:
            self.deeds.append(seconds)
            self.clock.advance(seconds)

        return Havoc(
            self.threads,
            die=(lambda: self.deeds.append("died")) if self.mortal else None,
            last_words=lambda seconds: self.deeds.append(("last words", seconds)),
            clock=self.clock,
            wait=wait,
        )


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Requests at the same time."""
    with ThreadPoolExecutor(8) as threads:
        yield threads


@pytest.mark.parametrize("left_ms", [0, 500, 60_000])
def test_a_hang_ends_five_seconds_after_the_deadline(left_ms: int) -> None:
    """Not sooner, and not never."""
    node = Node()

    node.havoc().hang(Deadline(left_ms, node.clock))

    assert [pytest.approx(left_ms / 1000 + OVERTIME_S)] == node.deeds


def test_a_hang_ends_at_once_when_the_node_stops(pool: ThreadPoolExecutor) -> None:
    """A node that is told to stop must not be held up."""
    havoc = Havoc()
    hanging = [pool.submit(havoc.hang, Deadline(60_000)) for _ in range(8)]

    havoc.stop()

    began = time.monotonic()
    assert [None] * 8 == [one.result(10) for one in hanging]
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("threads", "seats"), [(32, 28), (8, 4), (5, 1), (SPARE_THREADS, 0), (2, 0)])
def test_some_threads_are_kept_by_no_bug(threads: int, seats: int) -> None:
    """They answer /readyz; whoever comes too many is told at once, and a seat that is left is free again."""
    havoc = Node(threads).havoc()
    for _ in range(2):
        with ExitStack() as taken:
            for _ in range(seats):
                taken.enter_context(havoc.seat())
            with pytest.raises(Overcrowded), havoc.seat():
                raise AssertionError("there was one more")


def test_a_burn_takes_the_time_it_was_told_to() -> None:
    """By the clock."""
    clock = Ticking()
    havoc = Havoc(clock=clock)
    before = clock.now

    havoc.burn(0.25, Deadline(60_000, clock))

    assert 0.25 <= clock.now - before <= 0.3


def test_a_burn_ends_five_seconds_after_the_deadline() -> None:
    """However long it was told to."""
    clock = Ticking()
    havoc = Havoc(clock=clock)
    before = clock.now

    havoc.burn(60, Deadline(1_000, clock))

    assert 1 + OVERTIME_S <= clock.now - before + 0.01 <= 1 + OVERTIME_S + 0.1


def test_a_burn_ends_when_the_node_stops(pool: ThreadPoolExecutor) -> None:
    """At once."""
    havoc = Havoc()
    burning = pool.submit(havoc.burn, 60, Deadline(60_000))

    havoc.stop()

    assert burning.result(10) is None


def test_one_thread_burns_at_a_time_and_the_others_wait_within_their_deadline(pool: ThreadPoolExecutor) -> None:
    """Whose turn does not come in time does not burn at all."""
    burns = threading.Event()

    def clock() -> float:
        if threading.current_thread() is not threading.main_thread():
            burns.set()
        return time.monotonic()

    havoc = Havoc(clock=clock)
    burning = pool.submit(havoc.burn, 60, Deadline(60_000))
    assert burns.wait(10)
    waiting = pool.submit(havoc.burn, 60, Deadline(50))

    assert waiting.result(10) is None
    assert not burning.done()
    havoc.stop()
    assert burning.result(10) is None


@pytest.mark.parametrize(("age_s", "waited"), [(0.0, [LEAST_AGE_S]), (1.5, [0.5]), (LEAST_AGE_S, []), (100.0, [])])
def test_a_young_node_waits_until_it_is_old_enough_to_crash(age_s: float, waited: list[float]) -> None:
    """So crashes of a node that comes back by itself are at least two seconds apart."""
    node = Node()
    havoc = node.havoc()
    node.clock.advance(age_s)

    havoc.await_age()

    assert [pytest.approx(seconds) for seconds in waited] == node.deeds


def test_a_crash_lets_the_last_words_out_first() -> None:
    """For half a second at most, then it dies."""
    node = Node()

    node.havoc().crash()

    assert [("last words", LAST_WORDS_S), "died"] == node.deeds


def test_a_node_that_stops_does_not_crash() -> None:
    """It ends in order, as it was told to."""
    node = Node()
    havoc = node.havoc()
    havoc.stop()

    havoc.crash()

    assert [] == node.deeds


def test_a_process_that_runs_under_no_server_cannot_crash() -> None:
    """Whoever imports the app into a process of their own keeps that process."""
    node = Node(mortal=False)

    with pytest.raises(Immortal):
        node.havoc().await_age()


def test_stopping_gives_back_what_leaked() -> None:
    """At once."""
    havoc = Havoc()
    havoc.leak.hold(1, 600)

    havoc.stop()

    assert 0 == havoc.leak.held_bytes
