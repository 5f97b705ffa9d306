"""The search API over HTTP."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.storage import otlp_json
from apps.storage.backends.memory import MemoryStore
from apps.telemetry import names, steps
from apps.telemetry.setup import Telemetry
from tests.unit.storage.builders import (
    NOW,
    SECOND,
    SPAN,
    TRACE,
    ALog,
    ASpan,
    gauge,
    json_of,
    logs,
    spans,
    spans_request,
)

PROBLEM = "application/problem+json"
TRACE_PATH = f"/api/v1/traces/{TRACE}"


def put(store: MemoryStore, *batches: Any) -> None:
    """Write *batches*."""
    for batch in batches:
        store.write(batch, timeout_s=1)


def test_log_is_shown_in_the_shape_that_all_share(client: FlaskClient, store: MemoryStore) -> None:
    """The view of `apps.telemetry.record`, nanoseconds included; what is absent is left out."""
    attributes = {names.STEP: "gateway.service1.picked", names.SEQ: 7, names.PEER: "service1-1", "n": [1.5, None]}
    put(store, logs(ALog("picked", "ab", NOW + 123, trace=TRACE, span=SPAN, event="e", attributes=attributes)))
    expected = {
        "type": "log",
        "nodeId": "gateway-1",
        "app": "gateway",
        "time": "2026-11-23T11:52:59.000000123Z",
        "message": "picked",
        "severity": "INFO",
        "state": "ok",
        "event": "e",
        "step": "gateway.service1.picked",
        "traceId": TRACE,
        "spanId": SPAN,
        "http": {"peer": "service1-1"},
        "attributes": {**attributes, "log.record.uid": "ab"},
        "uid": "ab",
        "seq": 7,
    }
    assert {"logs": [expected], "next": None, "answeredBy": "memory"} == client.get("/api/v1/logs").json


def test_numbers_that_json_lacks_do_not_break_the_answer(client: FlaskClient, store: MemoryStore) -> None:
    """NaN is no JSON; bytes neither."""
    put(
        store, logs(ALog("odd", attributes={"nan": float("nan"), "inf": float("-inf"), "bytes": b"\xff", "none": None}))
    )
    answer = json.loads(client.get("/api/v1/logs").data, parse_constant=pytest.fail)
    assert {"nan": "NaN", "inf": "-Infinity", "bytes": "/w==", "none": None} == answer["logs"][0]["attributes"]


def test_pages_are_walked_by_next(client: FlaskClient, store: MemoryStore) -> None:
    """Until next is null; the last page may be full."""
    put(store, logs(*(ALog(f"{n}", f"{n:032x}", NOW - n) for n in range(6))))
    seen, path, pages = [], "/api/v1/logs?limit=2&from=1m", 0
    while path:
        answer = json_of(client.get(path))
        seen += [log["message"] for log in answer["logs"]]
        path = answer["next"] and f"/api/v1/logs?limit=2&from=1m&cursor={answer['next']}"
        pages += 1
    assert (["0", "1", "2", "3", "4", "5"], 3) == (seen, pages)


def test_trace_is_otlp_json_grouped_by_resource(client: FlaskClient, store: MemoryStore) -> None:
    """Hex ids, integer enums, 64 bits as strings; it can be sent to any OTLP receiver as it is."""
    put(store, spans(ASpan(), ASpan(span="00f067aa0ba902b7", node="gateway-2"), ASpan(span="00f067aa0ba902b8")))
    answer = client.get(TRACE_PATH)
    sent = spans_request(ASpan(), ASpan(span="00f067aa0ba902b7", node="gateway-2"), ASpan(span="00f067aa0ba902b8"))
    read = otlp_json.read(type(sent), answer.data)
    assert [2, 1] == [len(group.scope_spans[0].spans) for group in read.resource_spans]
    first = json_of(answer)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert (TRACE, 2, str(NOW)) == (first["traceId"], first["kind"], first["startTimeUnixNano"])


@pytest.mark.parametrize("form", [TRACE.upper(), f"00-{TRACE}-{SPAN}-00"])
@pytest.mark.parametrize("ending", ["", "/journeys"])
def test_trace_is_found_by_any_form_of_its_id(client: FlaskClient, store: MemoryStore, form: str, ending: str) -> None:
    """People paste what they have."""
    put(store, spans(ASpan()))
    assert 200 == client.get(f"/api/v1/traces/{form}{ending}").status_code


def test_trace_known_by_its_logs_alone_has_no_spans_yet(client: FlaskClient, store: MemoryStore) -> None:
    """Its spans have not ended; that is not unknown."""
    put(store, logs(ALog(trace=TRACE)))
    assert {"resourceSpans": []} == client.get(TRACE_PATH).json


def test_journeys_of_a_trace_without_steps_are_an_empty_list(client: FlaskClient, store: MemoryStore) -> None:
    """Somebody else's trace."""
    put(store, spans(ASpan()), logs(ALog(trace=TRACE)))
    assert {"traceId": TRACE, "journeys": []} == client.get(f"{TRACE_PATH}/journeys").json


