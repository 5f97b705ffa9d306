"""What becomes of OTLP requests: identity, time, words, what is left out."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, Metric

from apps.storage.decode import decode_logs, decode_metrics, decode_traces
from apps.storage.errors import BadData
from apps.storage.views import metric_view
from tests.unit.storage.builders import (
    NOW,
    SECOND,
    TRACE,
    ALog,
    ASpan,
    gauge_request,
    logs,
    logs_request,
    pairs,
    resource,
    spans_request,
)


def test_log_keeps_its_bytes_and_its_origin() -> None:
    """Nothing that was sent is lost."""
    log = ALog("hello", "ab", app="service2", node="service2-1", trace=TRACE, severity=17, event="e")
    request = logs_request(log)
    kept = logs(log).logs[0]
    assert request.resource_logs[0].scope_logs[0].log_records[0] == LogRecord.FromString(kept.raw)
    assert ("service2", "service2-1", 17, bytes.fromhex(TRACE)) == (
        kept.origin.app, kept.origin.node, kept.severity, kept.trace_id,
    )  # fmt: skip


def test_unknown_fields_of_protobuf_are_kept() -> None:
    """A newer sender's fields survive storage."""
    request = logs_request(ALog())
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    record.MergeFromString(b"\xfa\x7f\x03new")
    assert b"new" in decode_logs(request.SerializeToString(), False, NOW).batch.logs[0].raw


def test_origin_is_one_object_for_equal_resources() -> None:
    """It is interned, and stored once."""
    first, second, other = logs(ALog(uid="1"), ALog(uid="2"), ALog(node="gateway-2")).logs
    assert first.origin is second.origin
    assert first.origin.digest != other.origin.digest


@pytest.mark.parametrize("uid", ["5" * 32, "A" * 32, "a-uid", "ё" * 32])
def test_uid_alone_is_the_identity(uid: str) -> None:
    """Semantic conventions: records with the same `log.record.uid` are the same."""
    one, two = logs(ALog("one", uid), ALog("two", uid, node="gateway-9")).logs
    assert one.identity == two.identity
    assert 16 == len(one.identity)


@pytest.mark.parametrize(
    "other", [{"message": "b"}, {"time": NOW + 1}, {"node": "gateway-2"}, {"attributes": {"k": 1}}, {"uid": "x"}]
)
def test_without_uid_the_whole_record_is_the_identity(other: dict[str, object]) -> None:
    """Anything different makes it another record."""
    log = ALog("a")
    assert logs(log).logs[0].identity == logs(log).logs[0].identity
    assert logs(log).logs[0].identity != logs(replace(log, **other)).logs[0].identity  # type: ignore[arg-type]


@pytest.mark.parametrize("trace", ["", "0" * 32, "abcd"])
def test_log_with_unusable_trace_id_belongs_to_no_trace(trace: str) -> None:
    """logs.proto: then the record is not associated with a trace; it is kept."""
    assert [b""] == [log.trace_id for log in logs(ALog(trace=trace)).logs]


@pytest.mark.parametrize(
    ("own", "observed", "expected"),
    [
        (NOW - 5, 0, NOW - 5),
        (0, NOW - 9, NOW - 9),
        (0, 0, NOW),
        (NOW + 599 * SECOND, 0, NOW + 599 * SECOND),
        (NOW + 601 * SECOND, NOW - 9, NOW - 9),
        (2**64 - 1, 2**64 - 1, NOW),
        (1, NOW, 1),
    ],
)
def test_time_is_believed_up_to_ten_minutes_ahead(own: int, observed: int, expected: int) -> None:
    """What cannot be sorts by the observed time, then by arrival."""
    assert [expected] == [log.time for log in logs(ALog(time=own, observed=observed)).logs]


@pytest.mark.parametrize(("number", "expected"), [(0, 0), (1, 1), (24, 24), (25, 0), (99, 0), (-1, 0)])
def test_severity_outside_its_range_is_unspecified(number: int, expected: int) -> None:
    """SeverityNumber goes from 1 to 24."""
    assert [expected] == [log.severity for log in logs(ALog(severity=number)).logs]


def test_words_are_those_of_body_event_and_text_attributes() -> None:
    """Deep ones too; not those of ids that nobody types, nor keys."""
    log = ALog({"k": ["Body"]}, "uidword", event="An.Event", attributes={"a": "Value", "b": {"c": ["deep"]}, "n": 5})
    found = logs(replace(log, attributes={**log.attributes, "carousel.boot.id": "bootword"})).logs[0].words
    assert {"body", "an", "event", "value", "deep"} == found


def test_json_and_protobuf_of_a_request_are_one_batch() -> None:
    """Down to the identity of a record without uid."""
    by_protobuf = logs(ALog("x", trace=TRACE), arrival=NOW)
    body = b"""{"resourceLogs":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"gateway"}},
        {"key":"service.instance.id","value":{"stringValue":"gateway-1"}}]},
        "scopeLogs":[{"scope":{"name":"tests"},"logRecords":[{"timeUnixNano":"%d","severityNumber":9,
        "body":{"stringValue":"x"},"traceId":"%s"}]}]}]}""" % (NOW, TRACE.upper().encode())
    assert by_protobuf == decode_logs(body, True, NOW).batch


@pytest.mark.parametrize(
    ("trace", "span", "reason"),
    [
        ("0" * 32, "b7ad6b7169203331", "the trace id is not 16 bytes that are not all zero"),
        ("", "b7ad6b7169203331", "the trace id is not 16 bytes that are not all zero"),
        (TRACE + "00", "b7ad6b7169203331", "the trace id is not 16 bytes that are not all zero"),
        (TRACE, "0" * 16, "the span id is not 8 bytes that are not all zero"),
        (TRACE, "abcd", "the span id is not 8 bytes that are not all zero"),
    ],
)
def test_span_without_usable_ids_is_left_out_with_a_reason(trace: str, span: str, reason: str) -> None:
    """The others of its request are kept."""
    request = spans_request(ASpan(trace=trace, span=span), ASpan())
    decoded = decode_traces(request.SerializeToString(), False, NOW)
    assert (1, 1, {reason: 1}) == (len(decoded.batch.spans), decoded.batch.rejected, decoded.reasons)


