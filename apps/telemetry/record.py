"""A log record as JSON: one view of the OTLP LogRecord for stdout, storage's answers and exports.

Pure. ``docs/reference/record.schema.json`` describes what comes out, and tests hold every emitted line to it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from apps.telemetry import names

ERROR_SEVERITY: Final = 17
"""SeverityNumber of ERROR (OTel logs data model, "Field: SeverityNumber"); from here `state` is error."""

_HTTP: Final = {
    names.METHOD: "method",
    names.ROUTE: "route",
    names.PATH: "path",
    names.STATUS: "status",
    names.PEER: "peer",
    names.DURATION_MS: "durationMs",
}
_MEASURED: Final = {
    names.ENTITY: "entity",
    names.DURATION_MS: "durationMs",
    names.MEMORY_BYTES: "memoryBytes",
    names.CPU_PERCENT: "cpuPercent",
}
_SHORT: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """Return the first part of an RFC 3339 time, up to its second. Most records share theirs with the one before."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def rfc3339(time_unix_nano: int) -> str:
    """Return *time_unix_nano* as RFC 3339 in UTC with nine digits of a second.

    A time past the year 9999 or before the year 1 is clamped to that year's edge: a hostile clock must not break a
    reader.
    """
    seconds, nanos = divmod(time_unix_nano, 1_000_000_000)
    return f"{_second(min(max(seconds, -62_135_596_800), 253_402_300_799))}.{nanos:09d}Z"


def severity_name(number: int) -> str:
    """Return the short name of a SeverityNumber (1 to 24), ``UNSPECIFIED`` for anything else."""
    return _SHORT[(number - 1) // 4] if 1 <= number <= 24 else "UNSPECIFIED"


def is_error(severity_number: int) -> bool:
    """Tell whether a record of this SeverityNumber has the state `error`."""
    return severity_number >= ERROR_SEVERITY


def _http(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {short: attributes[name] for name, short in _HTTP.items() if name in attributes}


def view(
    *,
    time_unix_nano: int,
    severity_number: int,
    body: Any,
    event: str,
    trace_id: str,
    span_id: str,
    attributes: Mapping[str, Any],
    resource: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the JSON shape of one record; what is absent is left out.

    Args:
        time_unix_nano: the record's time, or its observed time where it has none.
        severity_number: 1 to 24, 0 where unspecified.
        body: a string, or anything JSON can hold.
        event: EventName, empty where there is none.
        trace_id: 32 hex digits, or empty.
        span_id: 16 hex digits, or empty.
        attributes: the record's own attributes.
        resource: the attributes of the resource that emitted it.
    """
    is_measurement = event == names.WORK_MEASURED
    shown: dict[str, Any] = {
        "type": "metric" if is_measurement else "log",
        "nodeId": resource.get(names.NODE),
        "app": resource.get(names.APP),
        "time": rfc3339(time_unix_nano),
        "message": body,
        "severity": severity_name(severity_number),
        "state": "error" if is_error(severity_number) else "ok",
        "event": event,
        "step": attributes.get(names.STEP),
        "traceId": trace_id,
        "spanId": span_id,
        "parentId": attributes.get(names.PARENT_SPAN_ID),
        "http": None if is_measurement else _http(attributes),
        "attributes": dict(attributes),
        "uid": attributes.get(names.UID),
        "seq": attributes.get(names.SEQ),
    }
    if is_measurement:
        shown |= {short: attributes.get(name) for name, short in _MEASURED.items()}
    return {key: value for key, value in shown.items() if value is not None and value != "" and value != {}}