def journey_logs(journey: str, first: int = 0) -> list[ALog]:
    """Return the logs of a healthy request."""
    found = []
    for step in steps.STEPS:
        attributes = {
            names.STEP: step.name, names.JOURNEY_ID: journey, names.ATTEMPT: 1, names.PARENT_ATTEMPT: 1,
            names.ENTITY: "orders", names.PEER: "x", names.STATUS: 200, names.DURATION_MS: 1.25,
        }  # fmt: skip
        time = NOW - SECOND + (first + step.n) * 1_000_000
        found.append(ALog(step.text, f"{journey}{step.n:016x}", time, app=step.app, node=f"{step.app}-1", trace=TRACE,
                          span=SPAN, event=step.event, attributes=attributes))  # fmt: skip
    return found


def test_journey_is_shown_with_its_nineteen_steps(client: FlaskClient, store: MemoryStore) -> None:
    """The shape that the command line and the console read."""
    put(store, logs(*journey_logs(SPAN)), spans(ASpan()))
    (journey,) = json_of(client.get(f"{TRACE_PATH}/journeys"))["journeys"]
    numbers = [step["n"] for step in journey.pop("steps")]
    expected = {
        "journeyId": SPAN, "complete": True, "outcome": "ok", "at": None, "entity": "orders",
        "time": "2026-11-23T11:52:58.001000000Z", "durationMs": 1.25, "status": 200, "earlierAttempts": [],
        "missing": [], "duplicated": [], "unfinished": [], "clockSkew": [],
    }  # fmt: skip
    assert (list(range(1, 20)), expected) == (numbers, journey)


def test_step_of_a_journey_has_what_was_logged(client: FlaskClient, store: MemoryStore) -> None:
    """Absent values are left out."""
    put(store, logs(*journey_logs(SPAN)))
    (journey,) = json_of(client.get(f"{TRACE_PATH}/journeys"))["journeys"]
    expected = {
        "n": 10, "step": "service2.request.received", "event": "carousel.request.received", "app": "service2",
        "node": "service2-1", "time": "2026-11-23T11:52:58.010000000Z", "offsetMs": 9.0, "attempt": 1,
        "parentAttempt": 1, "severity": "INFO", "message": "request received", "uid": f"{SPAN}{10:016x}",
        "spanId": SPAN, "peer": "x", "status": 200, "durationMs": 1.25,
    }  # fmt: skip
    assert expected == journey["steps"][9]


def test_hole_and_open_span_are_shown_with_their_node(client: FlaskClient, store: MemoryStore) -> None:
    """What is missing, who should have logged it; which span never came."""
    put(store, logs(*(log for log in journey_logs(SPAN) if log.event != "carousel.work.done" or "2" in log.message)))
    (journey,) = json_of(client.get(f"{TRACE_PATH}/journeys"))["journeys"]
    missing = [
        {"n": 5, "step": "service1.work.part1.done", "app": "service1", "node": "service1-1", "attempt": 1},
        {"n": 11, "step": "service2.work.done", "app": "service2", "node": "service2-1", "attempt": 1},
    ]
    unfinished = [{"spanId": SPAN, "app": "gateway", "node": "gateway-1", "lastStep": "gateway.client.response.sent"}]
    assert (False, missing, unfinished) == (journey["complete"], journey["missing"], journey["unfinished"])


def test_more_logs_than_a_page_are_all_read_for_a_journey(client: FlaskClient, store: MemoryStore) -> None:
    """A trace may have many foreign logs between its steps."""
    noise = [ALog("noise", f"{n:032x}", NOW - SECOND + n * 10_000, trace=TRACE) for n in range(1900)]
    put(store, logs(*noise), logs(*journey_logs(SPAN)))
    (journey,) = json_of(client.get(f"{TRACE_PATH}/journeys"))["journeys"]
    assert journey["complete"]