def test_series_is_the_same_whatever_the_order_of_its_attributes() -> None:
    """common.proto: the order of attributes means nothing."""
    request = gauge_request("g", (NOW, 1.0), a="1", b="2")
    point = request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points.add(time_unix_nano=NOW + 1)
    point.attributes.extend(pairs({"b": "2", "a": "1"}))
    found = decode_metrics(request.SerializeToString(), False, NOW).batch.points
    assert 1 == len({point.series.digest for point in found})


def test_point_of_a_metric_without_name_is_left_out() -> None:
    """Nobody could ask for it."""
    decoded = decode_metrics(gauge_request("", (NOW, 1.0), (NOW + 1, 2.0)).SerializeToString(), False, NOW)
    assert (0, 2, {"the metric has no name": 2}) == (
        len(decoded.batch.points), decoded.batch.rejected, decoded.reasons,
    )  # fmt: skip


def metrics_of_every_kind() -> ExportMetricsServiceRequest:
    """Return a request with one point of each kind of metric."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add(resource=resource("gateway", "gateway-1"))
    scope = group.scope_metrics.add()
    labels = pairs({"http.route": "/api/<entity>"})
    gauge = scope.metrics.add(name="a.gauge", unit="1").gauge.data_points.add(as_int=-3)
    total = scope.metrics.add(name="b.sum", unit="{request}")
    total.sum.is_monotonic = True
    total.sum.aggregation_temporality = 2  # type: ignore[assignment]
    counted = total.sum.data_points.add(as_int=2**62)
    histogram = scope.metrics.add(name="c.histogram", unit="s")
    histogram.histogram.aggregation_temporality = 2  # type: ignore[assignment]
    held = histogram.histogram.data_points.add(count=3, sum=0.6, explicit_bounds=[0.1, 1.0], bucket_counts=[1, 2, 0])
    held.exemplars.add(time_unix_nano=NOW, as_double=0.5, trace_id=bytes.fromhex(TRACE))
    exponential = scope.metrics.add(name="d.exponential").exponential_histogram.data_points.add(
        count=4, sum=9.0, scale=2, zero_count=1, min=0.0, max=5.0
    )
    exponential.positive.offset = 3
    exponential.positive.bucket_counts.extend([1, 2])
    summary = scope.metrics.add(name="e.summary").summary.data_points.add(count=2, sum=3.0)
    summary.quantile_values.add(quantile=0.5, value=1.5)
    for point in (gauge, counted, held, exponential, summary):
        point.time_unix_nano = NOW
        point.attributes.extend(labels)
    return request


def test_points_of_every_kind_are_kept_and_shown() -> None:
    """Gauge, sum, histogram, exponential histogram and summary; exemplars stay in the bytes."""
    decoded = decode_metrics(metrics_of_every_kind().SerializeToString(), False, NOW)
    common = {
        "app": "gateway", "node": "gateway-1", "attributes": {"http.route": "/api/<entity>"},
        "time": "2026-11-23T11:52:59.000000000Z",
    }  # fmt: skip
    expected = [
        {"name": "a.gauge", "type": "gauge", "unit": "1", "value": -3},
        {"name": "b.sum", "type": "sum", "unit": "{request}", "monotonic": True, "temporality": "cumulative",
         "value": 2**62},
        {"name": "c.histogram", "type": "histogram", "unit": "s", "temporality": "cumulative", "count": 3, "sum": 0.6,
         "bounds": [0.1, 1.0], "buckets": [1, 2, 0]},
        {"name": "d.exponential", "type": "exponentialHistogram", "unit": "", "count": 4, "sum": 9.0, "scale": 2,
         "zeroCount": 1, "positive": {"offset": 3, "buckets": [1, 2]}, "negative": {"offset": 0, "buckets": []},
         "min": 0.0, "max": 5.0},
        {"name": "e.summary", "type": "summary", "unit": "", "count": 2, "sum": 3.0, "quantiles": {"0.5": 1.5}},
    ]  # fmt: skip
    assert [shown | common for shown in expected] == [metric_view(point) for point in decoded.batch.points]
    assert bytes.fromhex(TRACE) in decoded.batch.points[2].raw


def test_point_and_head_together_are_the_metric_that_was_sent() -> None:
    """An exponential histogram is lossless."""
    sent = metrics_of_every_kind().resource_metrics[0].scope_metrics[0].metrics[3]
    point = decode_metrics(metrics_of_every_kind().SerializeToString(), False, NOW).batch.points[3]
    rebuilt = Metric.FromString(point.series.head)
    rebuilt.exponential_histogram.data_points.append(ExponentialHistogramDataPoint.FromString(point.raw))
    assert sent == rebuilt


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x05ab", b"\x0a\x80", b"{}"])
def test_broken_protobuf_is_bad_data(body: bytes) -> None:
    """And names what was expected."""
    with pytest.raises(BadData, match="not a protobuf ExportLogsServiceRequest"):
        decode_logs(body, False, NOW)


@settings(max_examples=200)
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_break_a_decoder(body: bytes, is_json: bool) -> None:
    """Whatever comes is a batch or BadData."""
    for decode in (decode_logs, decode_traces, decode_metrics):
        try:
            decoded = decode(body, is_json, NOW)
        except BadData:
            continue
        assert len(decoded.batch) >= 0
