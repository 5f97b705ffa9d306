"""How many client requests may be inside, and how many may be tried again."""

import threading
import time
from collections import deque
from collections.abc import Callable


class Admission:
    """Lets a bounded number of client requests in. The next one is turned away at once.

    Each client request holds a thread of the gateway while service 1 calls back into the same threads: were all of
    them held by clients, each would wait for a call back that finds no thread.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._places = threading.BoundedSemaphore(limit)

    def enter(self) -> bool:
        """Take a place; False if there is none."""
        return self._places.acquire(blocking=False)

    def leave(self) -> None:
        """Give the place back."""
        self._places.release()


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
