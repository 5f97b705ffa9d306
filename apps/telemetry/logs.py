"""Carries records of the standard library's logging into the same stream as the steps.

Loggers of what ships telemetry are left out: their complaints about a Collector that is away would go to that
Collector. They stay on stderr.
"""

import logging
from typing import Any, Final

from opentelemetry._logs import SeverityNumber

from apps.telemetry.trail import Recorder

OWN_PLUMBING: Final = ("opentelemetry", "urllib3", "requests")


def severity_of(level: int) -> SeverityNumber:
    """Return the SeverityNumber of a logging level (OTel logs data model, Appendix B)."""
    if level >= logging.CRITICAL:
        return SeverityNumber.FATAL
    if level >= logging.ERROR:
        return SeverityNumber.ERROR
    if level >= logging.WARNING:
        return SeverityNumber.WARN
    return SeverityNumber.INFO if level >= logging.INFO else SeverityNumber.DEBUG


class RecorderHandler(logging.Handler):
    """A logging handler that emits through a `Recorder`. Fields given as ``extra={"fields": …}`` are kept."""

    def __init__(self, recorder: Recorder, level: int = logging.INFO) -> None:
        super().__init__(level)
        self._recorder = recorder

    def handle(self, record: logging.LogRecord) -> bool:
        """Refuse what the plumbing of telemetry itself says."""
        if record.name.split(".", 1)[0] in OWN_PLUMBING:
            return False
        return bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Emit *record* with its logger's name, and its exception where it has one."""
        fields: dict[str, Any] = getattr(record, "fields", {})
        exception = record.exc_info[1] if record.exc_info else None
        self._recorder.event(
            "",
            record.getMessage(),
            {"logger.name": record.name, **fields},
            severity=severity_of(record.levelno),
            exception=exception,
        )


def route_logging(recorder: Recorder) -> RecorderHandler:
    """Send the root logger's records through *recorder*; the plumbing's go to stderr. Return the handler."""
    handler = RecorderHandler(recorder)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    to_stderr = logging.StreamHandler()
    to_stderr.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    for name in OWN_PLUMBING:
        plumbing = logging.getLogger(name)
        plumbing.setLevel(logging.WARNING)
        plumbing.addHandler(to_stderr)
        plumbing.propagate = False
    return handler
