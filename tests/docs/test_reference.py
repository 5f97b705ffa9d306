"""The reference pages name what the code names, no more and no less."""

import re
from pathlib import Path

from flask import Flask
from opentelemetry.metrics import NoOpMeter

from apps.gateway.app import create_service
from apps.gateway.config import GatewayConfig
from apps.gateway.members import SHOWN
from apps.storage.backends.memory import MemoryStore
from apps.storage.ingest import ingest_blueprint
from apps.storage.query import LOG_PARAMETERS, METRIC_PARAMETERS
from apps.storage.routes import search_blueprint
from apps.telemetry import names
from apps.web.node import NodeConfig
from tests.docs.support import INLINE, ROOT, cells, read
from tests.fakes import telemetry_of

VARIABLE = re.compile(r"\b(?:CAROUSEL|OTEL)_[A-Z0-9]+(?:_[A-Z0-9]+)*\b(?!_)")
NAME = re.compile(r"\"(carousel(?:\.[a-z0-9_]+)+)\"")


def sources(*folders: str) -> list[Path]:
    """Return the files that the apps, the native stack and the Collector are made of."""
    kinds = {".py", ".yaml", ".yml", ".env"}
    return [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in kinds]


def found(pattern: re.Pattern[str], *folders: str) -> set[str]:
    """Return what *pattern* finds in the files of *folders*."""
    return {name for path in sources(*folders) for name in pattern.findall(path.read_text(encoding="utf-8"))}


def constants() -> set[str]:
    """Return the values of the constants in `names`."""
    return {value for key, value in vars(names).items() if key.isupper() and isinstance(value, str)}


def test_the_telemetry_page_has_every_name_of_ours() -> None:
    """Attributes, events, metrics and baggage: each constant of `names` is on the page."""
    listed = set(INLINE.findall(read("docs/reference/telemetry.md")))

    assert constants() - {names.BAGGAGE_PREFIX} - listed == set()


def test_names_outside_of_the_list_are_on_the_page_too() -> None:
    """What an app spells out itself is documented like the rest."""
    listed = set(INLINE.findall(read("docs/reference/telemetry.md")))

    assert found(NAME, "apps") - listed == set()


def test_the_telemetry_page_has_no_name_that_nothing_uses() -> None:
    """A name of ours on the page is a name in the code."""
    listed = {name for name in INLINE.findall(read("docs/reference/telemetry.md")) if name.startswith("carousel.")}

    assert listed <= constants() | found(NAME, "apps")


def test_the_telemetry_page_names_the_schema_of_a_record() -> None:
    """A reader who wants to parse records is led to it."""
    assert "(record.schema.json)" in read("docs/reference/telemetry.md")


def test_the_settings_page_lists_every_variable_that_is_read() -> None:
    """And none that nobody reads."""
    read_somewhere = found(VARIABLE, "apps", "deploy", "otel-collector", "loki", "tempo", "grafana", "tests/load")

    assert read_somewhere == set(cells(read("docs/reference/config.md")))


def test_the_settings_page_lists_each_variable_once() -> None:
    """Two rows could say two things."""
    listed = cells(read("docs/reference/config.md"))

    assert sorted(set(listed)) == sorted(listed)


def test_the_demo_column_tells_what_the_env_file_sets() -> None:
    """``env`` in the column "demo" stands for a line in deploy/env/native.env."""
    rows = [line.split(" | ") for line in read("docs/reference/config.md").splitlines() if line.startswith("| `")]
    told = {row[0].strip("|` ") for row in rows if row[2].startswith("env")}
    pairs = [line for line in read("deploy/env/native.env").splitlines() if re.match(r"[A-Z]", line)]

    assert {line.partition("=")[0] for line in pairs} == told


def test_the_storage_page_lists_every_route() -> None:
    """Ingest and search, as the app serves them."""
    app, store, page = Flask("storage", static_folder=None), MemoryStore(), read("docs/reference/storage-api.md")
    app.register_blueprint(search_blueprint(store))
    app.register_blueprint(ingest_blueprint(store, NoOpMeter("storage"), max_body_bytes=1, write_timeout_s=1.0))
    routes = {
        f"{method} {rule.rule.replace('<trace_id>', '<id>')}"
        for rule in app.url_map.iter_rules()
        for method in ("POST" if rule.rule.startswith("/v1/") else "GET",)
    }

    assert {route for route in routes if f"`{route}`" not in page} == set()
    assert len(routes) == len(re.findall(r"`(?:GET|POST) /", page))


def test_the_storage_page_lists_every_parameter() -> None:
    """Of the logs as a table, of the metrics in a sentence."""
    page = read("docs/reference/storage-api.md")
    logs = page.split("### `GET /api/v1/logs`")[1].split("###")[0]
    metrics = page.split("### `GET /api/v1/metrics`")[1].split("Parameters")[1].split(",  each")[0].split(".")[0]

    assert sorted(LOG_PARAMETERS) == sorted(cells(logs))
    assert list(METRIC_PARAMETERS) == INLINE.findall(metrics)


def test_the_gateway_page_lists_every_admin_route() -> None:
    """As the app serves them, each under a heading of its own."""
    config = GatewayConfig(NodeConfig("gateway", "gateway-1"), "service", "admin")
    telemetry = telemetry_of("gateway")
    service, _ = create_service(config, telemetry)
    telemetry.meter_provider.shutdown()
    routes = {
        f"{method} {rule.rule}"
        for rule in service.app.url_map.iter_rules()
        if rule.rule.startswith("/admin/") or rule.rule == "/internal/targets"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert routes == set(re.findall(r"(?m)^### `([A-Z]+ /[^`]+)`$", read("docs/reference/gateway-api.md")))


def test_the_gateway_page_lists_every_state_of_a_member() -> None:
    """In the order of the code."""
    states = read("docs/reference/gateway-api.md").split("| state |")[1].split("###")[0]

    assert [state.value for state in SHOWN] == cells(f"| state |{states}")
