"""Memory that is held for a while and then given back: what the bug `leak` takes."""

import mmap
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from apps.web.kinds import LEAK_MIB

MIB: Final = 1024 * 1024
_PAGES: Final = b"\x01" * MIB


class Leak:
    """The memory that the leaks of one node hold: mapped and touched, so that it counts as resident.

    A thread of its own gives each block back when its time is up; there is one only while something is held.

    Args:
        most_mib: the most that is held at once, in MiB; the oldest goes for the newest.
        clock: seconds, monotonic.
    """

    def __init__(self, most_mib: int = LEAK_MIB, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most_mib * MIB
        self._clock = clock
        self._blocks: deque[tuple[float, mmap.mmap]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def held_bytes(self) -> int:
        """Return how much is held now, in bytes."""
        with self._changed:
            return self._held()

    def hold(self, mebibytes: int, seconds: float) -> None:
        """Hold so many MiB, at most all there is to hold, for so many seconds. Returns at once.

        Raises:
            OSError: the system has no such memory left.
        """
        size = min(mebibytes * MIB, self._most)
        with self._changed:
            self._drop_expired()
            while self._held() + size > self._most:
                self._blocks.popleft()[1].close()
            block = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            for _ in range(size // MIB):
                block.write(_PAGES)
            self._blocks.append((self._clock() + seconds, block))
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="leak", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Give everything back."""
        with self._changed:
            while self._blocks:
                self._blocks.pop()[1].close()
            self._changed.notify_all()

    def _run(self) -> None:
        with self._changed:
            while self._blocks:
                self._drop_expired()
                if self._blocks:
                    self._changed.wait(max(min(until for until, _ in self._blocks) - self._clock(), 0.001))
            self._thread = None

    def _drop_expired(self) -> None:
        now = self._clock()
        for until, block in self._blocks:
            if until <= now:
                block.close()
        self._blocks = deque(entry for entry in self._blocks if entry[0] > now)

    def _held(self) -> int:
        return sum(len(block) for _, block in self._blocks)
