"""The nodes as a table. Pure: takes what is known and the time it is.

::

    node        app       state            picks      logs     spans  last seen
    gateway-1   gateway   -                    -       812       401  1 s ago
    service1-1  service1  linked             200       410       398  1 s ago
    service1-2  service1  ⊘ ejected           87       170       166  40 s ago
                          the connection was refused, for 38 s
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text

from apps.cli import theme
from apps.cli.census import Node
from apps.cli.quantities import ago, counted

_STATES = {
    "linked": ("", ""),
    "probation": (theme.PROBATION_MARK, theme.SLOW),
    "ejected": (theme.EJECTED_MARK, theme.ERROR),
    "joining": (theme.UNFINISHED_MARK, theme.STRONG),
}


def draw(nodes: Sequence[Node], now: datetime, *, knows_ring: bool, knows_storage: bool) -> Iterator[Text]:
    """Yield the table of *nodes*. What a part that did not answer would have told is shown as ``?``."""
    node_width = max(10, *(cell_len(node.name) for node in nodes)) if nodes else 10
    app_width = max(8, *(cell_len(node.app) for node in nodes)) if nodes else 8
    yield theme.line(
        (
            f"{'node':{node_width}}  {'app':{app_width}}  {'state':11} "
            f"{'picks':>9} {'logs':>9} {'spans':>9}  last seen",
            theme.DIM,
        )
    )
    for node in nodes:
        yield _row(node, now, node_width, app_width, knows_ring, knows_storage)
        if node.member is not None and node.member.reason:
            since = node.member.since
            how_long = f", for {ago((now - since).total_seconds())}" if since else ""
            yield theme.line(" " * (node_width + app_width + 4), (f"{node.member.reason}{how_long}", theme.DIM))


def _row(node: Node, now: datetime, node_width: int, app_width: int, knows_ring: bool, knows_storage: bool) -> Text:
    style = theme.app_style(node.app)
    belongs = node.app in ("service1", "service2")
    state, alarm = ("?" if belongs and not knows_ring else "not in ring" if belongs else "-"), ""
    picks = "?" if belongs and not knows_ring else "-"
    if node.member is not None:
        mark, alarm = _STATES.get(node.member.state, ("", theme.STRONG))
        state, picks = f"{mark} {node.member.state}".strip(), f"{node.member.picks}"
    logs = spans = "-" if knows_storage else "?"
    last = "never" if knows_storage else "?"
    if node.seen is not None:
        logs, spans = f"{node.seen.logs}", f"{node.seen.spans}"
        last = f"{ago((now - node.seen.last).total_seconds())} ago" if node.seen.last else "?"
    return theme.line(
        (theme.fit(node.name, node_width), style),
        "  ",
        theme.fit(node.app, app_width),
        "  ",
        (theme.fit(state, 11), alarm),
        f" {picks:>9} {logs:>9} {spans:>9}  {last}",
    )


def rings_line(nodes: Sequence[Node]) -> Text:
    """Return the line that says how many nodes of each ring get requests."""
    shown = theme.line()
    for service in ("service1", "service2"):
        states = [node.member.state for node in nodes if node.member is not None and node.member.service == service]
        if not states:
            continue
        inside = sum(state in ("linked", "probation") for state in states)
        shown.append(" · " if shown.plain else "")
        shown.append(service, theme.app_style(service))
        is_whole = inside == len(states)
        words = f" {inside} of {counted(len(states), 'node')} in the ring"
        shown.append(words if is_whole else f"{words} {theme.EJECTED_MARK}", None if is_whole else theme.ERROR)
    return shown
