"""The boards and the provisioning files as these tests and the end-to-end ones read them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml

from tests.grafana.interpolation import expand_environment

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "grafana"
ADDRESSES = {
    "CAROUSEL_PROMETHEUS_URL": "http://127.0.0.1:9090",
    "CAROUSEL_TEMPO_URL": "http://127.0.0.1:3200",
    "CAROUSEL_LOKI_URL": "http://127.0.0.1:3100",
    "CAROUSEL_ALERTMANAGER_URL": "http://127.0.0.1:9093",
    "CAROUSEL_DASHBOARDS_DIR": "/dashboards",
}
"""All that the provisioning files may ask of the environment."""


@dataclass(frozen=True)
class Target:
    """One query of one panel."""

    board: str
    panel: str
    type: str
    raw: dict[str, Any]

    @property
    def source(self) -> str:
        """The uid of the data source it goes to."""
        return str(self.raw["datasource"]["uid"])

    @property
    def text(self) -> str:
        """The query."""
        return str(self.raw.get("expr", self.raw.get("query", "")))

    @property
    def name(self) -> str:
        """Its name for a person."""
        return f"{self.board.removeprefix('carousel-')}: {self.panel} {self.raw['refId']}"


def boards() -> dict[str, dict[str, Any]]:
    """Return the boards as they are committed, by uid."""
    files = sorted((FOLDER / "dashboards").glob("*.json"))
    read = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return {board["uid"]: board for board in read}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a board; no headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def variables(board: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the variables of a board by name, in their order."""
    return {one["name"]: one for one in board.get("templating", {}).get("list", [])}


def targets(source: str | None = None) -> list[Target]:
    """Return the queries of all panels, or those to the data source *source*."""
    found = [
        Target(uid, panel["title"], panel["type"], raw)
        for uid, board in boards().items()
        for panel in panels(board)
        for raw in panel["targets"]
    ]
    return [target for target in found if source in (None, target.source)]


def provisioned(kind: str) -> dict[str, Any]:
    """Return grafana/provisioning/<kind>/carousel.yaml as it is written."""
    text = (FOLDER / "provisioning" / kind / "carousel.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def data_sources() -> dict[str, dict[str, Any]]:
    """Return the data sources by uid, with the environment expanded as Grafana does it."""
    return {one["uid"]: _expanded(one) for one in provisioned("datasources")["datasources"]}


def _expanded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _expanded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_expanded(one) for one in value]
    return expand_environment(value, ADDRESSES) if isinstance(value, str) else value


def strings(value: Any) -> Iterator[str]:
    """Yield every string in *value*, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def board_links(value: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield every link to a board in *value*: the uid, and the values it sets by variable."""
    for text in strings(value):
        if text.startswith("/d/"):
            address = urlsplit(text)
            pairs = parse_qsl(address.query, keep_blank_values=True)
            yield (
                address.path.removeprefix("/d/"),
                {key.removeprefix("var-"): one for key, one in pairs if key.startswith("var-")},
            )
