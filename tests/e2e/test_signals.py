"""Every app's every signal arrives in every store, and the calls between apps are those we know."""

from typing import Any

import pytest

from tests.e2e.matrix import NODES, SERVICE_EDGES, SIGNAL_MATRIX, SPAN_TREE
from tests.e2e.support import Ask, eventually

KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT"}


@pytest.mark.parametrize(
    ("app", "signal"), [(app, signal) for app, signals in SIGNAL_MATRIX.items() for signal in signals]
)
def test_storage_has_each_signal_of_each_app(ask: Ask, app: str, signal: str) -> None:
    """The matrix: app × signal, in storage."""
    for _ in range(2):
        ask.client("POST")

    def seen() -> bool:
        nodes = [node for node in ask.storage("nodes")["nodes"] if node["app"] == app]
        return bool(nodes) and all(node[signal] > 0 for node in nodes)

    eventually(seen, f"{signal} of every node of {app}")


@pytest.mark.parametrize("node", NODES)
def test_prometheus_has_the_metrics_of_each_node(ask: Ask, node: str) -> None:
    """By remote write, under the node's name as instance."""
    service = node.rsplit("-", 1)[0]
    query = f'carousel_outbox_records{{job="carousel/{service}",instance="{node}",signal="logs"}}'

    assert eventually(lambda: ask.prometheus(query), f"{query} in Prometheus", 30)


@pytest.mark.parametrize("node", NODES)
def test_prometheus_knows_that_each_node_is_up(ask: Ask, node: str) -> None:
    """By the scrape, under the same names."""
    service = node.rsplit("-", 1)[0]

    def up() -> bool:
        found = ask.prometheus(f'up{{job="carousel/{service}",instance="{node}"}}')
        return [item["value"][1] for item in found] == ["1"]

    eventually(up, f"up of {node}", 30)


def test_scrapes_keep_only_what_the_process_itself_tells(ask: Ask) -> None:
    """Everything else comes by remote write: nothing is stored twice."""
    eventually(lambda: ask.prometheus('process_cpu_seconds_total{instance="gateway-1"}'), "process metrics", 30)
    eventually(lambda: ask.prometheus('http_server_request_duration_seconds_count{instance="gateway-1"}'), "RED", 30)

    twice = ask.prometheus(
        "count by (http_route, http_response_status_code, http_request_method)"
        '(http_server_request_duration_seconds_count{instance="gateway-1"}) > 1'
    )
    assert twice == []


@pytest.mark.parametrize(
    "query",
    [
        'sum by (instance) (rate(http_server_request_duration_seconds_count{job="carousel/gateway"}[1m]))',
        'sum by (instance) (rate(http_server_request_duration_seconds_count{job=~"carousel/service.",'
        'http_response_status_code=~"5.."}[1m])) / sum by (instance) '
        '(rate(http_server_request_duration_seconds_count{job=~"carousel/service."}[1m]))',
        "histogram_quantile(0.95, sum by (instance, le) (rate(http_server_request_duration_seconds_bucket[1m])))",
        "sum by (carousel_service, carousel_peer) (carousel_balancer_picks_total)",
        'carousel_ring_nodes{carousel_state="linked"}',
        "sum by (instance, carousel_bug) (carousel_bugs_total)",
    ],
    ids=["rate", "error share", "p95", "picks", "ring", "bugs"],
)
def test_prometheus_answers_what_a_board_would_ask(ask: Ask, query: str) -> None:
    """Request rate, error share and p95 by node; picks, rings and bugs."""

    def answered() -> bool:
        ask.client("POST")
        ask.client("POST", X_Carousel_Fault="service2:error")
        found = ask.prometheus(query)
        return any(item["value"][1] not in ("NaN", "0") for item in found)

    eventually(answered, query, 40, every_s=1.0)


def test_an_exemplar_leads_to_a_trace_that_opens(ask: Ask) -> None:
    """From a bucket of a histogram to the spans of one request."""

    def exemplars() -> list[str]:
        ask.client("POST")
        answer = ask.session.get(
            f"{ask.stack.prometheus}/api/v1/query_exemplars",
            params={
                "query": 'http_server_request_duration_seconds_bucket{job="carousel/gateway"}',
                "start": "0",
                "end": "4102444800",
            },
            timeout=10,
        ).json()
        return [item["labels"]["trace_id"] for series in answer["data"] for item in series["exemplars"]]

    trace_id = eventually(exemplars, "an exemplar", 30, every_s=1.0)[-1]
    assert eventually(lambda: ask.spans(trace_id), f"the spans of {trace_id}")


def test_the_span_tree_is_the_one_in_the_docs(ask: Ask) -> None:
    """Ten spans, each under its parent, in the order of their starts."""
    trace_id = ask.client("POST").headers["X-Trace-Id"]

    def all_spans() -> list[dict[str, Any]] | None:
        found = ask.spans(trace_id)
        return found if len(found) == len(SPAN_TREE) else None

    spans = sorted(eventually(all_spans, "ten spans"), key=lambda span: int(str(span["startTimeUnixNano"])))
    tree = [(str(span["node"]).rsplit("-", 1)[0], KINDS[span["kind"]], span["name"]) for span in spans]
    assert list(SPAN_TREE) == tree
    by_id = {span["spanId"]: span for span in spans}
    parents = [by_id.get(span.get("parentSpanId", "")) for span in spans]
    assert [None, 0, 1, 2, 2, 4, 5, 6, 7, 2] == [spans.index(parent) if parent else None for parent in parents]


def test_who_calls_whom_is_as_drawn(ask: Ask) -> None:
    """The edges between apps, out of parents and children that differ in their app."""
    trace_id = ask.client("POST").headers["X-Trace-Id"]
    spans = eventually(lambda: len(ask.spans(trace_id)) == len(SPAN_TREE) and ask.spans(trace_id), "ten spans")
    app = {span["spanId"]: span["node"].rsplit("-", 1)[0] for span in spans}

    edges = {
        (app.get(span.get("parentSpanId", ""), "client"), app[span["spanId"]])
        for span in spans
        if app.get(span.get("parentSpanId", ""), "client") != app[span["spanId"]]
    }
    assert set(SERVICE_EDGES) == edges