def test_nodes_metrics_and_stats_are_shown(client: FlaskClient, store: MemoryStore) -> None:
    """What sent how much, the newest point of each series, the totals."""
    put(store, logs(ALog(uid="1"), ALog(uid="1")), spans(ASpan()), gauge("g", (NOW, 1.5), ring="x"))
    seen = "2026-11-23T11:52:59.000000000Z"
    node = {"node": "gateway-1", "app": "gateway", "firstSeen": seen, "lastSeen": seen, "logs": 1, "spans": 1,
            "metricPoints": 1}  # fmt: skip
    metric = {"name": "g", "type": "gauge", "unit": "1", "app": "gateway", "node": "gateway-1",
              "attributes": {"ring": "x"}, "time": seen, "value": 1.5}  # fmt: skip
    stats = {"logs": 1, "spans": 1, "metricPoints": 1, "metricPointsHeld": 1, "duplicates": 1, "rejected": 0}
    stats |= {"store": "memory", "search": None}
    assert {"nodes": [node]} == client.get("/api/v1/nodes").json
    assert {"metrics": [metric]} == client.get("/api/v1/metrics?name=g&node=gateway-1").json
    assert {"metrics": []} == client.get("/api/v1/metrics?name=other").json
    assert stats == client.get("/api/v1/stats").json


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/v1/logs?severity=LOUD", 400, "severity='LOUD': expected one of"),
        ("/api/v1/logs?nod=x", 400, "nod='x': expected one of the parameters trace_id"),
        ("/api/v1/logs?cursor=x", 400, "cursor='x': expected a cursor"),
        ("/api/v1/metrics?q=x", 400, "q='x': expected one of the parameters name, app, node"),
        ("/api/v1/nodes?x=1", 400, "x='1': expected no parameters here"),
        ("/api/v1/stats?x", 400, "x='': expected no parameters here"),
        ("/api/v1/traces/xyz", 400, "trace_id='xyz': expected 32 hex digits"),
        ("/api/v1/traces/xyz/journeys", 400, "trace_id='xyz': expected 32 hex digits"),
        (f"/api/v1/traces/{TRACE}", 404, f"Nothing of trace {TRACE} is here"),
        (f"/api/v1/traces/{TRACE}/journeys", 404, f"Nothing of trace {TRACE} is here"),
        ("/api/v1/unheard-of", 404, ""),
        ("/", 404, ""),
    ],
)
def test_errors_are_problems_that_say_what_is_expected(
    client: FlaskClient, path: str, status: int, detail: str
) -> None:
    """RFC 9457, with the parameter, its value and the expected form."""
    answer = client.get(path)
    assert (status, PROBLEM, status) == (answer.status_code, answer.content_type, json_of(answer)["status"])
    assert detail in json_of(answer)["detail"]


@pytest.mark.parametrize("path", ["logs", "nodes", "metrics", "stats", f"traces/{TRACE}", f"traces/{TRACE}/journeys"])
def test_store_that_cannot_is_503(client: FlaskClient, store: MemoryStore, path: str) -> None:
    """With Retry-After."""
    store.close()
    answer = client.get(f"/api/v1/{path}")
    assert (503, PROBLEM, "2") == (answer.status_code, answer.content_type, answer.headers["Retry-After"])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_search_takes_get_only(client: FlaskClient, method: str) -> None:
    """Storage is written to by OTLP alone."""
    answer = client.open("/api/v1/logs", method=method)
    assert (405, PROBLEM) == (answer.status_code, answer.content_type)
    assert "GET" in answer.headers["Allow"]


def test_ready_as_long_as_the_store_is(client: FlaskClient, store: MemoryStore) -> None:
    """With the reason when it is not."""
    assert (200, "storage-1") == ((ready := client.get("/readyz")).status_code, json_of(ready)["node"])
    store.close()
    assert (503, ["the store is closed"]) == ((ready := client.get("/readyz")).status_code, json_of(ready)["reasons"])
    assert 200 == client.get("/healthz").status_code


def test_search_is_traced(client: FlaskClient, telemetry: Telemetry) -> None:
    """Unlike ingest, health and metrics."""
    for path in ("/healthz", "/readyz", "/metrics", "/api/v1/stats"):
        client.get(path)
    assert 1 == len(telemetry.spans)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["trace_id", "app", "node", "severity", "state", "step", "from", "to", "q", "limit", "cursor",
                     "order", "name", "zzz"]),
    st.text(max_size=60),
    st.sampled_from(["/api/v1/logs", "/api/v1/metrics", "/api/v1/nodes"]),
)  # fmt: skip
def test_no_query_string_is_answered_with_5xx(client: FlaskClient, name: str, value: str, path: str) -> None:
    """Hostile input is a 400 or an answer."""
    answer = client.get(path, query_string={name: value.encode("utf-8", "surrogatepass")})
    assert answer.status_code in (200, 400)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_no_trace_id_is_answered_with_5xx(client: FlaskClient, text: str) -> None:
    """Nor anything else in the path."""
    answer = client.get("/api/v1/traces/" + text.replace("?", "").replace("#", ""))
    assert answer.status_code in (200, 308, 400, 404)
