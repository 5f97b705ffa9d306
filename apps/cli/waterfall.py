"""The waterfall of a trace: spans as a tree, with bars on one axis of time. Pure: takes spans and a width.

::

      node        span                       ms │0      25        50
    ▌ gateway-1   POST /api/<entity>       62.1 █▊━━━━━━━━━━━━━━━━━━━━━━▐
    ▌ gateway-1   └POST → service1-2       60.0  ▐━━━━━━━━━━━━━━━━━━━━━━▌
    ▌ service1-2   └POST /work/<entity>    58.3   █▋━━━━

A bar is solid where the span itself was busy and a line where it waited for a span below it; both are strong on the
critical path and weak off it. Log records are ticks on the bar.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from apps.cli import bars, critical, theme
from apps.cli.bars import Axis
from apps.cli.critical import Share
from apps.cli.quantities import milliseconds
from apps.cli.spans import CLIENT, INTERNAL, SERVER, Branch, Span, Tick, tree
from apps.web.kinds import is_mild

LEAST_BAR: Final = 22
MOST_NODE: Final = 16
DEEPEST: Final = 12
"""Levels that are drawn; what is deeper is shown at this one, its depth in words."""
MOST_NAMED: Final = 3
"""Spans of the critical path that are named below the bars."""
_MS_WIDTH: Final = 7


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


def draw(
    spans: Sequence[Span],
    width: int,
    *,
    ticks: Mapping[str, Sequence[Tick]] | None = None,
    absent: Sequence[str] = (),
) -> list[Text]:
    """Return the waterfall of *spans* in *width* columns; a line that says so where there are none.

    Requests that went round one after the other, with long pauses, get an axis each: on a shared one they would be
    dots.

    Args:
        spans: the spans.
        width: columns.
        ticks: log records, by the span they were logged in.
        absent: nodes that spans should have come from and did not.
    """
    if not spans:
        return [theme.line(("No spans of this trace were found.", theme.DIM))]
    lines: list[Text] = []
    first = min(span.start for span in spans)
    groups = _groups(tree(spans))
    for group in groups:
        later_ms = (min(branch.span.start for branch in group) - first) / 1e6
        if lines:
            lines += [Text(""), theme.line((f"  {later_ms / 1000:.1f} s later", theme.DIM))]
        lines += _draw_group(group, width, ticks or {}, absent if group is groups[-1] else ())
    lines += _legend(spans, "".join(line.plain for line in lines))
    return [theme.cut(line, width) for line in lines]


def _absent(nodes: Sequence[str], width: int) -> Iterator[Text]:
    """Yield a row for each node that no span came from: it keeps its place, in dashes."""
    for node in nodes:
        words = f"{theme.MISSING_MARK} {theme.fit(node, max(10, cell_len(node)))} no span came "
        yield theme.line((words.ljust(width - len(" missing"), theme.DASHES[0]) + " missing", theme.MISSING))


def _legend(spans: Sequence[Span], drawn: str) -> Iterator[Text]:
    """Yield what the marks mean that were *drawn*."""
    words = [f"{bars.WAITS} waiting for a span below"] if bars.WAITS in drawn else []
    words += [f"{bars.BUSY_OFF_PATH}{bars.WAITS_OFF_PATH} off the critical path"] * any(
        mark in drawn for mark in (bars.BUSY_OFF_PATH, bars.WAITS_OFF_PATH)
    )
    words += [f"{bars.TICK} log record"] * (bars.TICK in drawn)
    words += [f"{bars.ERROR_TICK} error"] * (bars.ERROR_TICK in drawn)
    words += [f"{theme.UNFINISHED_MARK} never ended"] * (not all(span.is_finished for span in spans))
    yield theme.line(("  " + "   ".join(["█ busy itself", *words]), theme.DIM))


def _critical(path: Mapping[str, Share], total_ns: int, width: int) -> Iterator[Text]:
    """Yield the line that names where the time of the critical path went; as many spans as fit into *width*."""
    named = critical.largest(path.values(), MOST_NAMED)
    if len(path) < 2 or not named or total_ns <= 0:
        return
    line = theme.line(("  critical path: ", theme.DIM))
    for n, share in enumerate(named):
        words = theme.line(
            (" · " if n else "", theme.DIM),
            (share.span.node or "?", theme.app_style(share.span.app)),
            f" {share.span.name}" if share.span.kind == INTERNAL else "",
            (f" {100 * share.own_ns / total_ns:.0f} %", theme.DIM),
        )
        if line.cell_len + words.cell_len > width:
            break
        line.append_text(words)
    yield line


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


def _draw_group(
    group: Sequence[Branch], width: int, logged: Mapping[str, Sequence[Tick]], absent: Sequence[str]
) -> list[Text]:
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
        (theme.right("ms", _MS_WIDTH) + " " + bars.labels(axis), theme.DIM),
    )
    path = critical.path(group)
    drawn = []
    for row in rows:
        span = row.branch.span
        until = path[span.span_id].until if span.span_id in path else span.start
        bar = bars.bar(span, row.branch.children, axis, until=until)
        shown = bars.ticked(bar, logged.get(span.span_id, ()), axis)
        drawn.append(_draw_row(row, shown, node_width, name_width))
    total_ns = sum(branch.span.end - branch.span.start for branch in group if not branch.guides)
    return [theme.cut(head, None), *drawn, *_absent(absent, width), *_critical(path, total_ns, width)]


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


def _draw_row(row: _Row, bar: str, node_width: int, name_width: int) -> Text:
    span = row.branch.span
    style = theme.app_style(span.app)
    shown = theme.line(
        ("▌ ", style),
        theme.fit(span.node, node_width) + " ",
        *_name(row, name_width),
        " " + theme.right(milliseconds(span.duration_ms) if span.is_finished else "?", _MS_WIDTH) + " ",
        (bar, row.style if row.is_origin else style),
    )
    shown.highlight_regex(bars.ERROR_TICK, theme.ERROR)
    shown.rstrip()
    return shown


def _name(row: _Row, width: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the name with its mark in *width* columns; where both do not fit, the mark stays whole."""
    if not row.mark:
        return (theme.fit(row.name, width), ""), ("", "")
    room = max(width - cell_len(row.mark) - 1, 0)
    name = theme.fit(row.name, room) + " " if room else ""
    return (name, ""), (theme.fit(row.mark, width - cell_len(name)), row.style)
