"""The trail a request leaves in one node: its steps, under the journey and the attempts they belong to.

The journey id and the attempts travel as W3C baggage from hop to hop. The gateway lays the trail at its entrance
(`Recorder.entrance`), every other hop takes it up (`Recorder.trail`).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote_plus

from opentelemetry import baggage, context, trace
from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import format_span_id

from apps.telemetry import names
from apps.telemetry.process import UsageSampler
from apps.telemetry.steps import Leg, Step

CLIENT_MEMBERS: Final = 56
"""Most baggage members that a client's request may hand on."""
CLIENT_BAGGAGE_BYTES: Final = 7_168
"""Most bytes that those may take on the wire."""


@dataclass(frozen=True, slots=True)
class Trail:
    """Where a request is: its journey, its entity, and the attempt of each leg.

    *attempt* counts the tries of the leg gateway→service 1 from 1, *attempt2* those of gateway→service 2 within it.
    """

    recorder: "Recorder"
    journey_id: str
    entity: str
    method: str
    attempt: int = 1
    attempt2: int = 1
    synthetic: str | None = None

    def at(self, *, attempt: int | None = None, attempt2: int | None = None) -> "Trail":
        """Return this trail in another attempt of a leg."""
        return replace(self, attempt=attempt or self.attempt, attempt2=attempt2 or self.attempt2)

    def step(
        self,
        step: Step,
        attributes: Mapping[str, Any] | None = None,
        *,
        severity: SeverityNumber = SeverityNumber.INFO,
        exception: BaseException | None = None,
    ) -> None:
        """Log that *step* is being taken now."""
        stamped: dict[str, Any] = {
            names.STEP: step.name,
            names.JOURNEY_ID: self.journey_id,
            names.ENTITY: self.entity,
            names.METHOD: self.method,
            **self._attempts(step.leg),
        }
        if attributes:
            stamped.update(attributes)
        self.recorder.event(step.event, step.text, stamped, severity=severity, exception=exception)

    def _attempts(self, leg: Leg) -> dict[str, int]:
        if leg is Leg.SERVICE2:
            return {names.ATTEMPT: self.attempt2, names.PARENT_ATTEMPT: self.attempt}
        return {names.ATTEMPT: self.attempt if leg is Leg.SERVICE1 else 1}

    def measured(self, work: str, duration_s: float, *, failed: bool = False) -> None:
        """Leave the record of one finished unit of work."""
        usage = self.recorder.sampler.usage()
        self.recorder.event(
            names.WORK_MEASURED,
            f"{work} measured",
            {
                names.WORK: work,
                names.JOURNEY_ID: self.journey_id,
                names.ENTITY: self.entity,
                names.DURATION_MS: round(duration_s * 1000, 3),
                names.MEMORY_BYTES: usage.memory_bytes,
                names.CPU_PERCENT: usage.cpu_percent,
            },
            severity=SeverityNumber.ERROR if failed else SeverityNumber.INFO,
        )

    def baggage(self, leg: Leg) -> Context:
        """Return the current context with this trail in its baggage, for the request that *leg* sends."""
        carried = {
            names.BAGGAGE_JOURNEY: self.journey_id,
            names.BAGGAGE_ATTEMPT: str(self.attempt2 if leg is Leg.SERVICE2 else self.attempt),
        }
        if leg is Leg.SERVICE2:
            carried[names.BAGGAGE_PARENT_ATTEMPT] = str(self.attempt)
        if self.synthetic:
            carried[names.BAGGAGE_SYNTHETIC] = self.synthetic
        current = context.get_current()
        for name, value in carried.items():
            current = baggage.set_baggage(name, value, current)
        return current


def without_our_baggage(current: Context | None = None) -> Context:
    """Return the context without the baggage members that begin with ``carousel.``, nor any beyond the room for them.

    A propagator drops what exceeds its limits (W3C Baggage §3.3.2: 64 members and 8192 bytes at the least), and ours
    come last: a client's own must leave room for them.
    """
    current = context.get_current() if current is None else current
    members, size = 0, 0
    for name, value in baggage.get_all(current).items():
        length = len(quote_plus(name)) + len(quote_plus(str(value))) + 2
        is_ours = name.startswith(names.BAGGAGE_PREFIX)
        if is_ours or members >= CLIENT_MEMBERS or size + length > CLIENT_BAGGAGE_BYTES:
            current = baggage.remove_baggage(name, current)
        else:
            members, size = members + 1, size + length
    return current


def _count(value: object) -> int:
    """Return an attempt out of baggage; anything that is no count is the first attempt."""
    return int(value) if isinstance(value, str) and value.isdecimal() and 0 < len(value) < 4 else 1


class Recorder:
    """Emits a node's log records through the OTel Logs API."""

    def __init__(self, logger: Logger, sampler: UsageSampler | None = None) -> None:
        self._logger = logger
        self.sampler = sampler or UsageSampler()

    def event(
        self,
        name: str,
        text: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        severity: SeverityNumber = SeverityNumber.INFO,
        exception: BaseException | None = None,
    ) -> None:
        """Emit one record with the EventName *name* and the body *text*, in the current span."""
        self._logger.emit(
            timestamp=time.time_ns(),
            severity_number=severity,
            severity_text=severity.name,
            body=text,
            attributes=dict(attributes or {}),
            event_name=name,
            exception=exception,
        )

    def entrance(self, entity: str, method: str, synthetic: str | None = None) -> Trail:
        """Return the trail of a request that enters here: its journey is named after the current span."""
        span = trace.get_current_span()
        journey_id = format_span_id(span.get_span_context().span_id)
        span.set_attribute(names.JOURNEY_ID, journey_id)
        span.set_attribute(names.ENTITY, entity)
        if synthetic:
            span.set_attribute(names.SYNTHETIC_TYPE, synthetic)
        return Trail(self, journey_id, entity, method, synthetic=synthetic)

    def trail(self, entity: str, method: str, leg: Leg) -> Trail:
        """Return the trail of a request that another hop handed on in *leg*, as its baggage tells.

        Without baggage (somebody called this node directly) the journey is named after the current span.
        """
        members = baggage.get_all()
        span = trace.get_current_span()
        journey_id = str(members.get(names.BAGGAGE_JOURNEY) or format_span_id(span.get_span_context().span_id))
        span.set_attribute(names.JOURNEY_ID, journey_id)
        synthetic = members.get(names.BAGGAGE_SYNTHETIC)
        if synthetic:
            span.set_attribute(names.SYNTHETIC_TYPE, str(synthetic))
        attempt = _count(members.get(names.BAGGAGE_ATTEMPT))
        outer = _count(members.get(names.BAGGAGE_PARENT_ATTEMPT)) if leg is Leg.SERVICE2 else attempt
        return Trail(
            self,
            journey_id,
            entity,
            method,
            attempt=outer,
            attempt2=attempt if leg is Leg.SERVICE2 else 1,
            synthetic=str(synthetic) if synthetic else None,
        )
