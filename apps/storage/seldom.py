"""Says the same complaint only now and then: what storage logs comes back to storage."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

EVERY_S: Final = 30.0
MAX_REMEMBERED: Final = 256


class Seldom:
    """Logs an error at most every *every_s* seconds for the same text.

    A commit that fails is logged; that record is shipped to storage, whose commit fails: without this the
    complaint would feed on itself for as long as the disk is full.
    """

    def __init__(
        self, log: logging.Logger, *, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._said_at: dict[str, float] = {}

    def error(self, message: str, error: BaseException, **fields: Any) -> None:
        """Log *message* with *error* and *fields*, unless the same was said a moment ago."""
        about = f"{message} {type(error).__name__} {error}"
        now = self._clock()
        with self._lock:
            if now - self._said_at.get(about, float("-inf")) < self._every_s:
                return
            if len(self._said_at) >= MAX_REMEMBERED:
                self._said_at.clear()
            self._said_at[about] = now
        self._log.error(message, exc_info=error, extra={"fields": fields})
