"""What a person sees while something takes longer than two seconds: what is awaited, and for how long.

On a terminal it is one line that is rewritten; in a pipe it is a plain line now and then. Standard library
only: the bootstrap uses it before there is a virtual environment.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

QUIET_S = 2.0
"""Nothing is said about a wait that is shorter."""
TICK_S = 0.25
PLAIN_EVERY_S = 15.0

_CODES = {"bold": "1", "dim": "2", "red": "31", "yellow": "33", "blue": "34", "magenta": "35"}


def wants_colour(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether *stream* is a terminal and the user did not say NO_COLOR (https://no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def paint(text: str, style: str, colour: bool) -> str:
    """Return *text* in *style* (bold, dim, red, yellow, blue, magenta), or as it is without *colour*."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if colour else text


def seconds(value: float) -> str:
    """Return a length of time as people read it: 0.4 s, 12 s, 3 min 05 s."""
    if value < 9.95:
        return f"{value:.1f} s"
    if value < 119.5:
        return f"{value:.0f} s"
    whole = round(value)
    return f"{whole // 60} min {whole % 60:02d} s"


class Progress:
    """Lines for a person on *stream*, and one moving line for what is being waited for.

    Several things may be awaited at once, from several threads. Use as a context manager: leaving it clears
    the moving line and ends the ticking thread.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._tty = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self.colour = wants_colour(self._stream)
        self._quiet = quiet
        self._lock = threading.Lock()
        self._awaited: dict[str, tuple[str, float]] = {}
        self._drawn = False
        self._reader_is_gone = False
        self._next_plain = 0.0
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None

    def __enter__(self) -> Progress:
        """Start the ticking thread."""
        if not self._quiet:
            self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
            self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the ticking thread and clear the moving line."""
        self._stop.set()
        if self._ticker is not None:
            self._ticker.join(timeout=2)
        with self._lock:
            self._erase()

    def say(self, text: str = "", style: str | None = None) -> None:
        """Write *text* as lines of their own, above the moving line."""
        if self._quiet:
            return
        with self._lock:
            self._erase()
            self._write((paint(text, style, self.colour) if style else text) + "\n")

    @contextmanager
    def awaiting(self, what: str) -> Iterator[None]:
        """Show *what* as awaited while the block runs."""
        key = f"{what}\0{threading.get_ident()}"
        self.now(key, what)
        try:
            yield
        finally:
            self.done(key)

    def now(self, key: str, what: str) -> None:
        """Show *what* as awaited under *key* until `done`; a repeated key changes the words, not the clock."""
        with self._lock:
            if not self._awaited:
                self._next_plain = time.monotonic() + QUIET_S
            since = self._awaited[key][1] if key in self._awaited else time.monotonic()
            self._awaited[key] = (what, since)

    def done(self, key: str) -> None:
        """Stop showing what is awaited under *key*; an unknown key is no error."""
        with self._lock:
            self._awaited.pop(key, None)
            if not self._awaited:
                self._erase()

    def line(self) -> str | None:
        """Return the moving line's words, or None while nothing takes longer than two seconds."""
        now = time.monotonic()
        with self._lock:
            long = [(what, now - since) for what, since in self._awaited.values() if now - since >= QUIET_S]
        if not long:
            return None
        return "waiting for " + ", ".join(f"{what} ({seconds(spent)})" for what, spent in long)

    def _tick(self) -> None:
        while not self._stop.wait(TICK_S):
            text = self.line()
            if text is None:
                continue
            with self._lock:
                if not self._awaited:
                    continue
                if self._tty:
                    self._draw(text)
                elif time.monotonic() >= self._next_plain:
                    self._write(f"  … {text}\n")
                    self._next_plain = time.monotonic() + PLAIN_EVERY_S

    def _draw(self, text: str) -> None:
        try:
            # A terminal that does not know its size says 0.
            width = os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            width = 80
        # A line that wraps cannot be rewritten.
        text = f"  … {text}"
        short = text if len(text) < width else text[: max(1, width - 2)] + "…"
        self._write("\r\x1b[2K" + paint(short, "dim", self.colour))
        self._drawn = True

    def _erase(self) -> None:
        if self._drawn:
            self._write("\r\x1b[2K")
            self._drawn = False

    def _write(self, text: str) -> None:
        """Write while somebody reads: a reader that went away (`| head`, a closed terminal) stops nothing."""
        if self._reader_is_gone:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._reader_is_gone = True
