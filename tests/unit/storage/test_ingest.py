"""The OTLP/HTTP receiver, status by status (OTLP specification 1.11)."""

import gzip
import json
import zlib
from typing import Any

import pytest
from flask.testing import FlaskClient
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from apps.storage.backends.memory import MemoryStore
from apps.storage.errors import StoreBusy, StoreUnavailable
from apps.storage.query import LogQuery, MetricQuery
from apps.telemetry.setup import Telemetry
from tests.unit.storage.builders import (
    NOW,
    TRACE,
    ALog,
    ASpan,
    gauge_request,
    json_of,
    logs_request,
    spans_request,
)

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
LOG = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"}}]}]}]}'
ZERO_SPAN = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"%s","spanId":"b7ad6b7169203331"}]}]}]}' % (
    b"0" * 32
)
PACKED = logs_request(ALog()).SerializeToString()
SIGNALS = ("logs", "traces", "metrics")

STATUS_TABLE: list[tuple[str, int, str, bytes, dict[str, str]]] = [
    ("protobuf", 200, "logs", PACKED, {"Content-Type": PROTOBUF}),
    ("JSON", 200, "logs", LOG, {"Content-Type": JSON}),
    ("JSON with charset", 200, "logs", LOG, {"Content-Type": "Application/JSON; charset=UTF-8"}),
    ("gzip", 200, "logs", gzip.compress(PACKED), {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}),
    ("deflate", 200, "logs", zlib.compress(LOG), {"Content-Type": JSON, "Content-Encoding": "deflate"}),
    ("identity", 200, "logs", LOG, {"Content-Type": JSON, "Content-Encoding": "identity"}),
    ("empty protobuf request", 200, "traces", b"", {"Content-Type": PROTOBUF}),
    ("empty JSON request", 200, "metrics", b"{}", {"Content-Type": JSON}),
    ("empty envelopes", 200, "logs", b'{"resourceLogs":[{"scopeLogs":[{}]},{}]}', {"Content-Type": JSON}),
    ("unknown fields", 200, "logs", b'{"resource_logs":5,"x":{}}', {"Content-Type": JSON}),
    ("zero trace id", 200, "traces", ZERO_SPAN, {"Content-Type": JSON}),
    ("no JSON", 400, "logs", b"{", {"Content-Type": JSON}),
    ("JSON of another shape", 400, "logs", b'{"resourceLogs":{}}', {"Content-Type": JSON}),
    ("enum by name", 400, "logs", LOG.replace(b'"body"', b'"severityNumber":"INFO","body"'), {"Content-Type": JSON}),
    ("no hex", 400, "traces", ZERO_SPAN.replace(b"0000", b"zzzz"), {"Content-Type": JSON}),
    ("no protobuf", 400, "logs", b"\xff\xff", {"Content-Type": PROTOBUF}),
    ("empty JSON body", 400, "logs", b"", {"Content-Type": JSON}),
    ("no gzip", 400, "logs", LOG, {"Content-Type": JSON, "Content-Encoding": "gzip"}),
    ("gzip cut short", 400, "logs", gzip.compress(LOG)[:-4], {"Content-Type": JSON, "Content-Encoding": "gzip"}),
    ("too large", 413, "logs", b" " * ((1 << 20) + 1), {"Content-Type": JSON}),
    ("too large inflated", 413, "logs", gzip.compress(b" " * ((1 << 20) + 1)),
     {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}),
    ("text", 415, "logs", LOG, {"Content-Type": "text/plain"}),
    ("form", 415, "logs", LOG, {"Content-Type": "application/x-www-form-urlencoded"}),
    ("no type", 415, "logs", LOG, {}),
    ("another charset", 415, "logs", LOG, {"Content-Type": "application/json; charset=latin-1"}),
    ("brotli", 415, "logs", LOG, {"Content-Type": PROTOBUF, "Content-Encoding": "br"}),
    ("gzip twice", 415, "logs", LOG, {"Content-Type": JSON, "Content-Encoding": "gzip, gzip"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "signal", "body", "headers"), [case[1:] for case in STATUS_TABLE], ids=[case[0] for case in STATUS_TABLE]
)
def test_status_and_type_of_the_answer(
    client: FlaskClient, status: int, signal: str, body: bytes, headers: dict[str, str]
) -> None:
    """Answers come in the request's type; every error is a google.rpc.Status with a message."""
    answer = client.post(f"/v1/{signal}", data=body, headers=headers)
    expected_type = PROTOBUF if headers.get("Content-Type") == PROTOBUF else JSON
    assert (status, expected_type) == (answer.status_code, answer.content_type)
    if status != 200:
        shape: Any = Status.FromString(answer.data) if expected_type == PROTOBUF else json_of(answer)
        message = shape.message if expected_type == PROTOBUF else shape["message"]
        assert message


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(("kind", "body", "expected"), [(PROTOBUF, b"", b""), (JSON, b"{}", b"{}")])
def test_full_success_is_an_empty_message(
    client: FlaskClient, signal: str, kind: str, body: bytes, expected: bytes
) -> None:
    """partial_success is unset: no bytes of protobuf, {} of JSON."""
    assert expected == client.post(f"/v1/{signal}", data=body, content_type=kind).data


def test_partial_success_tells_how_many_and_why_in_json(client: FlaskClient, store: MemoryStore) -> None:
    """200, so that nobody sends it again; it is counted."""
    answer = client.post("/v1/traces", data=ZERO_SPAN, content_type=JSON)
    reason = "1 rejected: the trace id is not 16 bytes that are not all zero"
    assert {"partialSuccess": {"rejectedSpans": "1", "errorMessage": reason}} == answer.json
    assert 1 == store.stats().rejected


def test_partial_success_keeps_the_others_in_protobuf(client: FlaskClient, store: MemoryStore) -> None:
    """One bad span spoils nothing."""
    body = spans_request(ASpan(trace="0" * 32), ASpan()).SerializeToString()
    answer = client.post("/v1/traces", data=body, content_type=PROTOBUF)
    assert 1 == ExportTraceServiceResponse.FromString(answer.data).partial_success.rejected_spans
    assert 1 == len(store.spans(bytes.fromhex(TRACE)))


@pytest.mark.parametrize(
    ("signal", "request_message"),
    [("logs", logs_request(ALog())), ("traces", spans_request(ASpan())), ("metrics", gauge_request("g", (NOW, 1.0)))],
)
def test_each_signal_is_stored_before_the_answer(
    client: FlaskClient, store: MemoryStore, signal: str, request_message: Message
) -> None:
    """When 200 comes, it can be found."""
    answer = client.post(f"/v1/{signal}", data=request_message.SerializeToString(), content_type=PROTOBUF)
    found = {
        "logs": len(store.logs(LogQuery())),
        "traces": len(store.spans(bytes.fromhex(TRACE))),
        "metrics": len(store.latest_points(MetricQuery())),
    }
    assert (200, {**dict.fromkeys(SIGNALS, 0), signal: 1}) == (answer.status_code, found)


def test_bad_data_names_the_field(client: FlaskClient) -> None:
    """google.rpc.BadRequest in the details, in both types."""
    answer = client.post("/v1/logs", data=b'{"resourceLogs":[5]}', content_type=JSON)
    violation = {"field": "resourceLogs[0]", "description": "expected an object, not a number"}
    expected = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    assert (3, expected) == (json_of(answer)["code"], json_of(answer)["details"])
    packed = Status.FromString(client.post("/v1/logs", data=b"\xff", content_type=PROTOBUF).data)
    detail = BadRequest()
    assert packed.details[0].Unpack(detail)
    assert detail.field_violations[0].description


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
@pytest.mark.parametrize(
    "error", [StoreBusy("queue full"), StoreUnavailable("disk full"), RuntimeError("a bug of ours")]
)
def test_store_that_cannot_is_503_with_retry_after(
    client: FlaskClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str
) -> None:
    """Never 500: clients drop what is answered with it. Readable by SDKs that wait at most 5 s."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(store, "write", fail)
    body = LOG if kind == JSON else PACKED
    answer = client.post("/v1/logs", data=body, content_type=kind)
    assert (503, kind) == (answer.status_code, answer.content_type)
    assert 1 <= int(answer.headers["Retry-After"]) <= 5


def test_bug_of_ours_is_logged_but_not_told(
    client: FlaskClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client learns nothing of our insides; the log has the cause."""
    monkeypatch.setattr(store, "write", None)
    answer = client.post("/v1/logs", data=LOG, content_type=JSON)
    assert "NoneType" not in answer.text
    assert ["ingest failed"] == [record.message for record in caplog.records]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
def test_other_methods_are_405(client: FlaskClient, method: str) -> None:
    """With Allow, as RFC 9110 §15.5.6 asks."""
    answer = client.open("/v1/logs", method=method)
    assert (405, "POST") == (answer.status_code, answer.headers["Allow"])


def test_other_paths_are_404_problems(client: FlaskClient) -> None:
    """/v1/profiles is not ours."""
    answer = client.post("/v1/profiles", data=b"{}", content_type=JSON)
    assert (404, "application/problem+json") == (answer.status_code, answer.content_type)


def test_ingest_is_counted_and_not_traced(client: FlaskClient, telemetry: Telemetry) -> None:
    """No feedback: taking telemetry makes none but a counter, which is there from the start."""
    body = logs_request(ALog(uid="01"), ALog(uid="01"), ALog(uid="02")).SerializeToString()
    client.post("/v1/logs", data=body, content_type=PROTOBUF)
    telemetry.meter_provider.force_flush()
    lines = client.get("/metrics").text.splitlines()
    counts = {line.rsplit(" ", 1)[0]: line.rsplit(" ", 1)[1] for line in lines if "carousel_storage_records" in line}
    shown = {key: value for key, value in counts.items() if 'signal="logs"' in key and "#" not in key}
    assert ["1.0", "0.0", "2.0"] == [shown[key] for key in sorted(shown)]
    assert 0 == len(telemetry.spans)


def test_critical_errors_are_counted_once_by_the_app_they_are_of(client: FlaskClient, telemetry: Telemetry) -> None:
    """FATAL only; a batch that is sent again counts once; an app that is not ours is one of the others."""
    found = (ALog(uid="01", severity=21), ALog(uid="02", severity=17), ALog(uid="03", severity=24, app="a stranger"))
    body = logs_request(*found).SerializeToString()
    for _ in range(2):
        client.post("/v1/logs", data=body, content_type=PROTOBUF)
    telemetry.meter_provider.force_flush()

    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("carousel_critical_errors")]

    assert [
        'carousel_critical_errors_total{carousel_service="console"} 0.0',
        'carousel_critical_errors_total{carousel_service="gateway"} 1.0',
        'carousel_critical_errors_total{carousel_service="other"} 1.0',
        'carousel_critical_errors_total{carousel_service="service1"} 0.0',
        'carousel_critical_errors_total{carousel_service="service2"} 0.0',
        'carousel_critical_errors_total{carousel_service="storage"} 0.0',
    ] == sorted(lines)


def test_foreign_host_is_misdirected(client: FlaskClient) -> None:
    """A page in a browser that rebinds its name to loopback gets nothing."""
    answer = client.post("/v1/logs", data=LOG, content_type=JSON, headers={"Host": "evil.example"})
    assert 421 == answer.status_code


def test_json_answers_parse(client: FlaskClient) -> None:
    """Even those of a HEAD-less, body-less request."""
    assert json.loads(client.get("/v1/traces").data)["message"]
