"""OTLP as JSON, trap by trap (specification, "JSON Protobuf Encoding")."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from apps.storage import otlp_json
from apps.storage.errors import BadData
from tests.unit.storage.builders import TRACE, any_value

ID = bytes.fromhex(TRACE)


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        (Span, {}, Span()),
        (Span, {"traceId": TRACE}, Span(trace_id=ID)),
        (Span, {"traceId": TRACE.upper()}, Span(trace_id=ID)),
        (Span, {"parentSpanId": "B7ad6b7169203331"}, Span(parent_span_id=bytes.fromhex("b7ad6b7169203331"))),
        (Span, {"traceId": ""}, Span()),
        (Span, {"traceId": "abcd"}, Span(trace_id=b"\xab\xcd")),
        (Span, {"trace_id": TRACE, "start_time_unix_nano": "1"}, Span()),
        (Span, {"traceid": TRACE, "unheardOf": {"deep": [1]}}, Span()),
        (Span, {"name": None, "events": None, "status": None}, Span()),
        (Span, {"kind": 2}, Span(kind=2)),  # type: ignore[arg-type]
        (Span, {"kind": 99}, Span(kind=99)),  # type: ignore[arg-type]
        (Span, {"kind": 2.0}, Span(kind=2)),  # type: ignore[arg-type]
        (Span, {"startTimeUnixNano": "18446744073709551615"}, Span(start_time_unix_nano=2**64 - 1)),
        (Span, {"startTimeUnixNano": 1544712660000000000}, Span(start_time_unix_nano=1544712660000000000)),
        (Span, {"status": {}}, Span(status=Status())),
        (Span, {"status": {"code": 2, "message": "x"}}, Span(status=Status(code=2, message="x"))),  # type: ignore[arg-type]
        (LogRecord, {"flags": 1, "eventName": "e"}, LogRecord(flags=1, event_name="e")),
        (LogRecord, {"body": {"stringValue": "ok\ud800"}}, LogRecord(body=any_value("ok\ufffd"))),
        (AnyValue, {"intValue": "-5"}, any_value(-5)),
        (AnyValue, {"intValue": -5}, any_value(-5)),
        (AnyValue, {"boolValue": False}, any_value(False)),
        (AnyValue, {"stringValue": ""}, any_value("")),
        (AnyValue, {"doubleValue": 1}, any_value(1.0)),
        (AnyValue, {"doubleValue": "-Infinity"}, any_value(-math.inf)),
        (AnyValue, {"bytesValue": "/+8="}, any_value(b"\xff\xef")),
        (AnyValue, {"bytesValue": "_-8"}, any_value(b"\xff\xef")),
        (AnyValue, {"arrayValue": {"values": [{"intValue": 1}, {}]}}, any_value([1, None])),
        (AnyValue, {"kvlistValue": {"values": [{"key": "k", "value": {}}]}}, any_value({"k": None})),
        (NumberDataPoint, {"asInt": "7"}, NumberDataPoint(as_int=7)),
        (NumberDataPoint, {"asDouble": 0.5}, NumberDataPoint(as_double=0.5)),
    ],
)
def test_json_is_read(kind: Any, content: Any, expected: Any) -> None:
    """Hex ids in either case, integer enums, 64 bits as string or number, unknown and snake_case keys ignored."""
    assert expected == otlp_json.read(kind, json.dumps(content).encode())


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        (Span, [], "expected an object, not a list"),
        (Span, {"traceId": TRACE[:-1]}, "traceId: .* is not hex digits in pairs"),
        (Span, {"traceId": "Cvdlkc0TXdhE6yEcgDGcMZ"}, "traceId"),
        (Span, {"traceId": 5}, "traceId: 5 is not hex"),
        (Span, {"kind": "SPAN_KIND_SERVER"}, r"kind: .* \(an enum is given by number"),
        (Span, {"kind": True}, "kind"),
        (Span, {"name": 5}, "name: 5 is not a string"),
        (Span, {"startTimeUnixNano": "-1"}, "startTimeUnixNano"),
        (Span, {"startTimeUnixNano": "1.5"}, "64-bit integer as a decimal string"),
        (Span, {"startTimeUnixNano": "18446744073709551616"}, "startTimeUnixNano"),
        (Span, {"startTimeUnixNano": 2**64}, "startTimeUnixNano"),
        (Span, {"startTimeUnixNano": "٥"}, "startTimeUnixNano"),
        (Span, {"droppedLinksCount": -1}, "droppedLinksCount"),
        (Span, {"events": {}}, r"events: expected a list, not an object"),
        (Span, {"events": [None]}, r"events\[0\]: expected an object"),
        (Span, {"events": [{}, {"name": []}]}, r"events\[1\].name"),
        (Span, {"status": "OK"}, "status: expected an object, not a string"),
        (AnyValue, {"intValue": 1, "stringValue": "x"}, "only one of"),
        (AnyValue, {"boolValue": "true"}, "boolValue: .* is not true or false"),
        (AnyValue, {"doubleValue": "nan"}, "doubleValue"),
        (AnyValue, {"doubleValue": True}, "doubleValue"),
        (AnyValue, {"doubleValue": 10**400}, "doubleValue"),
        (AnyValue, {"bytesValue": "*"}, "bytesValue: .* is not base64"),
    ],
)
def test_wrong_json_says_where_and_what(kind: Any, content: Any, message: str) -> None:
    """The path to the field, the value, and what was expected."""
    with pytest.raises(BadData, match=message):
        otlp_json.read(kind, json.dumps(content).encode())


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff{}", b'{"a":NaN}', b'{"a":' + b"[" * 100_000, b"9" * 5000, '{"name":"x"}'.encode("utf-16")],
    ids=["empty", "cut", "no utf-8", "NaN", "100,000 deep", "5,000 digits", "utf-16"],
)
def test_body_that_is_no_json_is_bad_data(body: bytes) -> None:
    """Nothing a client sends raises anything else."""
    with pytest.raises(BadData):
        otlp_json.read(Span, body)


def test_utf8_with_a_byte_order_mark_is_read() -> None:
    """RFC 8259 §8.1 allows a parser to ignore it."""
    assert "x" == otlp_json.read(Span, b'\xef\xbb\xbf{"name":"x"}').name


def nested(depth: int) -> bytes:
    """Return a log body with *depth* lists inside one another."""
    value: dict[str, Any] = {"stringValue": "deep"}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}
    return json.dumps({"body": value}).encode()


def test_nesting_is_read_up_to_the_limit_and_refused_beyond() -> None:
    """64 objects and lists inside one another."""
    assert otlp_json.read(LogRecord, nested(20)).HasField("body")
    with pytest.raises(BadData, match="deeper than 64"):
        otlp_json.read(LogRecord, nested(22))


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.binary() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(plain_values, st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1), st.integers(0, 24))
def test_what_is_written_is_read_back(value: Any, trace_id: bytes, time: int, severity: int) -> None:
    """JSON out and in again loses nothing."""
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(
            trace_id=trace_id,
            time_unix_nano=time,
            severity_number=severity,
            body=any_value(value),
        )
    )
    record.attributes.add(key="k", value=any_value(value))
    written = json.dumps(otlp_json.write(request), allow_nan=False).encode()
    assert request == otlp_json.read(ExportLogsServiceRequest, written)


def test_written_json_has_hex_ids_integer_enums_and_string_longs() -> None:
    """And leaves defaults out."""
    span = Span(trace_id=ID, kind=2, start_time_unix_nano=5, flags=256, status=Status(code=2))  # type: ignore[arg-type]
    expected = {"traceId": TRACE, "kind": 2, "startTimeUnixNano": "5", "flags": 256, "status": {"code": 2}}
    assert expected == otlp_json.write(span)


@pytest.mark.parametrize(
    ("value", "expected"), [(1.5, 1.5), (math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")]
)
def test_numbers_that_json_lacks_go_by_name(value: float, expected: object) -> None:
    """As the protobuf JSON mapping writes them."""
    assert expected == otlp_json.json_number(value)
