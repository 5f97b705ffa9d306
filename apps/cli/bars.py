"""The bars of a waterfall on their axis of time, out of block characters. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from apps.cli import theme
from apps.cli.spans import Span, Tick, uncovered

WAITS: Final = "━"
WAITS_OFF_PATH: Final = "─"
BUSY_OFF_PATH: Final = "▒"
TICK: Final = "┃"
ERROR_TICK: Final = "╳"
LEAST_TICKED: Final = 4
"""Columns of a bar that has room for ticks; a shorter one would be nothing but ticks."""
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Axis:
    """The shared axis of time: *width* columns from *start* to *end* (unix nanoseconds, end > start)."""

    start: int
    end: int
    width: int

    def column(self, time: int) -> float:
        """Return where *time* is, in columns from the left."""
        return (time - self.start) / (self.end - self.start) * self.width


def bar(span: Span, children: Sequence[Span], axis: Axis, *, until: int | None = None) -> str:
    """Return *span*'s bar: solid in its own time, a line where it waits, never less than a mark.

    It is on the critical path until *until* (unix nanoseconds; None: to its end), and drawn weaker afterwards.
    """
    first, last = axis.column(span.start), axis.column(span.end)
    if not span.is_finished:
        return " " * int(first) + theme.UNFINISHED_MARK * max(1, axis.width - int(first))
    strong_to = last if until is None else axis.column(until)
    own = [(axis.column(start), axis.column(end)) for start, end in uncovered(span, children)]
    begin = min(int(first), axis.width - 1)
    cells = [" "] * begin
    for cell in range(begin, axis.width):
        left, right = max(first, cell), min(last, cell + 1)
        if right <= left and cell > begin:
            break
        busy = sum(max(0.0, min(right, end) - max(left, start)) for start, end in own)
        is_strong = (left + right) / 2 <= strong_to
        if children and busy < (right - left) / 2:
            cells.append(WAITS if is_strong else WAITS_OFF_PATH)
        else:
            cells.append(_block(left - cell, right - cell) if is_strong else BUSY_OFF_PATH)
    return "".join(cells)


def ticked(drawn: str, ticks: Sequence[Tick], axis: Axis) -> str:
    """Return the bar *drawn* with a tick for each log record; an error's hides another's in the same column.

    A bar that is too short for ticks shows errors alone.
    """
    cells = list(drawn)
    begin = len(drawn) - len(drawn.lstrip())
    for tick in sorted(ticks, key=lambda one: one.is_error):
        if len(drawn) - begin < LEAST_TICKED and not tick.is_error:
            continue
        column = min(max(int(axis.column(tick.time)), begin), len(drawn) - 1)
        cells[column] = ERROR_TICK if tick.is_error else TICK
    return "".join(cells)


def _block(left: float, right: float) -> str:
    """Return the block that covers a column from *left* to *right* (0 to 1) best."""
    if left >= 0.5:
        return "▐"
    return _EIGHTHS[max(1, round((right - left) * 8 if left < 0.25 else right * 8))]


def labels(axis: Axis) -> str:
    """Return the axis's labels: 0 and some round numbers of milliseconds, each whole and apart from the next."""
    total_ms = (axis.end - axis.start) / 1e6
    step = _round_step(total_ms, axis.width)
    shown = ""
    for n in range(axis.width):
        column, label = int(axis.width * n * step / total_ms), f"│{n * step:g}"
        if column + len(label) > axis.width:
            break
        shown = shown.ljust(column) + label
    return shown


def _round_step(total_ms: float, width: int) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten whose labels stand apart in *width* columns."""
    for power in range(-4, 13):
        for factor in (1, 2, 5):
            step = float(f"{factor}e{power}")
            longest = len(f"│{total_ms // step * step:g}")
            if step * width / total_ms >= max(longest + 2, 5):
                return step
    return total_ms
