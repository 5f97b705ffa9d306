"""Every query of every board and link, asked of the real engines: it is answered, and with data.

Loki and Tempo are those of the stack, or the ones whose addresses CAROUSEL_TEST_LOKI_URL and CAROUSEL_TEST_TEMPO_URL
give; where there is none, their tests are skipped and say so.
"""

import os
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from deploy.native.stack import Stack
from tests.e2e.support import HEALTHY, eventually
from tests.grafana.interpolation import ALL, Variables
from tests.grafana.support import Target, boards, data_sources, targets, variables

LOKI_URL = os.environ.get("CAROUSEL_TEST_LOKI_URL")
TEMPO_URL = os.environ.get("CAROUSEL_TEST_TEMPO_URL")

RANGE_S = 120
BUILT_IN = {"__rate_interval": "20s", "__interval": "5s", "__range": f"{RANGE_S}s", "__auto": "5s"}
"""As Grafana sets them for a range of two minutes and data every five seconds."""

SELDOM = {
    "otelcol_exporter_send_failed_log_records_total": "the Collector counts it from the first failure on",
    "otelcol_exporter_send_failed_spans_total": "the Collector counts it from the first failure on",
    "otelcol_exporter_send_failed_metric_points_total": "the Collector counts it from the first failure on",
    "otelcol_exporter_enqueue_failed_log_records_total": "the Collector counts it from the first failure on",
    "otelcol_exporter_enqueue_failed_spans_total": "the Collector counts it from the first failure on",
    "otelcol_exporter_enqueue_failed_metric_points_total": "the Collector counts it from the first failure on",
}
"""Metrics that a healthy stack does not have, each with the reason."""

FAULTS = ("none", "service2:error", "none", "service2:exception", "service2:garbage", "service2:slow;ms=20")
PROMQL = targets("prometheus")
LOGQL = targets("loki")
TRACEQL = targets("tempo")


def chosen(target: Target, **more: str) -> Variables:
    """Return the variables of a query's board as they are when it is opened, with *more* of them set."""
    there = variables(boards()[target.board])
    current = {name: str(one["current"]["value"]) for name, one in there.items()}
    everything = {name: str(one["allValue"]) for name, one in there.items() if one.get("includeAll")}
    return Variables({**BUILT_IN, **current, **more}, everything)


@pytest.fixture(scope="module", autouse=True)
def load(stack: Stack) -> Iterator[None]:
    """A few requests a second of each outcome while the tests of this file run: rates need something that moves."""
    stopping = threading.Event()

    def send() -> None:
        with requests.Session() as session:
            turn = 0
            while not stopping.wait(0.2):
                fault = {"X-Carousel-Fault": FAULTS[turn % len(FAULTS)]}
                method, entity = ("GET", "POST")[turn % 2], ("orders", "payments", "deliveries")[turn % 3]
                session.request(method, f"{stack.gateway}/api/{entity}", headers=HEALTHY | fault, timeout=20)
                turn += 1

    thread = threading.Thread(target=send, name="load of the boards")
    thread.start()
    yield
    stopping.set()
    thread.join(timeout=30)


def has_values(series: list[dict[str, Any]]) -> bool:
    """Tell whether an answer of Prometheus or of a metric query of Loki has a number in it."""
    values = [value for one in series for _, value in one.get("values", [one.get("value", (0, "NaN"))])]
    return any(value != "NaN" for value in values)


def ask_prometheus(stack: Stack, query: str, instant: bool) -> list[dict[str, Any]]:
    """Return the series that *query* gives now, or over the last two minutes; fail if it is no PromQL."""
    now = time.time()
    when = {"time": now} if instant else {"start": now - RANGE_S, "end": now, "step": 5}
    path = "query" if instant else "query_range"
    answer = requests.post(f"{stack.prometheus}/api/v1/{path}", data={"query": query, **when}, timeout=10).json()
    assert answer["status"] == "success", f"{query}: {answer.get('error')}"
    return list(answer["data"]["result"])


@pytest.mark.parametrize("target", PROMQL, ids=[target.name for target in PROMQL])
def test_every_promql_of_every_panel_returns_data(stack: Stack, target: Target) -> None:
    """A panel that is always empty is a broken one."""
    query = chosen(target).into(target.text)
    eventually(
        lambda: has_values(ask_prometheus(stack, query, bool(target.raw.get("instant")))), query, 60, every_s=1.0
    )


