"""What bugs do to a node beyond one request: they keep threads, burn processor time, hold memory, kill the process.

Every one of them ends: a bounded number of requests keeps a thread at once, a hang and a burn end soon after the
deadline and as soon as the node stops, memory is given back, and a node that crashes is at least `LEAST_AGE_S` old.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from apps.web.deadline import Deadline
from apps.web.kinds import OVERTIME_S
from apps.web.leak import Leak

SPARE_THREADS: Final = 4
"""Threads of a node that no bug may keep: they answer `/readyz` and well-behaved requests."""
LONG_S: Final = 1.0
"""A bug that is slow by more than this keeps a thread, as one that hangs does."""
LEAST_AGE_S: Final = 2.0
"""How old a node is at least, in seconds, before it crashes: crashes come no closer together."""
LAST_WORDS_S: Final = 0.5
"""The longest that a node which crashes waits for its records to be shipped."""
_PIECE: Final = range(2_000)


class Overcrowded(Exception):
    """As many requests keep a thread of this node as may."""


class Immortal(Exception):
    """This process cannot be made to crash: it runs under no server of ours."""


class Havoc:
    """Carries out the bugs that need the node's own resources. One for each node; thread-safe.

    Args:
        threads: requests that the node works on at once.
        die: ends the node as a crash does; does not return, except in tests. None: this process cannot crash.
        last_words: ships what is recorded, within the seconds it is given, before the node dies.
        clock: seconds, monotonic.
        wait: waits so many seconds or until the node stops; by default until `stop` is called.
    """

    def __init__(
        self,
        threads: int = 32,
        *,
        die: Callable[[], None] | None = None,
        last_words: Callable[[float], object] = lambda _seconds: None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._seats = threading.Semaphore(max(threads - SPARE_THREADS, 0))
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._die = die
        self._last_words = last_words
        self._clock = clock
        self._wait = wait or self._stopping.wait
        self._born = clock()
        self.leak = Leak(clock=clock)

    def stop(self) -> None:
        """End every hang and every burn at once, and give back what leaked."""
        self._stopping.set()
        self.leak.close()

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Keep one of the threads that bugs may keep.

        Raises:
            Overcrowded: all of them are kept.
        """
        if not self._seats.acquire(blocking=False):
            raise Overcrowded("as many requests as may keep a thread of this node already")
        try:
            yield
        finally:
            self._seats.release()

    def hang(self, deadline: Deadline) -> None:
        """Wait until nobody waits any more, and a little longer."""
        self._wait(deadline.left_s() + OVERTIME_S)

    def burn(self, seconds: float, deadline: Deadline) -> None:
        """Burn processor time for so many seconds, when it is this thread's turn; within the deadline and overtime."""
        if not self._turn.acquire(timeout=deadline.left_s()):
            return
        try:
            until = self._clock() + min(seconds, deadline.left_s() + OVERTIME_S)
            while self._clock() < until and not self._stopping.is_set():
                sum(_PIECE)
        finally:
            self._turn.release()

    def await_age(self) -> None:
        """Wait until the node is old enough to crash.

        Raises:
            Immortal: it never can.
        """
        if self._die is None:
            raise Immortal("this process runs under no server that could be killed with it")
        left_s = self._born + LEAST_AGE_S - self._clock()
        if left_s > 0:
            self._wait(left_s)

    def crash(self) -> None:
        """Let what is recorded get out, as a crash reporter would, then die. A node that stops just stops."""
        if self._die is not None and not self._stopping.is_set():
            self._last_words(LAST_WORDS_S)
            self._die()
