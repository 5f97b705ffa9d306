"""All boards, and each as the text of its file."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync

from grafana.generate import links, logs, node, overview, pipeline, trace

FOLDER: Final = Path(__file__).resolve().parents[1] / "dashboards"
REFRESH: Final = "10s"

BOARDS: Final[Mapping[str, Callable[[], dashboard.Dashboard]]] = {
    links.OVERVIEW: overview.board,
    links.TRACE: trace.board,
    links.NODE: node.board,
    links.LOGS: logs.board,
    links.PIPELINE: pipeline.board,
}
"""Each board by its uid. A new one is a row here and one in `links.TITLES`."""


def text(uid: str) -> str:
    """Return the board *uid* as JSON, the same at every call."""
    made = BOARDS[uid]().tags(["carousel"]).readonly().timezone("browser").links(links.menu(uid))
    made.tooltip(DashboardCursorSync.CROSSHAIR)
    built = made.build()
    built.refresh = built.refresh or ("" if uid == links.TRACE else REFRESH)
    if built.time is None or built.time.from_val == "":
        made.time("now-30m", "now")
    for number, panel in enumerate(built.panels or (), start=1):
        panel.id_val = number
    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def path(uid: str) -> Path:
    """Return the file of the board *uid*."""
    return FOLDER / f"{uid.removeprefix('carousel-')}.json"
