"""Memory that is held for a while: how much, for how long, and that it is given back."""

import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from apps.web.leak import MIB, Leak
from tests.fakes import FakeClock


def eventually(look: Callable[[], bool], within_s: float = 10.0) -> bool:
    """Tell whether *look* comes true in time."""
    give_up_at = time.monotonic() + within_s
    while not look() and time.monotonic() < give_up_at:
        time.sleep(0.01)
    return look()


@pytest.fixture
def clock() -> FakeClock:
    """Time that passes only when told to."""
    return FakeClock()


@pytest.fixture
def leak(clock: FakeClock) -> Iterator[Leak]:
    """A node's leaks, at most 8 MiB."""
    holding = Leak(8, clock)
    yield holding
    holding.close()


def test_what_is_held_is_held_until_its_time_is_up(leak: Leak, clock: FakeClock) -> None:
    """Each block has a time of its own; a new one sees that the old ones go."""
    leak.hold(3, 30)
    leak.hold(2, 10)
    assert 5 * MIB == leak.held_bytes

    clock.advance(10)
    leak.hold(1, 30)

    assert 4 * MIB == leak.held_bytes


def test_the_oldest_goes_for_the_newest(leak: Leak) -> None:
    """Never more than the most, however many leak."""
    for mebibytes in (3, 3, 4):
        leak.hold(mebibytes, 600)
    assert 7 * MIB == leak.held_bytes

    leak.hold(8, 600)
    assert 8 * MIB == leak.held_bytes


def test_a_block_larger_than_the_most_is_the_most(leak: Leak) -> None:
    """There is a bound, and it holds."""
    leak.hold(100, 600)

    assert 8 * MIB == leak.held_bytes


def test_an_idle_node_gives_back_by_itself() -> None:
    """Nobody has to ask; the thread that did it is gone with the last block."""
    holding = Leak()
    holding.hold(1, 0.05)
    holding.hold(1, 0.1)

    assert eventually(lambda: holding.held_bytes == 0)


def test_closing_gives_everything_back(leak: Leak) -> None:
    """And it may hold again."""
    leak.hold(2, 600)
    leak.close()
    assert 0 == leak.held_bytes

    leak.hold(1, 600)
    assert 1 * MIB == leak.held_bytes


def test_what_is_held_is_resident() -> None:
    """Pages that nobody touched would show in no graph."""
    process = psutil.Process()
    before = process.memory_info().rss
    holding = Leak()

    holding.hold(64, 600)
    during = process.memory_info().rss
    holding.close()

    assert during - before > 56 * MIB
    assert process.memory_info().rss - before < 32 * MIB
