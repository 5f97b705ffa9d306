"""Makes the values of the model from OTLP export requests.

Knows protobuf, nothing of HTTP and nothing of databases. A record that cannot be used is left out and counted with a
reason (OTLP specification, "Partial Success"); a body that cannot be read at all raises `BadData`.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from apps.storage import otlp_json
from apps.storage.errors import BadData
from apps.storage.model import Batch, Log, NewLog, Origin, Point, Series, Span, believable_time, searchable_severity
from apps.storage.words import words_of
from apps.telemetry import names

NO_TRACE_ID: Final = bytes(16)
NO_SPAN_ID: Final = bytes(8)
_UNSEARCHED: Final = frozenset({names.UID, names.BOOT_ID})
"""Ids that nobody types: one more word in the index for each record, and none to find."""

M = TypeVar("M", bound=Message)
Decoder: TypeAlias = "Callable[[bytes, bool, int], Decoded]"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A *batch*, and why records were left out of it (reason to count)."""

    batch: Batch
    reasons: Counter[str]


def parse(kind: type[M], body: bytes, is_json: bool) -> M:
    """Return the message of *kind* in *body*.

    Raises:
        BadData: the body is not one.
    """
    if is_json:
        return otlp_json.read(kind, body)
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise BadData(f"the body is not a protobuf {kind.DESCRIPTOR.name}: {error}") from error


def decode_logs(body: bytes, is_json: bool, arrival: int) -> Decoded:
    """Return the log records of an ExportLogsServiceRequest that came at *arrival* (unix nanoseconds)."""
    request = parse(ExportLogsServiceRequest, body, is_json)
    logs = [
        _log(record, origin, arrival)
        for group in request.resource_logs
        for scoped, origin in _scopes(group, group.scope_logs)
        for record in scoped.log_records
    ]
    return Decoded(Batch(logs=tuple(logs)), Counter())


def decode_again(log: Log) -> NewLog:
    """Return what a kept *log* is searched by; its time is its key."""
    return replace(_log(LogRecord.FromString(log.raw), log.origin, log.key), time=log.key)


def decode_traces(body: bytes, is_json: bool, arrival: int) -> Decoded:
    """Return the spans of an ExportTraceServiceRequest; one without a valid id is left out."""
    request = parse(ExportTraceServiceRequest, body, is_json)
    spans: list[Span] = []
    reasons: Counter[str] = Counter()
    for group in request.resource_spans:
        for scoped, origin in _scopes(group, group.scope_spans):
            for span in scoped.spans:
                if reason := _why_unusable(span):
                    reasons[reason] += 1
                    continue
                time = believable_time(span.start_time_unix_nano, span.end_time_unix_nano, arrival)
                spans.append(Span(span.trace_id, span.span_id, time, origin, span.SerializeToString()))
    return Decoded(Batch(spans=tuple(spans), rejected=reasons.total()), reasons)


def decode_metrics(body: bytes, is_json: bool, arrival: int) -> Decoded:
    """Return the data points of an ExportMetricsServiceRequest; those of a metric without name are left out."""
    request = parse(ExportMetricsServiceRequest, body, is_json)
    points: list[Point] = []
    reasons: Counter[str] = Counter()
    for group in request.resource_metrics:
        for scoped, origin in _scopes(group, group.scope_metrics):
            for metric in scoped.metrics:
                found = list(_points(metric, origin, arrival))
                if metric.name:
                    points.extend(found)
                elif found:
                    reasons["the metric has no name"] += len(found)
    return Decoded(Batch(points=tuple(points), rejected=reasons.total()), reasons)


def _scopes(group: Any, scoped_records: Iterable[Any]) -> Iterator[tuple[Any, Origin]]:
    resource = group.resource.SerializeToString()
    for scoped in scoped_records:
        yield scoped, origin_of(resource, group.schema_url, scoped.scope.SerializeToString(), scoped.schema_url)


