"""A log record as JSON."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.telemetry.record import is_error, rfc3339, severity_name, view


def shape(**changes: Any) -> dict[str, Any]:
    """Return the view of a record that is empty but for *changes*."""
    fields: dict[str, Any] = {
        "time_unix_nano": 0, "severity_number": 9, "body": "text", "event": "", "trace_id": "", "span_id": "",
        "attributes": {}, "resource": {},
    }  # fmt: skip
    return view(**(fields | changes))


@pytest.mark.parametrize(("nanos", "expected"), [
    (0, "1970-01-01T00:00:00.000000000Z"),
    (1, "1970-01-01T00:00:00.000000001Z"),
    (1_795_434_779_123_456_789, "2026-11-23T11:52:59.123456789Z"),
    (-1, "1969-12-31T23:59:59.999999999Z"),
    (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
    (10**30, "9999-12-31T23:59:59.000000000Z"),
    (-(10**30), "0001-01-01T00:00:00.000000000Z"),
])  # fmt: skip
def test_a_time_is_rfc_3339_with_nanoseconds(nanos: int, expected: str) -> None:
    """A hostile clock is clamped, it does not break a reader."""
    assert expected == rfc3339(nanos)


@given(st.integers(0, 4 * 10**18))
def test_a_time_reads_back_as_itself(nanos: int) -> None:
    """No nanosecond is lost on the way."""
    text = rfc3339(nanos)

    whole = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
    assert nanos == int(whole.timestamp()) * 10**9 + int(text[20:29])


@pytest.mark.parametrize(("number", "name", "state"), [
    (0, "UNSPECIFIED", "ok"), (1, "TRACE", "ok"), (5, "DEBUG", "ok"), (9, "INFO", "ok"), (12, "INFO", "ok"),
    (13, "WARN", "ok"), (16, "WARN", "ok"), (17, "ERROR", "error"), (21, "FATAL", "error"), (24, "FATAL", "error"),
    (25, "UNSPECIFIED", "error"), (-1, "UNSPECIFIED", "ok"),
])  # fmt: skip
def test_a_severity_has_a_name_and_a_state(number: int, name: str, state: str) -> None:
    """OTel logs data model; the state is error from ERROR upward."""
    assert (name, state == "error") == (severity_name(number), is_error(number))
    assert state == shape(severity_number=number)["state"]


def test_what_is_absent_is_left_out() -> None:
    """No null, no empty string, no empty object."""
    assert {
        "type": "log", "time": "1970-01-01T00:00:00.000000000Z", "message": "text", "severity": "INFO", "state": "ok",
    } == shape()  # fmt: skip


@pytest.mark.parametrize("value", [0, 0.0, False, [], [0]])
def test_what_is_false_is_not_absent(value: object) -> None:
    """A body of 0 is a body."""
    assert value == shape(body=value)["message"]


def test_the_http_part_is_taken_from_the_semantic_attributes() -> None:
    """And all attributes stay beside it, under their own names."""
    attributes = {
        "http.request.method": "POST", "http.route": "/api/<entity>", "url.path": "/api/orders",
        "http.response.status_code": 200, "carousel.peer": "client", "carousel.duration_ms": 0.0, "other": 1,
    }  # fmt: skip

    record = shape(attributes=attributes)

    assert {
        "method": "POST", "route": "/api/<entity>", "path": "/api/orders", "status": 200, "peer": "client",
        "durationMs": 0.0,
    } == record["http"]  # fmt: skip
    assert attributes == record["attributes"]


def test_identity_is_taken_from_the_resource_and_the_stamped_attributes() -> None:
    """nodeId, app, uid, seq, step, parentId."""
    record = shape(
        resource={"service.instance.id": "gateway-1", "service.name": "gateway"},
        attributes={
            "log.record.uid": "u", "carousel.seq": 7, "carousel.step": "s", "carousel.parent_span_id": "p",
        },
        trace_id="t",
        span_id="i",
        event="e",
    )  # fmt: skip

    assert ("gateway-1", "gateway", "u", 7, "s", "p", "t", "i", "e") == tuple(
        record[key] for key in ("nodeId", "app", "uid", "seq", "step", "parentId", "traceId", "spanId", "event")
    )


def test_a_measurement_is_a_record_of_its_own_type() -> None:
    """With entity, duration, memory and processor time, and without an http part."""
    record = shape(
        event="carousel.work.measured",
        attributes={
            "carousel.entity": "orders", "carousel.duration_ms": 1.5, "carousel.memory_bytes": 1024,
            "carousel.cpu_percent": 0.0,
        },
    )  # fmt: skip

    assert ("metric", "orders", 1.5, 1024, 0.0) == tuple(
        record[key] for key in ("type", "entity", "durationMs", "memoryBytes", "cpuPercent")
    )
    assert "http" not in record


def test_the_views_attributes_are_its_own() -> None:
    """Whoever changes the view changes no record."""
    attributes = {"a": 1}
    shape(attributes=attributes)["attributes"]["b"] = 2

    assert {"a": 1} == attributes
