"""How many client requests may be inside, and how many may be tried again."""

import threading
import time
from collections import deque
from collections.abc import Callable


class Admission:
    """Lets a bounded number of client requests in. The next one is turned away at once.

    Each client request holds a thread of the gateway while service 1 calls back into the same threads: were all of
    them held by clients, each would wait for a call back that finds no thread.

    Args:
        limit: the most that may be inside; less than that where others hold threads too, but never less than one.
        threads_held: returns how many threads others hold now. A client's place is two threads.
    """

    def __init__(self, limit: int, threads_held: Callable[[], int] = lambda: 0) -> None:
        self._most = limit
        self._threads_held = threads_held
        self._lock = threading.Lock()
        self._inside = 0

    @property
    def limit(self) -> int:
        """Client requests that may be inside now."""
        return max(self._most - (self._threads_held() + 1) // 2, 1)

    def enter(self) -> bool:
        """Take a place; False if there is none."""
        with self._lock:
            if self._inside >= self.limit:
                return False
            self._inside += 1
            return True

    def leave(self) -> None:
        """Give the place back.

        Raises:
            ValueError: nobody is inside.
        """
        with self._lock:
            if not self._inside:
                raise ValueError("left without having entered")
            self._inside -= 1


class RetryBudget:
    """Keeps retries under a share of the requests of the last seconds, or a few where there are hardly any.

    Without it a ring of failing nodes would meet a multiple of the load that made them fail.
    """

    def __init__(
        self,
        *,
        share: float = 0.2,
        at_least: int = 3,
        window_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share = share
        self._at_least = at_least
        self._window_s = window_s
        self._clock = clock
        self._lock = threading.Lock()
        self._requests: deque[float] = deque()
        self._retries: deque[float] = deque()

    def request(self) -> None:
        """Count a request."""
        with self._lock:
            self._forget()
            self._requests.append(self._clock())

    def retry(self) -> bool:
        """Count a retry and return True, or return False if there have been enough."""
        with self._lock:
            self._forget()
            if len(self._retries) >= max(self._at_least, int(self._share * len(self._requests))):
                return False
            self._retries.append(self._clock())
            return True

    def _forget(self) -> None:
        horizon = self._clock() - self._window_s
        for moments in (self._requests, self._retries):
            while moments and moments[0] <= horizon:
                moments.popleft()