def test_every_metric_that_a_board_names_exists(stack: Stack) -> None:
    """An `or vector(0)` hides a misspelt name; those that only a failure makes are listed."""
    asked = {name for target in PROMQL for name in re.findall(r"([a-z_:][a-z0-9_:]*)\{", target.text)}
    assert "http_server_request_duration_seconds_count" in asked

    def missing() -> set[str]:
        answer = requests.get(f"{stack.prometheus}/api/v1/label/__name__/values", timeout=10).json()
        return asked - set(SELDOM) - set(answer["data"])

    eventually(lambda: not missing(), f"metrics: {missing()}", 60, every_s=1.0)


def label_values(stack: Stack, query: str) -> list[str]:
    """Return what Grafana's `label_values(selector, label)` does."""
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert found, query
    answer = requests.get(f"{stack.prometheus}/api/v1/series", params={"match[]": found[1]}, timeout=10).json()
    return sorted({one[found[2]] for one in answer["data"] if found[2] in one})


def test_the_variables_offer_what_runs_and_chain(stack: Stack) -> None:
    """The services without their prefix; of a service its nodes; of all services all nodes."""
    for uid in ("carousel-node", "carousel-logs"):
        service, node = (variables(boards()[uid])[name] for name in ("service", "node"))

        def services(of: dict[str, Any] = service) -> set[str]:
            kept = [re.search(of["regex"].strip("/"), job) for job in label_values(stack, of["query"])]
            return {found[1] for found in kept if found}

        def nodes(chosen: str, query: str = node["query"], everything: str = service["allValue"]) -> set[str]:
            return set(label_values(stack, Variables({"service": chosen}, {"service": everything}).into(query)))

        eventually(lambda ask=services: {"gateway", "service1", "service2", "storage"} <= ask(), "the services", 30)
        eventually(lambda ask=nodes: ask("service1") == {"service1-1", "service1-2"}, "the nodes of service 1", 30)
        eventually(lambda ask=nodes: {"gateway-1", "service2-1", "storage-1"} <= ask(ALL), "the nodes of all", 30)


TO_METRICS = data_sources()["tempo"]["jsonData"]["tracesToMetrics"]


@pytest.mark.parametrize("query", TO_METRICS["queries"], ids=[query["name"] for query in TO_METRICS["queries"]])
@pytest.mark.parametrize("node", ["gateway-1", "service2-2"])
def test_every_link_from_a_span_to_metrics_returns_data(stack: Stack, query: dict[str, str], node: str) -> None:
    """With the tags that the link takes from the span's resource."""
    resource = {"service.instance.id": node}
    tags = ",".join(f'{tag["value"]}="{resource[tag["key"]]}"' for tag in TO_METRICS["tags"])
    asked = Variables({"__tags": tags}).into(query["query"])
    eventually(lambda: has_values(ask_prometheus(stack, asked, False)), asked, 60, every_s=1.0)


