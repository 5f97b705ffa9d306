"""The OTLP/HTTP receiver: ``/v1/logs``, ``/v1/traces``, ``/v1/metrics``.

Follows the OTLP specification 1.11 (docs/specification.md, "OTLP/HTTP"). Answers in the type it was asked in: 200 after
the commit; 400, 413 and 415 for what will never get better; 503 with Retry-After for everything else, since a
client drops what is answered with 500. Every error is a ``google.rpc.Status``.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Request, Response, request
from google.protobuf.message import Message
from google.rpc.code_pb2 import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE, UNIMPLEMENTED  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import BadRequest as BadRequestDetail  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.metrics import Counter as Instrument
from opentelemetry.metrics import Meter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from apps.storage import otlp_json
from apps.storage.backends.base import Store
from apps.storage.body import read_body
from apps.storage.decode import Decoded, decode_logs, decode_metrics, decode_traces
from apps.storage.errors import BadData, StoreError, TooLarge, UnsupportedMedia
from apps.storage.model import Batch, Written
from apps.storage.seldom import Seldom
from apps.telemetry import names

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
MAX_MESSAGE: Final = 2_000
"""Characters of an error's text; the specification bounds the whole answer to 4 MiB."""

_seldom = Seldom(logging.getLogger(__name__))


@dataclass(frozen=True, slots=True)
class _Signal:
    name: str
    decode: Callable[[bytes, bool, int], Decoded]
    answer: type[Message]
    rejected_field: str


_SIGNALS: Final = (
    _Signal("logs", decode_logs, ExportLogsServiceResponse, "rejected_log_records"),
    _Signal("traces", decode_traces, ExportTraceServiceResponse, "rejected_spans"),
    _Signal("metrics", decode_metrics, ExportMetricsServiceResponse, "rejected_data_points"),
)


FATAL: Final = 21
"""SeverityNumber of FATAL (OTel logs data model); from here a record is a critical error."""
_KNOWN_APPS: Final = ("gateway", "service1", "service2", "storage", "console")
_OTHER_APP: Final = "other"
"""Stands for every app that is not ours: a label may have few values only."""


class _Counts:
    """How many records came in, by signal and what became of them, and how many were critical errors."""

    def __init__(self, meter: Meter) -> None:
        self._counter: Instrument = meter.create_counter(
            names.METRIC_STORAGE_RECORDS, "{record}", "Records that came in over OTLP, by what became of them"
        )
        for signal in _SIGNALS:
            for result in ("stored", "duplicate", "rejected"):
                self._counter.add(0, {"signal": signal.name, "result": result})
        self._critical: Instrument = meter.create_counter(
            names.METRIC_CRITICAL_ERRORS, "{error}", "Records of severity FATAL that were stored"
        )
        for app in (*_KNOWN_APPS, _OTHER_APP):
            self._critical.add(0, {names.SERVICE: app})

    def add(self, signal: _Signal, batch: Batch, written: Written) -> None:
        for result, count in (
            ("stored", written.stored),
            ("duplicate", written.duplicates),
            ("rejected", batch.rejected),
        ):
            if count:
                self._counter.add(count, {"signal": signal.name, "result": result})
        # A batch that is sent again is all duplicates, and was counted the first time.
        for log in batch.logs if written.stored else ():
            if log.severity >= FATAL:
                app = log.origin.app if log.origin.app in _KNOWN_APPS else _OTHER_APP
                self._critical.add(1, {names.SERVICE: app})


