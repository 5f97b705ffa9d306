"""Makes OTLP records for tests, and the batches that the decoder makes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from werkzeug.test import TestResponse

from apps.storage.decode import decode_logs, decode_metrics, decode_traces
from apps.storage.model import Batch

SECOND = 1_000_000_000
NOW = 1_795_434_779 * SECOND
"""2026-11-23T11:52:59Z."""
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@dataclass(frozen=True)
class ALog:
    """A log record to be sent. *uid* None leaves `log.record.uid` out."""

    message: Any = "something happened"
    uid: str | None = None
    time: int = NOW
    observed: int = 0
    app: str = "gateway"
    node: str = "gateway-1"
    severity: int = 9
    trace: str = ""
    span: str = ""
    event: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ASpan:
    """A span to be sent."""

    name: str = "POST"
    trace: str = TRACE
    span: str = SPAN
    start: int = NOW
    app: str = "gateway"
    node: str = "gateway-1"


def any_value(value: Any) -> AnyValue:
    """Return a Python value as OTLP's AnyValue."""
    held = AnyValue()
    if isinstance(value, bool):
        held.bool_value = value
    elif isinstance(value, int):
        held.int_value = value
    elif isinstance(value, float):
        held.double_value = value
    elif isinstance(value, bytes):
        held.bytes_value = value
    elif isinstance(value, str):
        held.string_value = value
    elif isinstance(value, Mapping):
        held.kvlist_value.SetInParent()
        held.kvlist_value.values.extend(pairs(value))
    elif isinstance(value, Sequence):
        held.array_value.SetInParent()
        held.array_value.values.extend(any_value(item) for item in value)
    return held


def pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Return attributes as OTLP's key-value pairs."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def resource(app: str, node: str) -> Resource:
    """Return the resource of a node."""
    return Resource(attributes=pairs({"service.name": app, "service.instance.id": node}))


def logs_request(*logs: ALog) -> ExportLogsServiceRequest:
    """Return the request that sends *logs*, each under a resource of its own."""
    request = ExportLogsServiceRequest()
    for log in logs:
        group = request.resource_logs.add(resource=resource(log.app, log.node))
        attributes = dict(log.attributes) | ({"log.record.uid": log.uid} if log.uid else {})
        record = LogRecord(
            time_unix_nano=log.time,
            observed_time_unix_nano=log.observed,
            severity_number=log.severity,  # type: ignore[arg-type]
            body=any_value(log.message),
            event_name=log.event,
            trace_id=bytes.fromhex(log.trace),
            span_id=bytes.fromhex(log.span),
            attributes=pairs(attributes),
        )
        scope = group.scope_logs.add()
        scope.scope.name = "tests"
        scope.log_records.append(record)
    return request


def logs(*found: ALog, arrival: int = NOW) -> Batch:
    """Return the batch of a request with these logs."""
    return decode_logs(logs_request(*found).SerializeToString(), False, arrival).batch


def spans_request(*spans: ASpan) -> ExportTraceServiceRequest:
    """Return the request that sends *spans*."""
    request = ExportTraceServiceRequest()
    for span in spans:
        group = request.resource_spans.add(resource=resource(span.app, span.node))
        scope = group.scope_spans.add()
        scope.scope.name = "tests"
        scope.spans.add(
            name=span.name,
            trace_id=bytes.fromhex(span.trace),
            span_id=bytes.fromhex(span.span),
            start_time_unix_nano=span.start,
            end_time_unix_nano=min(span.start + SECOND, 2**64 - 1),
            kind=2,
        )
    return request


def spans(*found: ASpan, arrival: int = NOW) -> Batch:
    """Return the batch of a request with these spans."""
    return decode_traces(spans_request(*found).SerializeToString(), False, arrival).batch


def gauge_request(
    name: str, *points: tuple[int, float], app: str = "gateway", node: str = "gateway-1", **attributes: str
) -> ExportMetricsServiceRequest:
    """Return the request that sends a gauge's points, each a time and a value."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add(resource=resource(app, node))
    metric = group.scope_metrics.add().metrics.add(name=name, unit="1")
    metric.gauge.SetInParent()
    for time, value in points:
        metric.gauge.data_points.add(time_unix_nano=time, as_double=value, attributes=pairs(attributes))
    return request


def gauge(name: str, *points: tuple[int, float], arrival: int = NOW, **attributes: str) -> Batch:
    """Return the batch of a request with a gauge's points."""
    return decode_metrics(gauge_request(name, *points, **attributes).SerializeToString(), False, arrival).batch


def json_of(answer: TestResponse) -> Any:
    """Return what an answer's JSON says."""
    return answer.json