def test_dots_of_charts_lead_to_traces(stack: Stack) -> None:
    """Each query that asks for exemplars gets some, and they carry a label that the data source makes a link of."""
    labels = {one["name"] for one in data_sources()["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]}
    dotted = [target for target in PROMQL if target.raw.get("exemplar")]
    assert len(dotted) >= 2
    for target in dotted:
        query = chosen(target).into(target.text)

        def found(query: str = query) -> bool:
            when = {"start": time.time() - RANGE_S, "end": time.time()}
            url = f"{stack.prometheus}/api/v1/query_exemplars"
            answer = requests.get(url, params={"query": query, **when}, timeout=10).json()
            return any(labels & set(one["labels"]) for series in answer.get("data", ()) for one in series["exemplars"])

        eventually(found, f"exemplars of {query}", 60, every_s=1.0)


# --- Loki and Tempo ---


def engine(stack: Stack, name: str, given: str | None) -> str:
    """Return the address of the engine *name*: the given one, else the stack's; skip the test without any."""
    url = given or getattr(stack, "engine_addresses", {}).get(name)
    if not url:
        pytest.skip(f"no {name}: it is not in .tools/ (make engines), and CAROUSEL_TEST_{name.upper()}_URL is not set")
    return str(url)


@pytest.fixture(scope="module")
def loki(stack: Stack) -> str:
    """The address of a ready Loki that has records."""
    url = engine(stack, "loki", LOKI_URL)
    eventually(lambda: requests.get(f"{url}/ready", timeout=5).status_code == 200, "Loki to be ready", 90, every_s=0.5)
    return url


@pytest.fixture(scope="module")
def tempo(stack: Stack) -> str:
    """The address of a ready Tempo."""
    url = engine(stack, "tempo", TEMPO_URL)
    eventually(lambda: requests.get(f"{url}/ready", timeout=5).status_code == 200, "Tempo to be ready", 90, every_s=0.5)
    return url


def ask_loki(url: str, query: str, instant: bool = False) -> list[dict[str, Any]]:
    """Return what *query* gives; fail with Loki's words if it is no LogQL."""
    now = time.time_ns()
    path = "query" if instant else "query_range"
    when = {"time": now} if instant else {"start": now - RANGE_S * 10**9, "end": now, "step": "5s"}
    answer = requests.get(f"{url}/loki/api/v1/{path}", params={"query": query, "limit": 100, **when}, timeout=20)
    assert answer.status_code == 200, f"{query}: {answer.text}"
    return list(answer.json()["data"]["result"])


@pytest.fixture(scope="module")
def failed_request(loki: str) -> dict[str, str]:
    """The labels of a record of a request that failed, out of Loki: its trace has errors."""
    query = '{service_namespace="carousel"} | carousel_step="service2.work.bug" | severity_text="ERROR"'
    found = eventually(lambda: ask_loki(loki, query), "a failed request in Loki", 60, every_s=1.0)
    return dict(found[0]["stream"])


@pytest.mark.parametrize("target", LOGQL, ids=[target.name for target in LOGQL])
def test_every_logql_of_every_panel_returns_data(loki: str, failed_request: dict[str, str], target: Target) -> None:
    """With the trace id of a request that failed, so that panels of errors have some too."""
    query = chosen(target, trace_id=failed_request["trace_id"]).into(target.text)
    instant = target.raw.get("queryType") == "instant"
    eventually(lambda: ask_loki(loki, query, instant), query, 60, every_s=1.0)


@pytest.mark.parametrize("typed", ['say "no"', "back\\slash", "a.b*(c", "received"])
def test_nothing_that_is_typed_breaks_a_query_of_logs(loki: str, typed: str) -> None:
    """Quotes and special characters are looked for, not understood."""
    for target in LOGQL:
        if target.board == "carousel-logs":
            ask_loki(loki, chosen(target, text=typed).into(target.text), target.raw.get("queryType") == "instant")


def test_an_empty_trace_id_finds_nothing(loki: str) -> None:
    """And not every record without a trace."""
    for target in LOGQL:
        if target.board == "carousel-trace":
            instant = target.raw.get("queryType") == "instant"
            assert [] == ask_loki(loki, chosen(target, trace_id="").into(target.text), instant)


def test_links_from_traces_to_logs_return_records(loki: str, failed_request: dict[str, str]) -> None:
    """By span, with the tags of the span's resource, and by trace."""
    tempo = data_sources()["tempo"]
    resource = {
        "service.name": failed_request["service_name"],
        "service.instance.id": failed_request["service_instance_id"],
    }
    link = tempo["jsonData"]["tracesToLogsV2"]
    values = {
        "__tags": ",".join(f'{tag["value"]}="{resource[tag["key"]]}"' for tag in link["tags"]),
        "__trace.traceId": failed_request["trace_id"],
        "__span.spanId": failed_request["span_id"],
        "traceID": failed_request["trace_id"],
    }
    assert ask_loki(loki, Variables(values).into(link["query"]))
    for one in tempo["correlations"]:
        if one["type"] == "query":
            assert ask_loki(loki, Variables(values).into(one["config"]["target"]["expr"]))


def test_a_log_line_has_the_labels_that_its_links_are_made_of(loki: str, failed_request: dict[str, str]) -> None:
    """A derived field of a label that is not there is no link at all."""
    fields = data_sources()["loki"]["jsonData"]["derivedFields"]
    assert {one["matcherRegex"] for one in fields} <= set(failed_request)


@pytest.mark.parametrize("target", TRACEQL, ids=[target.name for target in TRACEQL])
def test_every_traceql_of_every_panel_returns_data(stack: Stack, tempo: str, target: Target) -> None:
    """A search finds traces, an id its trace, and the service map has its metrics in Prometheus."""
    search = f"{tempo}/api/search"

    def traces(query: str) -> list[dict[str, Any]]:
        answer = requests.get(search, params={"q": query, "limit": 20}, timeout=10)
        assert answer.status_code == 200, f"{query}: {answer.text}"
        return list(answer.json()["traces"])

    if target.raw["queryType"] == "serviceMap":
        query = "sum by (client, server) (rate(traces_service_graph_request_total[1m]))"
        eventually(lambda: has_values(ask_prometheus(stack, query, False)), query, 90, every_s=1.0)
        return
    if target.text == "${trace_id:raw}":
        found = eventually(lambda: traces("{ status = error }"), "a failed trace in Tempo", 90, every_s=1.0)
        # Search leaves out the zeros at the front of an id.
        answer = requests.get(f"{tempo}/api/v2/traces/{found[0]['traceID'].zfill(32)}", timeout=10)
        assert answer.status_code == 200
        return
    query = chosen(target).into(target.text)
    eventually(lambda: traces(query), query, 90, every_s=1.0)