def ingest_blueprint(
    store: Store,
    meter: Meter,
    *,
    max_body_bytes: int,
    write_timeout_s: float,
    clock: Callable[[], int] = time.time_ns,
) -> Blueprint:
    """Return the three routes. They answer 200 only after *store* has committed.

    Args:
        store: where the records go.
        meter: counts them.
        max_body_bytes: limit of a body, before and after inflating.
        write_timeout_s: how long a sender waits for the commit.
        clock: unix nanoseconds of arrival.
    """
    blueprint = Blueprint("ingest", __name__)
    counts = _Counts(meter)

    def receive(signal: _Signal) -> Response:
        is_json = _is_json(request)
        coding = request.headers.get("Content-Encoding", "")
        body = read_body(request.stream, request.content_length, coding, max_body_bytes)
        decoded = signal.decode(body, is_json, clock())
        written = Written()
        if len(decoded.batch) or decoded.batch.rejected:
            written = store.write(decoded.batch, timeout_s=write_timeout_s)
        counts.add(signal, decoded.batch, written)
        return _answer(200, _partial_success(signal, decoded), is_json)

    def route(signal: _Signal) -> Callable[[], Response]:
        def view() -> Response:
            if request.method != "POST":
                response = _error(405, UNIMPLEMENTED, f"{request.method} is not POST")
                response.headers["Allow"] = "POST"
                return response
            try:
                return receive(signal)
            except UnsupportedMedia as error:
                return _error(415, INVALID_ARGUMENT, str(error))
            except TooLarge as error:
                return _error(413, RESOURCE_EXHAUSTED, str(error))
            except BadData as error:
                return _bad_data(error)
            except StoreError as error:
                return _unavailable(str(error), error.retry_after_s)
            # A bug of ours must not make the sender drop its data; it is loud in the log.
            except Exception as error:
                _seldom.error("ingest failed", error, signal=signal.name)
                return _unavailable("storage failed; its log says why", 5)

        return view

    for signal in _SIGNALS:
        blueprint.add_url_rule(
            f"/v1/{signal.name}",
            signal.name,
            route(signal),
            methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            provide_automatic_options=False,
        )
    return blueprint


def _is_json(asked: Request) -> bool:
    """Tell which of the two types a request is in.

    Raises:
        UnsupportedMedia: in neither, or in another charset than UTF-8.
    """
    kind = asked.mimetype
    charset = asked.mimetype_params.get("charset", "utf-8").lower()
    if kind not in (PROTOBUF, JSON):
        raise UnsupportedMedia(f"Content-Type is {kind[:80] or 'missing'}; expected {PROTOBUF} or {JSON}")
    if kind == JSON and charset not in ("utf-8", "utf8"):
        raise UnsupportedMedia(f"charset is {charset[:40]}; JSON is UTF-8 (RFC 8259 §8.1)")
    return kind == JSON


def _partial_success(signal: _Signal, decoded: Decoded) -> Message:
    """Return the answer to a request that was kept; it names what could not be (clients do not send that again)."""
    answer: Any = signal.answer()
    if decoded.batch.rejected:
        reasons = "; ".join(f"{count} rejected: {reason}" for reason, count in sorted(decoded.reasons.items()))
        setattr(answer.partial_success, signal.rejected_field, decoded.batch.rejected)
        answer.partial_success.error_message = reasons[:MAX_MESSAGE]
    return answer  # type: ignore[no-any-return]


def _bad_data(error: BadData) -> Response:
    violation = BadRequestDetail.FieldViolation(
        field=error.field[:MAX_MESSAGE], description=error.message[:MAX_MESSAGE]
    )
    return _error(400, INVALID_ARGUMENT, str(error), BadRequestDetail(field_violations=[violation]))


def _unavailable(message: str, retry_after_s: int) -> Response:
    response = _error(503, UNAVAILABLE, message)
    response.headers["Retry-After"] = str(retry_after_s)
    return response


def _error(status: int, code: int, message: str, detail: BadRequestDetail | None = None) -> Response:
    is_json = request.mimetype != PROTOBUF
    shape = Status(code=code, message=message[:MAX_MESSAGE])
    if detail is not None:
        shape.details.add().Pack(detail)
    if not is_json:
        return _answer(status, shape, is_json=False)
    shown = otlp_json.write(shape)
    if detail is not None:
        # Any has a JSON form of its own: the type beside the fields (protobuf JSON mapping, "Any").
        shown["details"] = [{"@type": shape.details[0].type_url, **otlp_json.write(detail)}]
    return Response(json.dumps(shown), status, content_type=JSON)


def _answer(status: int, message: Message, is_json: bool) -> Response:
    if is_json:
        return Response(json.dumps(otlp_json.write(message)), status, content_type=JSON)
    return Response(message.SerializeToString(), status, content_type=PROTOBUF)
