"""The nodes as a table. Pure: takes what is known and the time it is.

::

    node        state        rate/s  err %   p95 ms  cpu %   MiB  in flight
    gateway-1   -              40.1    1.2     93.0   22.0    61          -
    service1-1  linked         20.0    0.6     88.0    9.0    55          2
    service1-2  ⊘ ejected       0.0             -      0.1    55          0
                the connection was refused, for 38 s, tried again in 3 s
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from apps.cli import theme
from apps.cli.census import Node
from apps.cli.quantities import ago, counted, milliseconds
from apps.cli.rings import Member

UNKNOWN: Final = "?"
NONE: Final = "-"
_STATE: Final = 11
_IN_RINGS: Final = ("service1", "service2")


@dataclass(frozen=True, slots=True)
class Known:
    """Which parts of the stack answered, and what time it is."""

    now: datetime
    ring: bool = True
    storage: bool = True


@dataclass(frozen=True, slots=True)
class _Column:
    head: str
    width: int
    value: Callable[[Node, Known], str]


def _number(value: float | None, digits: int = 1) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _of_member(node: Node, known: Known, value: Callable[[Member], int | None]) -> str:
    if node.member is None:
        return UNKNOWN if node.app in _IN_RINGS and not known.ring else NONE
    found = value(node.member)
    return NONE if found is None else str(found)


def _of_seen(node: Node, known: Known, value: Callable[[Node], str]) -> str:
    return value(node) if node.seen is not None else NONE if known.storage else UNKNOWN


def _last_seen(node: Node, known: Known) -> str:
    if node.seen is None:
        return "never" if known.storage else UNKNOWN
    return f"{ago((known.now - node.seen.last).total_seconds())} ago" if node.seen.last else UNKNOWN


_VITAL: Final = (
    _Column("rate/s", 7, lambda node, known: _number(node.vitals.rate)),
    _Column("err %", 6, lambda node, known: _number(_hundred(node.vitals.error_share))),
    _Column("p95 ms", 8, lambda node, known: milliseconds(node.vitals.p95_ms) or NONE),
    _Column("cpu %", 6, lambda node, known: _number(_hundred(node.vitals.cpu))),
    _Column("MiB", 6, lambda node, known: _number(_mebibytes(node.vitals.memory_bytes), 0)),
    _Column("in flight", 10, lambda node, known: _of_member(node, known, lambda member: member.in_flight)),
)
_WIDE: Final = (
    _Column("picks", 9, lambda node, known: _of_member(node, known, lambda member: member.picks)),
    _Column("logs", 9, lambda node, known: _of_seen(node, known, lambda node: str(node.seen.logs if node.seen else 0))),
    _Column(
        "spans", 9, lambda node, known: _of_seen(node, known, lambda node: str(node.seen.spans if node.seen else 0))
    ),
    _Column("last seen", 11, _last_seen),
)


def _hundred(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _mebibytes(size: float | None) -> float | None:
    return None if size is None else size / 2**20


def draw(nodes: Sequence[Node], known: Known, *, is_wide: bool = False) -> Iterator[Text]:
    """Yield the table of *nodes*; what a part that did not answer would have told is shown as ``?``.

    With *is_wide* it has all columns, some 120 characters; else those that fit into 80.
    """
    width = max(10, *(cell_len(node.name) for node in nodes)) if nodes else 10
    columns = (*_VITAL, *_WIDE) if is_wide else _VITAL
    heads = "".join(theme.right(column.head, column.width) for column in columns)
    yield theme.line((f"{theme.fit('node', width)}  {theme.fit('state', _STATE)}{heads}", theme.DIM))
    for node in nodes:
        yield _row(node, known, width, columns)
        if node.member is not None and node.member.reason:
            yield theme.line(" " * (width + 2), (_why(node.member, known.now), theme.DIM))


def _why(member: Member, now: datetime) -> str:
    words = member.reason
    if member.since is not None:
        words += f", for {ago((now - member.since).total_seconds())}"
    if member.state == "ejected" and member.ejected_for_s is not None:
        words += f", tried again in {ago(member.ejected_for_s)}"
    return words


def _row(node: Node, known: Known, width: int, columns: Sequence[_Column]) -> Text:
    state, alarm = _state(node, known)
    line = theme.line((theme.fit(node.name, width), theme.app_style(node.app)), "  ", (theme.fit(state, _STATE), alarm))
    for column in columns:
        line.append(theme.right(column.value(node, known), column.width))
    return line


def _state(node: Node, known: Known) -> tuple[str, str]:
    if node.member is None:
        belongs = node.app in _IN_RINGS
        return UNKNOWN if belongs and not known.ring else "not in ring" if belongs else NONE, ""
    if node.member.state == "linked":
        return "linked", ""
    mark, alarm = theme.member_mark(node.member.state)
    return f"{mark} {node.member.state}", alarm


def left_out(*, is_wide: bool) -> Text | None:
    """Return the line that says which columns are not shown; None if all are."""
    if is_wide:
        return None
    names = ", ".join(column.head for column in _WIDE)
    return theme.line((f"not shown: {names}; --wide shows them", theme.DIM))


def rings_line(nodes: Sequence[Node]) -> Text:
    """Return the line that says how many nodes of each ring get requests."""
    shown = theme.line()
    for service in _IN_RINGS:
        members = [node.member for node in nodes if node.member is not None and node.member.service == service]
        if not members:
            continue
        inside = sum(member.is_in_ring for member in members)
        shown.append(" · " if shown.plain else "")
        shown.append(service, theme.app_style(service))
        is_whole = inside == len(members)
        words = f" {inside} of {counted(len(members), 'node')} in the ring"
        shown.append(words if is_whole else f"{words} {theme.EJECTED_MARK}", None if is_whole else theme.ERROR)
    return shown
