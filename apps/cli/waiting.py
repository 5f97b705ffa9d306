"""One line on a terminal's standard error for what is being waited for, and for how long."""

import sys
import time
from types import TracebackType
from typing import TextIO


class Waiting:
    """Shows what is awaited once it takes longer than *quiet_s* seconds; leaving it clears the line.

    In a pipe it says nothing: the reader waits too, and wants the result only.
    """

    def __init__(self, quiet_s: float, stream: TextIO | None = None) -> None:
        self._quiet_s = quiet_s
        self._stream = stream or sys.stderr
        self._began = time.monotonic()
        self._is_drawn = False

    def __enter__(self) -> "Waiting":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if self._is_drawn:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()

    def tell(self, what: str) -> None:
        """Say that *what* is awaited."""
        spent_s = time.monotonic() - self._began
        if spent_s < self._quiet_s or not self._stream.isatty():
            return
        self._stream.write(f"\r\x1b[2K  … waiting for {what} ({spent_s:.0f} s)")
        self._stream.flush()
        self._is_drawn = True
