"""The command as a program of its own: in pipes, or on a terminal of a given size."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[3]
PATIENCE_S = 30.0


def await_that(condition: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    """Poll until *condition* holds; fail with *what* if it never does."""
    give_up_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up_at, f"never seen: {what}"
        time.sleep(0.01)


class Terminal:
    """The command on a terminal. *seen* is everything that it wrote."""

    def __init__(self, columns: int, lines: int, *arguments: str, term: str = "xterm") -> None:
        self._master, slave = pty.openpty()
        self.resize(columns, lines)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "apps.cli", *arguments], cwd=ROOT, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, env={**os.environ, "TERM": term},
        )  # fmt: skip
        os.close(slave)
        self.seen = ""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def await_text(self, text: str, after: int = 0) -> int:
        """Read until *text* was written after position *after*; return the position behind it."""
        await_that(lambda: self._read() and text in self.seen[after:], text)
        return self.seen.index(text, after) + len(text)

    def end(self, number: int) -> int:
        """Send a signal, read to the end, and return the exit code."""
        self.process.send_signal(number)
        await_that(
            lambda: self._read() and self.process.poll() is not None, f"the end by {signal.Signals(number).name}"
        )
        self._read()
        return int(self.process.returncode)

    def _read(self) -> bool:
        while select.select([self._master], [], [], 0)[0]:
            try:
                piece = os.read(self._master, 65_536)
            except OSError:  # the other end is closed
                return True
            if not piece:
                return True
            self.seen += piece.decode("utf-8", "replace")
        return True


@contextmanager
def piped(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command in pipes; whatever happens it is gone afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "apps.cli", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finish(process: "subprocess.Popen[str]", number: int) -> tuple[int, str, str]:
    """End *process* with a signal and return its code and the rest of what it wrote."""
    process.send_signal(number)
    output, complaints = process.communicate(timeout=PATIENCE_S)
    return process.returncode, output, complaints
