"""What the search API shows of what is stored: logs and metrics as JSON, spans as OTLP JSON, steps for the journey.

Knows protobuf, nothing of HTTP.
"""

import base64
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from apps.storage import otlp_json
from apps.storage.journey import Attempt, Journey, Place, Taken
from apps.storage.model import (
    AttributeValue,
    JourneyRecord,
    Log,
    Node,
    Origin,
    Point,
    Span,
    Stats,
    searchable_severity,
)
from apps.telemetry import names
from apps.telemetry.record import rfc3339, severity_name, view

_POINTS: dict[str, Any] = {
    "gauge": NumberDataPoint,
    "sum": NumberDataPoint,
    "histogram": HistogramDataPoint,
    "exponential_histogram": ExponentialHistogramDataPoint,
    "summary": SummaryDataPoint,
}
_TYPES = {"exponential_histogram": "exponentialHistogram"}
_TEMPORALITY = {1: "delta", 2: "cumulative"}


def plain(value: AnyValue) -> AttributeValue:
    """Return *value* as JSON can hold it: bytes as base64, NaN and infinities by name, an empty value as None."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return plain_map(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode("ascii")
    if kind == "double_value":
        return otlp_json.json_number(value.double_value)
    held: AttributeValue = getattr(value, kind)
    return held


def plain_map(pairs: Iterable[KeyValue]) -> dict[str, AttributeValue]:
    """Return attributes as a dict; of a key given twice, the last one."""
    return {pair.key: plain(pair.value) for pair in pairs}


@lru_cache(maxsize=1024)
def _resource_attributes(resource: bytes) -> dict[str, AttributeValue]:
    return plain_map(Resource.FromString(resource).attributes)


def log_view(log: Log) -> dict[str, Any]:
    """Return a log in the shape that stdout, answers and exports share (`apps.telemetry.record`)."""
    record = LogRecord.FromString(log.raw)
    return view(
        time_unix_nano=record.time_unix_nano or record.observed_time_unix_nano or log.key,
        severity_number=searchable_severity(record.severity_number),
        body=plain(record.body),
        event=record.event_name,
        trace_id=record.trace_id.hex() if len(record.trace_id) == 16 and any(record.trace_id) else "",
        span_id=record.span_id.hex() if len(record.span_id) == 8 and any(record.span_id) else "",
        attributes=plain_map(record.attributes),
        resource=_resource_attributes(log.origin.resource),
    )


def journey_record(log: Log) -> JourneyRecord:
    """Return what the journey reads of a log."""
    record = LogRecord.FromString(log.raw)
    return JourneyRecord(
        key=log.key,
        time=record.time_unix_nano or record.observed_time_unix_nano or log.key,
        node=log.origin.node,
        app=log.origin.app,
        severity=searchable_severity(record.severity_number),
        event=record.event_name,
        message=record.body.string_value,
        span_id=record.span_id.hex() if any(record.span_id) else "",
        attributes=plain_map(record.attributes),
    )


def span_ids(spans: Iterable[Span]) -> frozenset[str]:
    """Return the ids of *spans*, 16 hex digits each."""
    return frozenset(span.span_id.hex() for span in spans)


def journey_view(journey: Journey) -> dict[str, Any]:
    """Return a journey as JSON; in its steps what is absent is left out."""
    return {
        "journeyId": journey.journey_id,
        "complete": journey.is_complete,
        "outcome": journey.outcome,
        "at": journey.at,
        "entity": journey.entity,
        "time": rfc3339(journey.start),
        "durationMs": journey.duration_ms,
        "status": journey.status,
        "steps": [_step_view(taken, journey.start) for taken in journey.steps],
        "earlierAttempts": [_attempt_view(attempt, journey.start) for attempt in journey.earlier_attempts],
        "missing": [_place_view(place) for place in journey.missing],
        "duplicated": [_place_view(place) for place in journey.duplicated],
        "unfinished": [
            {"spanId": span.span_id, "app": span.app, "node": span.node, "lastStep": span.last_step}
            for span in journey.unfinished
        ],
        "clockSkew": [
            {"n": skew.step.n, "step": skew.step.name, "offsetMs": -skew.behind_ns / 1e6} for skew in journey.clock_skew
        ],
    }


def _step_view(taken: Taken, start: int) -> dict[str, Any]:
    record = taken.record
    shown = {
        "n": taken.n,
        "step": taken.step.name,
        "event": record.event or taken.step.event,
        "app": record.app,
        "node": record.node,
        "time": rfc3339(record.time),
        "offsetMs": (record.time - start) / 1e6,
        "attempt": taken.attempt,
        "parentAttempt": taken.parent_attempt,
        "severity": severity_name(record.severity),
        "message": record.message,
        "uid": record.text(names.UID),
        "spanId": record.span_id,
        "peer": record.text(names.PEER),
        "status": record.number(names.STATUS),
        "durationMs": record.number(names.DURATION_MS),
        "bug": record.text(names.BUG),
        "errorType": record.text(names.ERROR_TYPE),
    }
    return {key: value for key, value in shown.items() if value not in (None, "")}


def _attempt_view(attempt: Attempt, start: int) -> dict[str, Any]:
    return {
        "leg": attempt.leg.name.lower(),
        "attempt": attempt.attempt,
        "parentAttempt": attempt.parent_attempt,
        "steps": [_step_view(taken, start) for taken in attempt.steps],
    }


def _place_view(place: Place) -> dict[str, Any]:
    return {
        "n": place.step.n,
        "step": place.step.name,
        "app": place.step.app,
        "node": place.node,
        "attempt": place.attempt,
    }


def trace_view(spans: Iterable[Span]) -> dict[str, Any]:
    """Return *spans* as OTLP JSON (TracesData), grouped by resource and scope, in the order they come."""
    groups: dict[tuple[bytes, str], dict[Origin, list[Span]]] = {}
    for span in spans:
        origin = span.origin
        groups.setdefault((origin.resource, origin.resource_schema_url), {}).setdefault(origin, []).append(span)
    return {
        "resourceSpans": [
            {
                "resource": otlp_json.write(Resource.FromString(resource)),
                "scopeSpans": [_scope_spans(origin, found) for origin, found in scopes.items()],
                **({"schemaUrl": schema_url} if schema_url else {}),
            }
            for (resource, schema_url), scopes in groups.items()
        ]
    }


def _scope_spans(origin: Origin, spans: Iterable[Span]) -> dict[str, Any]:
    return {
        "scope": otlp_json.write(InstrumentationScope.FromString(origin.scope)),
        "spans": [otlp_json.write(OtlpSpan.FromString(span.raw)) for span in spans],
        **({"schemaUrl": origin.scope_schema_url} if origin.scope_schema_url else {}),
    }


def metric_view(point: Point) -> dict[str, Any]:
    """Return the newest point of a series with what describes the series."""
    head = Metric.FromString(point.series.head)
    kind = head.WhichOneof("data") or "gauge"
    data = getattr(head, kind)
    decoded: Any = _POINTS[kind].FromString(point.raw)
    shown: dict[str, Any] = {
        "name": point.series.name,
        "type": _TYPES.get(kind, kind),
        "unit": head.unit,
        "app": point.series.origin.app,
        "node": point.series.origin.node,
        "attributes": plain_map(decoded.attributes),
        "time": rfc3339(decoded.time_unix_nano or point.time),
    }
    if kind == "sum":
        shown["monotonic"] = data.is_monotonic
    if temporality := _TEMPORALITY.get(getattr(data, "aggregation_temporality", 0)):
        shown["temporality"] = temporality
    return shown | _value(kind, decoded)


def _value(kind: str, point: Any) -> dict[str, Any]:
    if kind in ("gauge", "sum"):
        held = point.WhichOneof("value")
        # No value at all is how a series says that it ended (metrics.proto, "no recorded value").
        return {"value": otlp_json.json_number(getattr(point, held)) if held else None}
    shown: dict[str, Any] = {"count": point.count, "sum": otlp_json.json_number(point.sum)}
    if kind == "histogram":
        shown |= {
            "bounds": [otlp_json.json_number(bound) for bound in point.explicit_bounds],
            "buckets": list(point.bucket_counts),
        }
    elif kind == "exponential_histogram":
        shown |= {
            "scale": point.scale,
            "zeroCount": point.zero_count,
            "positive": {"offset": point.positive.offset, "buckets": list(point.positive.bucket_counts)},
            "negative": {"offset": point.negative.offset, "buckets": list(point.negative.bucket_counts)},
        }
    else:
        quantiles = {str(value.quantile): otlp_json.json_number(value.value) for value in point.quantile_values}
        shown["quantiles"] = quantiles
    for name in ("min", "max"):
        if kind != "summary" and point.HasField(name):
            shown[name] = otlp_json.json_number(getattr(point, name))
    return shown


def node_view(node: Node) -> dict[str, Any]:
    """Return a node and what was kept of it."""
    return {
        "node": node.node,
        "app": node.app,
        "firstSeen": rfc3339(node.first_seen),
        "lastSeen": rfc3339(node.last_seen),
        "logs": node.logs,
        "spans": node.spans,
        "metricPoints": node.points,
    }


def stats_view(stats: Stats) -> dict[str, int]:
    """Return the totals of a store."""
    return {
        "logs": stats.logs,
        "spans": stats.spans,
        "metricPoints": stats.points,
        "metricPointsHeld": stats.points_held,
        "duplicates": stats.duplicates,
        "rejected": stats.rejected,
    }
