"""The standard library's logging in the same stream as the steps."""

import logging
from collections.abc import Iterator

import pytest

from apps.telemetry.logs import OWN_PLUMBING, RecorderHandler, route_logging, severity_of
from apps.telemetry.setup import Telemetry
from tests.fakes import records_of, telemetry_of


@pytest.fixture
def telemetry() -> Telemetry:
    """Telemetry that keeps what it is given."""
    return telemetry_of("gateway")


def logger_to(telemetry: Telemetry, name: str = "apps.thing") -> logging.Logger:
    """Return a logger of its own that writes to *telemetry* only."""
    logger = logging.Logger(name)
    logger.addHandler(RecorderHandler(telemetry.recorder))
    return logger


@pytest.mark.parametrize(("level", "severity"), [
    (logging.DEBUG, "DEBUG"), (logging.INFO, "INFO"), (25, "INFO"), (logging.WARNING, "WARN"),
    (logging.ERROR, "ERROR"), (logging.CRITICAL, "FATAL"), (99, "FATAL"), (1, "DEBUG"),
])  # fmt: skip
def test_a_level_has_its_severity(level: int, severity: str) -> None:
    """OTel logs data model, Appendix B."""
    assert severity == severity_of(level).name


def test_a_record_keeps_text_logger_and_fields(telemetry: Telemetry) -> None:
    """Arguments are put into the text, extra fields are attributes."""
    logger_to(telemetry).warning("upstream %s failed", "n1", extra={"fields": {"attempt": 2}})

    (record,) = records_of(telemetry)
    assert ("upstream n1 failed", "WARN", "apps.thing", 2) == (
        record["message"],
        record["severity"],
        record["attributes"]["logger.name"],
        record["attributes"]["attempt"],
    )
    assert {"event", "step"}.isdisjoint(record)


def test_a_record_keeps_its_exception(telemetry: Telemetry) -> None:
    """Type, message and stack."""
    try:
        raise ValueError("boom")
    except ValueError:
        logger_to(telemetry).exception("failed")

    (record,) = records_of(telemetry)
    assert ("ValueError", "boom", True) == (
        record["attributes"]["exception.type"],
        record["attributes"]["exception.message"],
        "test_logs.py" in record["attributes"]["exception.stacktrace"],
    )


@pytest.mark.parametrize("name", [*OWN_PLUMBING, "urllib3.connectionpool", "opentelemetry.sdk.trace"])
def test_what_ships_telemetry_does_not_log_into_it(telemetry: Telemetry, name: str) -> None:
    """Complaints about a Collector that is away would go to that Collector."""
    logger_to(telemetry, name).error("the Collector is away")

    assert [] == records_of(telemetry)


@pytest.fixture
def loggers_as_before() -> Iterator[None]:
    """What routing does to the process's loggers is undone."""
    touched = [logging.getLogger(), *map(logging.getLogger, OWN_PLUMBING)]
    before = [(logger, logger.level, logger.handlers[:], logger.propagate) for logger in touched]
    yield
    for logger, level, handlers, propagate in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagate


@pytest.mark.usefixtures("loggers_as_before")
def test_routing_takes_over_the_root_logger(telemetry: Telemetry, capsys: pytest.CaptureFixture[str]) -> None:
    """Ours go into the stream, the plumbing's to stderr, debugging nowhere."""
    route_logging(telemetry.recorder)

    logging.getLogger("apps.thing").info("begun")
    logging.getLogger("apps.thing").debug("detail")
    logging.getLogger("urllib3.connectionpool").warning("retrying")

    assert ["begun"] == [record["message"] for record in records_of(telemetry)]
    assert "urllib3.connectionpool: retrying" in capsys.readouterr().err
