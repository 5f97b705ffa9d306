"""What this process uses: memory and processor time, for the records of finished work."""

import threading
import time
from typing import NamedTuple

import psutil


class Usage(NamedTuple):
    """Resident memory in bytes, and processor time in percent of one core since the sample before."""

    memory_bytes: int
    cpu_percent: float


class UsageSampler:
    """Samples this process at most every *interval_s*; between two samples the last one is given.

    A sample costs tens of microseconds, a request leaves several records: they share one.
    """

    def __init__(self, interval_s: float = 0.1) -> None:
        self._interval_s = interval_s
        self._process = psutil.Process()
        self._process.cpu_percent()
        self._lock = threading.Lock()
        self._taken_at = float("-inf")
        self._usage = Usage(0, 0.0)

    def usage(self) -> Usage:
        """Return the newest sample."""
        if time.monotonic() - self._taken_at < self._interval_s:
            return self._usage
        with self._lock:
            if time.monotonic() - self._taken_at >= self._interval_s:
                self._usage = Usage(self._process.memory_info().rss, self._process.cpu_percent())
                self._taken_at = time.monotonic()
        return self._usage
