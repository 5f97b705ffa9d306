"""Where each board is, and how one leads to another. Every link opens for a viewer who may not use Explore."""

from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

OVERVIEW: Final = "carousel-overview"
TRACE: Final = "carousel-trace"
NODE: Final = "carousel-node"
LOGS: Final = "carousel-logs"
PIPELINE: Final = "carousel-pipeline"

TITLES: Final[Mapping[str, str]] = {
    OVERVIEW: "Overview",
    TRACE: "Trace by id",
    NODE: "Node",
    LOGS: "Logs",
    PIPELINE: "Pipeline",
}
"""Every board by its uid, in the order in which they are shown."""

TIME: Final = "${__url_time_range}"
"""Grafana's own variable: the range that is shown now, as parameters of an address."""


def address(uid: str, *, keep_time: bool = True, **variables: str) -> str:
    """Return the address of the board *uid* with *variables* set, from the root of Grafana."""
    pairs = [f"var-{name}={value}" for name, value in variables.items()]
    if keep_time:
        pairs.append(TIME)
    return f"/d/{uid}" + (f"?{'&'.join(pairs)}" if pairs else "")


def to(uid: str, title: str | None = None, *, keep_time: bool = True, **variables: str) -> dashboard.DashboardLink:
    """Return a link to the board *uid*, for a panel's head or for a value."""
    link = dashboard.DashboardLink(title or TITLES[uid]).type(DashboardLinkType.LINK)
    return link.url(address(uid, keep_time=keep_time, **variables)).target_blank(False)


def to_trace(value: str = "${__value.raw}") -> dashboard.DashboardLink:
    """Return a link to the trace whose id is *value*; any time, since a trace may be older than what is shown."""
    return to(TRACE, "This trace", keep_time=False, trace_id=value)


def to_node(value: str) -> dashboard.DashboardLink:
    """Return a link to the node that *value* names."""
    return to(NODE, "This node", node=value)


def menu(here: str) -> list[Builder[models.DashboardLink]]:
    """Return the links to all other boards that stand above the board *here*."""
    return [
        dashboard.DashboardLink(title)
        .type(DashboardLinkType.LINK)
        .url(f"/d/{uid}")
        .keep_time(True)
        .include_vars(False)
        .as_dropdown(False)
        .icon("dashboard")
        .tooltip(f"The board {title}")
        .target_blank(False)
        .tags([])
        for uid, title in TITLES.items()
        if uid != here
    ]
