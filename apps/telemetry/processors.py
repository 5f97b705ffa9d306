"""What happens to a record or a span between the SDK and the outbox: identity, redaction, stdout.

``log.record.uid`` is the boot id followed by the sequence number: the same record sent twice has the same uid, and a
gap in the numbers of one boot id proves a loss (ADR-0005).
"""

import contextlib
import json
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind, Status, format_span_id, format_trace_id

from apps.telemetry import names, record
from apps.telemetry.outbox import Outbox
from apps.telemetry.redaction import redact, redacted_changes

_encode = json.JSONEncoder(ensure_ascii=False, default=str, separators=(",", ":")).encode


def new_boot_id() -> str:
    """Return an id for this start of this process: 16 hex digits."""
    return secrets.token_hex(8)


class RecordProcessor(LogRecordProcessor):
    """Gives each log record its identity, masks secrets, and puts it into the outbox before it is acted upon.

    Args:
        outbox: takes the records in the order of their sequence numbers.
        boot_id: 16 hex digits, new at each start of the process.
        echo: called with the record's JSON shape, for stdout; None for no echo.
    """

    def __init__(
        self,
        outbox: Outbox[ReadWriteLogRecord],
        boot_id: str,
        echo: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._outbox = outbox
        self._boot_id = boot_id
        self._echo = echo
        self._lock = threading.Lock()
        self._seq = 0

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Stamp, mask, keep, echo."""
        entry = log_record.log_record
        # From here on a plain dictionary: each look into the SDK's bounded one takes a lock.
        attributes: dict[str, Any] = dict(entry.attributes or {})
        entry.attributes = attributes
        span = trace.get_current_span(entry.context)
        parent = getattr(span, "parent", None)
        if parent is not None:
            attributes[names.PARENT_SPAN_ID] = format_span_id(parent.span_id)
        attributes.update(redacted_changes(attributes))
        if isinstance(entry.body, str):
            entry.body = redact(entry.body)
        attributes[names.BOOT_ID] = self._boot_id
        # Number and place in the outbox are given together, so that the order of one is the order of the other.
        with self._lock:
            self._seq += 1
            attributes[names.SEQ] = self._seq
            attributes[names.UID] = f"{self._boot_id}{self._seq:016x}"
            self._outbox.append(log_record)
        if self._echo is not None:
            self._echo(shown(log_record))

    def shutdown(self) -> None:
        """Do nothing: the outbox outlives the provider."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do nothing: nothing is held back."""
        return True


def shown(log_record: ReadWriteLogRecord) -> dict[str, Any]:
    """Return the JSON shape (`record.view`) of an SDK log record."""
    entry = log_record.log_record
    return record.view(
        time_unix_nano=entry.timestamp or entry.observed_timestamp,
        severity_number=entry.severity_number.value if entry.severity_number else 0,
        body=entry.body,
        event=entry.event_name or "",
        trace_id=format_trace_id(entry.trace_id) if entry.trace_id else "",
        span_id=format_span_id(entry.span_id) if entry.span_id else "",
        attributes=entry.attributes or {},
        resource=log_record.resource.attributes if log_record.resource else {},
    )


class StdoutEcho:
    """Writes one JSON line a record, whole lines only, to a text stream."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def __call__(self, shape: Mapping[str, Any]) -> None:
        """Write *shape* as one line."""
        line = _encode(shape)
        # A stdout that is closed or gone must not fail the request: the outbox has the record.
        with contextlib.suppress(OSError, ValueError):
            try:
                self._stream.write(line + "\n")
            except UnicodeEncodeError:
                self._stream.write(line.encode("ascii", "backslashreplace").decode() + "\n")
            self._stream.flush()


class JourneySpanProcessor(SpanProcessor):
    """Marks each span with the journey it belongs to, and puts it into the outbox when it ends."""

    def __init__(self, outbox: Outbox[ReadableSpan]) -> None:
        self._outbox = outbox

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Copy the journey id, and the mark of a test request, from baggage.

        Not for a SERVER span: its baggage may be a client's own. The trail marks it, once it is known whose it is.
        """
        if span.kind is SpanKind.SERVER:
            return
        members = baggage.get_all(parent_context)
        if journey := members.get(names.BAGGAGE_JOURNEY):
            span.set_attribute(names.JOURNEY_ID, str(journey))
        if synthetic := members.get(names.BAGGAGE_SYNTHETIC):
            span.set_attribute(names.SYNTHETIC_TYPE, str(synthetic))

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the span, without what must not be stored."""
        self._outbox.append(without_secrets(span))


def without_secrets(span: ReadableSpan) -> ReadableSpan:
    """Return *span* with secrets in its attributes, its events and its status masked; itself where there are none."""
    changes = redacted_changes(span.attributes or {})
    told = span.status.description
    masked = redact(told) if told else told
    events = [_event_without_secrets(event) for event in span.events]
    if not changes and masked == told and all(new is old for new, old in zip(events, span.events, strict=True)):
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes={**(span.attributes or {}), **changes},
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, masked),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _event_without_secrets(event: Event) -> Event:
    changes = redacted_changes(event.attributes or {})
    return Event(event.name, {**(event.attributes or {}), **changes}, event.timestamp) if changes else event
