"""A picture that is drawn over and over on a terminal, and a terminal that is afterwards as it was before.

The alternate screen keeps what was above; each line is written over and cleared to its end, in a synchronized update
(https://gist.github.com/christianparpart/d8a62cc1ab659194337d73e399004036), so nothing flickers.
"""

import signal
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any, Final

from rich.text import Text

from apps.cli import theme
from apps.cli.screen import Screen

_BEGIN: Final = "\x1b[?1049h\x1b[?25l"
_END: Final = "\x1b[?25h\x1b[?1049l"
_UPDATE: Final = "\x1b[?2026h\x1b[H"
_DONE: Final = "\x1b[J\x1b[?2026l"
_ENDINGS: Final = ("SIGTERM", "SIGHUP")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class Live:
    """Draws frames on *screen*, a terminal's. Leaving it restores the terminal, also when a signal ends the process."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Live":
        for name in _ENDINGS:
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(number, _interrupt)
        self._screen.write(_BEGIN)
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._screen.write(_END)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def size(self) -> tuple[int, int]:
        """Return columns and lines of the terminal as they are now."""
        return self._screen.size()

    def show(self, lines: Sequence[Text]) -> None:
        """Draw *lines* from the top; what the terminal has no room for is said in its last line."""
        columns, height = self.size()
        shown = list(lines)
        if len(shown) > height:
            left = len(shown) - height + 1
            shown = [*shown[: height - 1], theme.line((f"… {left} more lines than fit", theme.DIM))]
        drawn = [self._screen.rendered(theme.cut(line, columns)) + "\x1b[K" for line in shown]
        # No line end after the last line: it would scroll a full screen.
        self._screen.write(_UPDATE + "\r\n".join(drawn) + _DONE)
