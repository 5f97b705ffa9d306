"""The rings in the terminal: nodes on a circle in the order of their turns, the hand at the next. Pure.

::

    service1  3 of 4 in the ring · next service1-2
    share of 300 picks
                        ╭───▸───╮
                        │       │
                        │       ● service1-1
             service1-3 ●   ◉   ▾ 33 % · 0 in flight
     33 % · 1 in flight ▴   ╰──▸● service1-2
                        ▴       ▾ 33 % · 2 in flight
                        ╰───◂───╯
      ╭╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╯
      ╰╌ ⊘ service1-4 ejected, tried again in 3 s
           the connection was refused

A node that gets nothing hangs off the circle on a dashed stem. More nodes than a circle can hold are a list.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from apps.cli import theme
from apps.cli.quantities import ago
from apps.cli.rings import Member, Ring, Rings

MOST_ON_CIRCLE: Final = 12
SIDE_BY_SIDE: Final = 100
"""Columns from which on the two rings stand side by side."""
_GAP: Final = 2
_CIRCLE: Final = 9
_PIVOT: Final = _CIRCLE // 2
_MOST_LABEL: Final = 30


def draw(
    rings: Rings, width: int, *, recent: Collection[str] = (), note: str = "", is_compact: bool = False
) -> list[Text]:
    """Return the rings of a gateway in *width* columns.

    Args:
        rings: what the gateway told.
        width: columns.
        recent: names of nodes that were picked just now.
        note: stands behind the gateway's name, as what is wrong with it.
        is_compact: lists in place of circles.
    """
    head = theme.line((rings.gateway or "gateway", theme.app_style("gateway")))
    if note:
        head.append(f"  {note}", theme.SLOW)
    lines = [head, Text("")]
    if width < SIDE_BY_SIDE:
        for n, ring in enumerate(rings.rings):
            lines += [Text("")] * (n > 0) + picture(ring, width, recent, is_compact)
    else:
        half = (width - _GAP) // 2
        for n in range(0, len(rings.rings), 2):
            pair = [picture(ring, half, recent, is_compact) for ring in rings.rings[n : n + 2]]
            lines += [Text("")] * (n > 0) + _beside(pair, half)
    if not rings.rings:
        lines.append(theme.line(("It has no rings.", theme.DIM)))
    return [theme.cut(line, width) for line in lines]


def _beside(pictures: Sequence[list[Text]], width: int) -> list[Text]:
    lines = []
    for parts in zip_longest(*pictures, fillvalue=Text("")):
        line = theme.line()
        for n, part in enumerate(parts):
            line.append(" " * (n * (width + _GAP) - line.cell_len))
            line.append_text(theme.cut(part, width))
        lines.append(line)
    return lines


def picture(ring: Ring, width: int, recent: Collection[str] = (), is_compact: bool = False) -> list[Text]:
    """Return one ring in *width* columns."""
    lines = list(_head(ring))
    if len(ring.turning) > MOST_ON_CIRCLE or is_compact:
        lines += _list(ring, recent)
        stem = 0
    else:
        label = min((width - _CIRCLE) // 2, _MOST_LABEL)
        lines += _circle(ring, label, recent)
        stem = label + _PIVOT
    lines += _off(ring.others, stem)
    return [theme.cut(line, width) for line in lines]


def _head(ring: Ring) -> Iterator[Text]:
    inside, everybody = len(ring.turning), len(ring.members)
    count = f"  {inside} of {everybody} in the ring"
    yield theme.line(
        (ring.service, theme.app_style(ring.service)),
        (count, "" if inside else theme.ERROR),
        f" · next {ring.next_name}" if inside else f" {theme.ERROR_MARK}",
    )
    yield theme.line((f"share of {_picks(ring)} picks", theme.DIM))


def _picks(ring: Ring) -> int:
    return sum(member.picks for member in ring.members)


def _circle(ring: Ring, label: int, recent: Collection[str]) -> Iterator[Text]:
    """Yield the circle: nodes down its right side and up its left one."""
    placed = ring.placed()
    picks = _picks(ring)
    rows = (len(placed) + 1) // 2
    right = {1 + 2 * n: member for n, member in enumerate(placed[:rows])}
    left_first = 1 if 2 * rows == len(placed) else 2
    left = {left_first + 2 * n: member for n, member in enumerate(reversed(placed[rows:]))}
    height = 2 * rows + 1
    inner = _inner(ring, left, right, height)
    indent = " " * label
    dash = "─" if placed else theme.DASHES[0]
    yield theme.line(indent, f"╭{dash * 3}{'▸' if placed else dash}{dash * 3}╮")
    for n in range(height) if placed else ():
        line = _label(left, n, picks, label, recent, is_left=True)
        line.append(*_side(left.get(n), left.get(n - 1), "▴"))
        line.append_text(inner[n])
        line.append(*_side(right.get(n), right.get(n - 1), "▾"))
        line.append_text(_label(right, n, picks, label, recent, is_left=False))
        line.rstrip()
        yield line
    if not placed:
        yield theme.line(indent, "╎ ", ("empty", theme.ERROR), " ╎")
    bottom = "◂" if placed and not ring.others else "┬" if ring.others else dash
    yield theme.line(indent, f"╰{dash * 3}{bottom}{dash * 3}╯")


def _side(here: Member | None, above: Member | None, arrow: str) -> tuple[str, str]:
    """Return what stands on a side of the circle: a node, the arrow behind one, or the line."""
    if here is None:
        return (arrow if above is not None else "│"), ""
    mark, style = theme.member_mark(here.state)
    return mark, style or theme.app_style(here.service)


def _inner(ring: Ring, left: dict[int, Member], right: dict[int, Member], height: int) -> list[Text]:
    """Return the inside of the circle, one text a line: the hand from the middle to whose turn is next."""
    blank = " " * (_CIRCLE - 2)
    lines = [theme.line(blank) for _ in range(height)]
    middle = height // 2
    for side, is_left in ((left, True), (right, False)):
        for n, member in side.items():
            if member.name == ring.next_name:
                _point(lines, middle, n, is_left)
    return lines


def _point(lines: list[Text], middle: int, target: int, is_left: bool) -> None:
    half = (_CIRCLE - 3) // 2
    for n in range(min(middle, target), max(middle, target) + 1):
        lines[n] = theme.line(" " * half, ("│", theme.STRONG), " " * half)
    corner = "◉" if target == middle else ("╮" if is_left else "╭") if target < middle else ("╯" if is_left else "╰")
    lines[middle] = theme.line(" " * half, ("◉", theme.STRONG), " " * half)
    reach = "◂" + "─" * (half - 1) + corner + " " * half if is_left else " " * half + corner + "─" * (half - 1) + "▸"
    lines[target] = theme.line((reach, theme.STRONG))


def _label(side: dict[int, Member], n: int, picks: int, width: int, recent: Collection[str], *, is_left: bool) -> Text:
    """Return what stands beside line *n* of the circle: a name, or under a name its numbers."""
    if n in side:
        shown = _name(side[n], width - 1, recent)
    elif n - 1 in side:
        shown = _numbers(side[n - 1], picks, width - 1)
    else:
        shown = theme.line()
    if not is_left:
        return theme.line(" ").append_text(shown)
    return theme.line(" " * (width - 1 - shown.cell_len)).append_text(shown).append(" ")


def _name(member: Member, width: int, recent: Collection[str]) -> Text:
    colour = theme.app_style(member.service)
    style = f"{theme.STRONG} {colour}" if member.name in recent else colour
    return theme.line((theme.shortened(member.name, width), style))


def _numbers(member: Member, picks: int, width: int) -> Text:
    """Return state (but for `linked`), share of the picks and requests in flight; the last only where it fits."""
    share = f"{100 * member.picks / picks:.0f} %" if picks else "- %"
    in_flight = "" if member.in_flight is None else f" · {member.in_flight} in flight"
    if member.state == "linked":
        return theme.line((theme.fit(share + in_flight, width).rstrip(), theme.DIM))
    rest = f" · {share}"
    rest += in_flight if cell_len(member.state + rest + in_flight) <= width else ""
    return theme.line((member.state, theme.member_mark(member.state)[1]), (rest, theme.DIM))


def _list(ring: Ring, recent: Collection[str]) -> Iterator[Text]:
    """Yield a ring that is too large for a circle, one line a node."""
    placed, picks = ring.placed(), _picks(ring)
    width = max((cell_len(member.name) for member in placed), default=0)
    for member in placed:
        mark, style = theme.member_mark(member.state)
        share = f"{100 * member.picks / picks:.0f}" if picks else "-"
        inside = "" if member.in_flight is None else f"{member.in_flight} in flight"
        colour = theme.app_style(member.service)
        yield theme.line(
            ("▸ " if member.name == ring.next_name else "  ", theme.STRONG),
            (mark, style or colour),
            (f" {theme.fit(member.name, width)}", f"{theme.STRONG} {colour}" if member.name in recent else colour),
            f" {member.state:9} {share:>3} %  {inside}",
        )


def _off(others: Sequence[Member], stem: int) -> Iterator[Text]:
    """Yield the members that get nothing, on a dashed stem from column *stem* of the circle."""
    if not others:
        return
    if stem:
        yield theme.line((f"  ╭{theme.DASHES[0] * (stem - 3)}╯", theme.DIM))
    for n, member in enumerate(others):
        is_last = n == len(others) - 1
        mark, style = theme.member_mark(member.state)
        yield theme.line(
            ("  ╰╌ " if is_last else "  ├╌ ", theme.DIM),
            (f"{mark} ", style),
            (member.name, theme.app_style(member.service)),
            (f" {member.state}", style),
            _until(member),
        )
        if member.reason:
            yield theme.line(("       " if is_last else "  ╎    ", theme.DIM), (member.reason, theme.DIM))


def _until(member: Member) -> str:
    if member.state == "ejected" and member.ejected_for_s is not None:
        return f", tried again in {ago(member.ejected_for_s)}" if member.ejected_for_s >= 0.5 else ", tried again now"
    return f", {member.in_flight} in flight" if member.in_flight else ""
