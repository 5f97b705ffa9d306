"""Requests as they end, one line each. Pure.

::

    time      what      ms entity     way                                   trace
    11:52:59   200    66.5 orders     gateway-1 ▸ service1-2 ▸ service2-1   4bf92f35…0e4736
    11:53:00   200   120.6 orders     gateway-1 ▸ service1-1 ▸ service2-1✗ ▸ service2-2   0af76519…0eb211c
    11:53:00 ⊗ 502    28.4 payments   gateway-1 ▸ service1-2 ▸ service2-1✗   0af7651916cd43dd8448eb211c80319c
"""

from typing import Final

from rich.text import Text

from apps.cli import theme
from apps.cli.quantities import clock, counted, milliseconds, parse_time
from apps.cli.ways import Ended

_CLOCK: Final = 8
_ENTITY: Final = 10
_WAY: Final = 35
"""Columns of `gateway-1 ▸ service1-2 ▸ service2-1`."""
_FIXED: Final = _CLOCK + 1 + 5 + 1 + 7 + 1
_LEAST_ID: Final = 9


def head(width: int | None) -> Text:
    """Return the line above the requests."""
    names = f"{'time':{_CLOCK}} {'what':>5} {'ms':>7} {'entity':{_ENTITY}} {'way':{_WAY}} trace"
    return theme.cut(theme.line((names, theme.DIM)), width)


def row(ended: Ended, width: int | None) -> Text:
    """Return the line of *ended* in *width* columns; None leaves ids and ways whole.

    Where it does not fit, the trace id is shortened in its middle; then the gateway's name gives way, then the id.
    """
    status = str(ended.status) if ended.status else "none"
    tone = "" if ended.is_good else theme.ERROR
    line = theme.line(
        (clock(parse_time(ended.time))[:_CLOCK], theme.DIM),
        " ",
        (f"{'' if ended.is_good else theme.ERROR_MARK} {status}".rjust(5), tone),
        " " + theme.right(milliseconds(ended.duration_ms), 7) + " ",
        theme.fit(ended.entity or "-", _ENTITY) if width is not None else theme.padded(ended.entity or "-", _ENTITY),
        " ",
    )
    room = None if width is None else width - line.cell_len
    way = way_text(ended)
    if room is not None and way.cell_len + 1 + _LEAST_ID > room:
        way = way_text(ended, with_gateway=False)
    line.append_text(way)
    column = _WAY if room is None else min(_WAY, room - 1 - _LEAST_ID)
    line.append(" " * max(column - way.cell_len, 0))
    left = len(ended.trace_id) if width is None else width - line.cell_len - 1
    if left >= _LEAST_ID:
        line.append(" " + theme.shortened(ended.trace_id, left), theme.DIM if ended.is_good else None)
    return theme.cut(line, width)


def way_text(ended: Ended, *, with_gateway: bool = True) -> Text:
    """Return the way of *ended*: gateway-1 ▸ service1-2 ▸ service2-1✗ ▸ service2-2."""
    shown = theme.line((ended.gateway or "gateway", theme.app_style("gateway")) if with_gateway else "")
    nodes = ended.way()
    for node, was_in_vain in nodes:
        shown.append(" ▸ " if shown.plain else "▸ ", theme.DIM)
        shown.append(node, theme.app_style(theme.app_of(node)) or None)
        shown.append(theme.TRIED_MARK if was_in_vain else "", theme.ERROR)
    if ended.error_type and not any(was_in_vain for _, was_in_vain in nodes):
        shown.append(f" {theme.TRIED_MARK} {ended.error_type}", theme.ERROR)
    return shown


def summary(requests: int, failed: int, slowest: Ended | None, last_failed: Ended | None) -> list[Text]:
    """Return the lines that stand below: how many were seen, and which is most worth a look."""
    line = theme.line((counted(requests, "request"), theme.STRONG), " seen")
    if failed:
        line.append(" · ")
        line.append(f"{theme.ERROR_MARK} {failed} failed", theme.ERROR)
    lines = [line]
    worst = last_failed or slowest
    if worst is not None and worst.trace_id:
        which = "the last that failed" if last_failed else "the slowest"
        lines.append(theme.line((f"look at {which}: ", theme.DIM), (f"carousel trace {worst.trace_id}", theme.STRONG)))
    return lines
