"""Every line that a run emits is one of the two records that docs/reference/record.schema.json describes."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from apps.telemetry.logs import RecorderHandler
from apps.telemetry.processors import StdoutEcho
from tests.chain.conftest import MakeChain
from tests.fakes import records_of, refuse, telemetry_of, too_late

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/reference/record.schema.json").read_text(encoding="utf-8"))
FAULTS = ("none", "service2:slow", "service2:error", "service2:exception", "service2:garbage", "service1:error")


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """The schema, itself held to the metaschema."""
    Draft202012Validator.check_schema(SCHEMA)
    return Draft202012Validator(SCHEMA)


def printed(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return *records* as a reader of stdout gets them."""
    stream = io.StringIO()
    echo = StdoutEcho(stream)
    for record in records:
        echo(record)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_line_of_a_run_holds_to_the_schema(make_chain: MakeChain, validator: Draft202012Validator) -> None:
    """Healthy requests, every bug, retries, ejections and refusals."""
    chain = make_chain()
    for fault in FAULTS:
        for method in ("GET", "POST"):
            chain.send(method, headers={"X-Carousel-Fault": fault})
    for ending in (too_late, refuse):
        chain.script("service2", ending)
        chain.send("GET")
    for _ in range(2):
        chain.probe()
    chain.send("POST")

    lines = printed(chain.records())

    assert {"log", "metric"} == {line["type"] for line in lines}
    assert len(lines) > 200
    assert [] == [(error.message, line) for line in lines for error in validator.iter_errors(line)]


def test_a_line_of_the_standard_librarys_logging_holds_to_the_schema(validator: Draft202012Validator) -> None:
    """What Flask and gunicorn say goes the same way."""
    telemetry = telemetry_of("gateway")
    logger = logging.Logger("werkzeug")
    logger.addHandler(RecorderHandler(telemetry.recorder))
    logger.critical("gone: %s", 7, extra={"fields": {"carousel.entity": "orders"}})

    (line,) = printed(records_of(telemetry))

    assert [] == [error.message for error in validator.iter_errors(line)]
    assert ("FATAL", "error", "gone: 7") == (line["severity"], line["state"], line["message"])


LOG = {
    "type": "log", "nodeId": "gateway-1", "app": "gateway", "time": "2026-11-23T11:52:59.123456789Z", "message": "m",
    "severity": "INFO", "state": "ok", "event": "carousel.request.sent", "step": "gateway.service1.request.sent",
    "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "attributes": {}, "uid": "0" * 32,
    "seq": 1,
}  # fmt: skip


def test_the_schema_takes_a_good_record(validator: Draft202012Validator) -> None:
    """The base of the bad ones below is good."""
    assert validator.is_valid(LOG)


@pytest.mark.parametrize("change", [
    {"type": "trace"}, {"time": "2026-11-23T11:52:59Z"}, {"state": "error"}, {"severity": "ERROR"}, {"extra": 1},
    {"seq": 0}, {"uid": "X"}, {"traceId": "0" * 32}, {"spanId": None}, {"http": {}}, {"http": {"status": "200"}},
    {"type": "metric"}, {"step": "Gateway"}, {"entity": "orders"},
])  # fmt: skip
def test_the_schema_refuses_what_is_no_record(validator: Draft202012Validator, change: dict[str, Any]) -> None:
    """A schema that takes everything holds nobody to anything."""
    assert not validator.is_valid(LOG | change)


@pytest.mark.parametrize("missing", ["nodeId", "app", "time", "uid", "seq", "traceId", "spanId", "message"])
def test_the_schema_asks_for_what_every_step_has(validator: Draft202012Validator, missing: str) -> None:
    """Without these a step cannot be found."""
    assert not validator.is_valid({key: value for key, value in LOG.items() if key != missing})
