"""The terminal, pipe or file that a command writes to.

Colour on a terminal; plain in a pipe, with ``NO_COLOR`` (https://no-color.org) and with ``TERM=dumb``; ``FORCE_COLOR``
asks for it in a pipe too. A terminal's lines are cut at its width, those of a pipe never.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

PIPE_WIDTH: Final = 80
LEAST_WIDTH: Final = 60
MOST_WIDTH: Final = 160


def wants_colour(environ: Mapping[str, str], is_terminal: bool) -> bool:
    """Tell whether to write colours."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "") not in ("", "0"):
        return True
    return is_terminal and environ.get("TERM") != "dumb"


class _Console(Console):
    """A console that leaves a broken pipe to its caller instead of ending the process."""

    def on_broken_pipe(self) -> None:
        """Raise the error that is being handled."""
        raise


class Screen:
    """Writes lines to *stream*.

    *width* is what pictures are drawn to, *limit* where lines are cut (None: nowhere); *can_redraw* tells whether the
    terminal can be written over.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        is_terminal = stream.isatty()
        columns = environ.get("COLUMNS", "")
        if is_terminal:
            size = shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
        else:
            size = int(columns) if columns.isdecimal() and len(columns) < 5 else PIPE_WIDTH
        self.is_terminal = is_terminal
        self.can_redraw = is_terminal and environ.get("TERM") != "dumb"
        self.width = min(max(size, LEAST_WIDTH), MOST_WIDTH)
        self.limit = size if is_terminal else None
        colour = wants_colour(environ, is_terminal)
        self._stream = stream
        self._console = _Console(
            file=stream,
            force_terminal=colour,
            color_system="standard" if colour else None,
            width=10_000,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
            _environ={},
        )

    def size(self) -> tuple[int, int]:
        """Return columns and lines of the terminal as they are now; 80 by 24 where it does not tell."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return PIPE_WIDTH, 24
        return size.columns or PIPE_WIDTH, size.lines or 24

    def rendered(self, line: Text) -> str:
        """Return *line* with its colours, as this screen would write it, without a line end."""
        with self._console.capture() as capture:
            self._console.print(line, end="", soft_wrap=True)
        return capture.get()

    def write(self, text: str) -> None:
        """Write *text* as it is."""
        self._stream.write(text)
        self._stream.flush()

    def show(self, lines: Iterable[Text | str]) -> None:
        """Write *lines*, one each."""
        for one in lines:
            self._console.print(Text(one) if isinstance(one, str) else one, end="\n", soft_wrap=True)
        self._stream.flush()


def stdout() -> Screen:
    """Return the screen of this process's standard output."""
    return Screen(sys.stdout, os.environ)


def stderr() -> Screen:
    """Return the screen of this process's standard error."""
    return Screen(sys.stderr, os.environ)
