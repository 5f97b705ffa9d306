"""The waterfall of a trace: spans as a tree, with bars on one axis of time. Pure: takes spans and a width.

::

      node        span                       ms │0      25        50
    ▌ gateway-1   POST /api/<entity>       62.1 █▊──────────────────────▐
    ▌ gateway-1   └POST → service1-2       60.0  ▐──────────────────────▌
    ▌ service1-2   └POST /work/<entity>    58.3   █▋────

A bar is solid where the span itself was busy and a line where it waited for a span below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from apps.cli import theme
from apps.cli.quantities import milliseconds
from apps.cli.spans import CLIENT, SERVER, Branch, Span, tree, uncovered
from apps.web.kinds import is_mild

LEAST_BAR: Final = 22
MOST_NODE: Final = 16
DEEPEST: Final = 12
"""Levels that are drawn; what is deeper is shown at this one, its depth in words."""
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_MS_WIDTH: Final = 7


@dataclass(frozen=True, slots=True)
class Axis:
    """The shared axis of time: *width* columns from *start* to *end* (unix nanoseconds, end > start)."""

    start: int
    end: int
    width: int

    def column(self, time: int) -> float:
        """Return where *time* is, in columns from the left."""
        return (time - self.start) / (self.end - self.start) * self.width


@dataclass(frozen=True, slots=True)
class _Row:
    branch: Branch
    name: str
    mark: str
    style: str

    @property
    def is_origin(self) -> bool:
        """Tell whether what went wrong went wrong here, not in a span below."""
        return bool(self.mark) and not any(state_of(child)[0] for child in self.branch.children)


def draw(spans: Sequence[Span], width: int) -> list[Text]:
    """Return the waterfall of *spans* in *width* columns; a line that says so where there are none.

    Requests that went round one after the other, with long pauses, get an axis each: on a shared one they would be
    dots.
    """
    if not spans:
        return [theme.line(("No spans of this trace were found.", theme.DIM))]
    lines: list[Text] = []
    first = min(span.start for span in spans)
    for group in _groups(tree(spans)):
        later_ms = (min(branch.span.start for branch in group) - first) / 1e6
        if lines:
            lines += [Text(""), theme.line((f"  {later_ms / 1000:.1f} s later", theme.DIM))]
        lines += _draw_group(group, width)
    hatched = "" if all(span.is_finished for span in spans) else "   ░ began and never ended"
    lines.append(theme.line((f"  █ busy itself   ─ waiting for a span below{hatched}", theme.DIM)))
    return lines


def _groups(branches: Sequence[Branch]) -> list[list[Branch]]:
    """Return the trees in groups that share an axis."""
    trees: list[list[Branch]] = []
    for branch in branches:
        if not branch.guides:
            trees.append([])
        trees[-1].append(branch)
    trees.sort(key=lambda group: group[0].span.start)
    groups = trees[:1]
    longest = _end(trees[0]) - _start(trees[0])
    for one in trees[1:]:
        longest = max(longest, _end(one) - _start(one))
        if _start(one) - _end(groups[-1]) > 2 * longest:
            groups.append(one)
        else:
            groups[-1] = groups[-1] + one
    return groups


def _start(group: Sequence[Branch]) -> int:
    return min(branch.span.start for branch in group)


def _end(group: Sequence[Branch]) -> int:
    return max(branch.span.end for branch in group)


def _draw_group(group: Sequence[Branch], width: int) -> list[Text]:
    by_id = {branch.span.span_id: branch for branch in group}
    rows = [_row(branch, by_id) for branch in group]
    node_width = min(max(4, *(cell_len(row.branch.span.node) for row in rows)), MOST_NODE)
    fixed = 2 + node_width + 1 + 1 + _MS_WIDTH + 1
    wanted = max(4, *(cell_len(row.name) + (cell_len(row.mark) + 1 if row.mark else 0) for row in rows))
    name_width = max(12, min(wanted, width - fixed - LEAST_BAR))
    start, end = _start(group), _end(group)
    axis = Axis(start, max(end, start + 1), width - fixed - name_width)
    head = theme.line(
        ("  " + theme.fit("node", node_width) + " " + theme.fit("span", name_width) + " ", theme.DIM),
        (theme.right("ms", _MS_WIDTH) + " " + ticks(axis), theme.DIM),
    )
    return [theme.cut(head, None), *(_draw_row(row, axis, node_width, name_width) for row in rows)]


def _row(branch: Branch, by_id: dict[str, Branch]) -> _Row:
    span = branch.span
    depth = len(branch.guides)
    guides = branch.guides if depth <= DEEPEST else f"{theme.ELLIPSIS}{depth} "
    name = span.name
    if span.kind == CLIENT:
        served = next((child.node for child in branch.children if child.kind == SERVER), "")
        to = served or span.server
        name += f" → {to}" if to else ""
    if span.resend:
        name += f" (retry {span.resend})"
    mark, style = state_of(span)
    if branch.is_cut_off and span.kind != SERVER:
        mark, style = f"{theme.MISSING_MARK} parent missing", theme.MISSING
    return _Row(branch, guides + name, mark, style)


def state_of(span: Span) -> tuple[str, str]:
    """Return the mark with its word, and the style, of a span that was slow or failed; both empty if all is well."""
    if not span.is_finished:
        return f"{theme.UNFINISHED_MARK} unfinished", theme.STRONG
    if is_mild(span.bug) and not span.is_error:
        return f"{theme.SLOW_MARK} {span.bug}", theme.SLOW
    if span.is_error or span.bug:
        word = span.bug or (str(span.status) if span.status else span.error_type) or "error"
        return f"{theme.ERROR_MARK} {word}", theme.ERROR
    return "", ""


def _draw_row(row: _Row, axis: Axis, node_width: int, name_width: int) -> Text:
    span = row.branch.span
    style = theme.app_style(span.app)
    shown = theme.line(
        ("▌ ", style),
        theme.fit(span.node, node_width) + " ",
        *_name(row, name_width),
        " " + theme.right(milliseconds(span.duration_ms) if span.is_finished else "?", _MS_WIDTH) + " ",
        (bar(span, row.branch.children, axis), row.style if row.is_origin else style),
    )
    shown.rstrip()
    return shown


def _name(row: _Row, width: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the name with its mark in *width* columns; where both do not fit, the mark stays whole."""
    if not row.mark:
        return (theme.fit(row.name, width), ""), ("", "")
    room = max(width - cell_len(row.mark) - 1, 0)
    name = theme.fit(row.name, room) + " " if room else ""
    return (name, ""), (theme.fit(row.mark, width - cell_len(name)), row.style)


def bar(span: Span, children: Sequence[Span], axis: Axis) -> str:
    """Return *span*'s bar: solid in its own time, a line where it waits, never less than a mark."""
    first, last = axis.column(span.start), axis.column(span.end)
    if not span.is_finished:
        return " " * int(first) + theme.UNFINISHED_MARK * max(1, axis.width - int(first))
    own = [(axis.column(start), axis.column(end)) for start, end in uncovered(span, children)]
    begin = min(int(first), axis.width - 1)
    cells = [" "] * begin
    for cell in range(begin, axis.width):
        left, right = max(first, cell), min(last, cell + 1)
        if right <= left and cell > begin:
            break
        busy = sum(max(0.0, min(right, end) - max(left, start)) for start, end in own)
        if children and busy < (right - left) / 2:
            cells.append("─")
        else:
            cells.append(_block(left - cell, right - cell))
    return "".join(cells)


def _block(left: float, right: float) -> str:
    """Return the block that covers a column from *left* to *right* (0 to 1) best."""
    if left >= 0.5:
        return "▐"
    return _EIGHTHS[max(1, round((right - left) * 8 if left < 0.25 else right * 8))]


def ticks(axis: Axis) -> str:
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