@lru_cache(maxsize=4096)
def origin_of(resource: bytes, resource_schema_url: str, scope: bytes, scope_schema_url: str) -> Origin:
    """Return the origin of these encoded messages; the same object for the same bytes, while it is in use."""
    parts = (resource, resource_schema_url.encode(), scope, scope_schema_url.encode())
    digest = hashlib.blake2b(b"".join(len(part).to_bytes(4, "big") + part for part in parts), digest_size=16).digest()
    texts = {pair.key: pair.value.string_value for pair in Resource.FromString(resource).attributes}
    app, node = texts.get(names.APP, ""), texts.get(names.NODE, "")
    return Origin(digest, app, node, resource, resource_schema_url, scope, scope_schema_url)


def _log(record: LogRecord, origin: Origin, arrival: int) -> NewLog:
    uid = step = ""
    texts = [record.event_name]
    # The loops of this function are where ingest spends its time: a value is looked at once, texts first.
    for pair in record.attributes:
        value = pair.value
        text = value.string_value
        if not text:
            _texts(value, texts)
            continue
        key = pair.key
        if key in _UNSEARCHED:
            uid = text if key == names.UID else uid
            continue
        if key == names.STEP:
            step = text
        texts.append(text)
    body = record.body.string_value
    if body:
        texts.append(body)
    else:
        _texts(record.body, texts)
    # "If the ids are invalid, assume the record is not associated with a trace" (logs.proto, trace_id).
    trace_id = record.trace_id
    raw = record.SerializeToString()
    return NewLog(
        identity=_identity(uid, origin, raw),
        time=believable_time(record.time_unix_nano, record.observed_time_unix_nano, arrival),
        severity=searchable_severity(record.severity_number),
        trace_id=trace_id if len(trace_id) == 16 and trace_id != NO_TRACE_ID else b"",
        step=step,
        words=words_of(texts),
        origin=origin,
        raw=raw,
    )


def _identity(uid: str, origin: Origin, raw: bytes) -> bytes:
    """Return 16 bytes that are the same for two copies of a record.

    Ours carry `log.record.uid` (semantic conventions: the same id = the same record). Of a foreign one without it, the
    whole record with its time and its resource is the identity.
    """
    if len(uid) == 32:
        try:
            return bytes.fromhex(uid)
        except ValueError:
            pass
    if uid:
        return hashlib.blake2b(uid.encode(), digest_size=16, person=b"uid").digest()
    return hashlib.blake2b(origin.digest + raw, digest_size=16, person=b"record").digest()


def _texts(value: AnyValue, found: list[str]) -> None:
    """Append every string inside *value* to *found*. Protobuf itself bounds the depth (100)."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        found.append(value.string_value)
    elif kind == "array_value":
        for item in value.array_value.values:
            _texts(item, found)
    elif kind == "kvlist_value":
        for pair in value.kvlist_value.values:
            _texts(pair.value, found)


def _why_unusable(span: OtlpSpan) -> str:
    if len(span.trace_id) != 16 or span.trace_id == NO_TRACE_ID:
        return "the trace id is not 16 bytes that are not all zero"
    if len(span.span_id) != 8 or span.span_id == NO_SPAN_ID:
        return "the span id is not 8 bytes that are not all zero"
    return ""


def _points(metric: Metric, origin: Origin, arrival: int) -> Iterator[Point]:
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data = getattr(metric, kind)
    head = Metric()
    head.CopyFrom(metric)
    head_data = getattr(head, kind)
    head_data.ClearField("data_points")
    head_data.SetInParent()
    encoded = head.SerializeToString()
    for point in data.data_points:
        series = _series(origin, metric.name, encoded, point.attributes)
        yield Point(series, believable_time(point.time_unix_nano, 0, arrival), point.SerializeToString())


def _series(origin: Origin, name: str, head: bytes, attributes: Iterable[KeyValue]) -> Series:
    # The order of attributes means nothing (common.proto): two orders are one series.
    encoded = sorted(pair.SerializeToString() for pair in attributes)
    digest = hashlib.blake2b(origin.digest, digest_size=16, person=b"series")
    for part in (head, *encoded):
        digest.update(len(part).to_bytes(4, "big") + part)
    return Series(digest.digest(), origin, name, head)
