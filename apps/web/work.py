"""Simulated work: it takes its time, leaves its span, its step and its measurement, and fails on order.

::

    WorkEnded           a bug ended the work
    ├── WorkFailed      there is an answer that says so
    └── Silenced        there is none: nobody will ever hear of it
"""

import random
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import Span, Status, StatusCode

from apps.telemetry import names
from apps.telemetry.setup import Telemetry
from apps.telemetry.steps import Step
from apps.telemetry.trail import Trail
from apps.web.deadline import Deadline
from apps.web.faults import Fault
from apps.web.havoc import LONG_S, Havoc, Immortal, Overcrowded
from apps.web.kinds import KINDS, OVERTIME_S


class WorkEnded(Exception):
    """A bug ended the work."""

    def __init__(self, fault: Fault, cause: str) -> None:
        super().__init__(cause)
        self.fault = fault


class WorkFailed(WorkEnded):
    """A bug ended the work. *status* is the HTTP status that a client gets for it."""

    def __init__(self, fault: Fault, cause: str) -> None:
        super().__init__(fault, cause)
        self.status = int(fault.parameter("status")) if fault.kind == "error" else 500


class Silenced(WorkEnded):
    """A bug ended the work and there is no answer: the connection is to be closed without one."""


class InjectedError(Exception):
    """What the bug `exception` raises, from a few frames down, so that there is a stack to look at."""


@dataclass(frozen=True, slots=True)
class Done:
    """Finished work: how long it took, and the bug it had on the way, if any."""

    duration_ms: float
    fault: Fault | None = None


def parse_range(value: str) -> tuple[float, float]:
    """Return the milliseconds that ``20`` or ``10-40`` stand for, as the least and the most.

    Raises:
        ValueError: the value is of neither form, or the least is more than the most.
    """
    low, dash, high = value.partition("-")
    least, most = float(low), float(high if dash else low)
    if not 0 <= least <= most <= 60_000:
        raise ValueError("the least comes first, and 60000 is the most")
    return least, most


@dataclass(frozen=True, slots=True)
class _Piece:
    """One piece of work on its way."""

    name: str
    trail: Trail
    deadline: Deadline
    done: Step
    bug: Step | None
    fault: Fault | None
    started: float

    def seconds(self) -> float:
        """Return how long it has taken so far."""
        return time.monotonic() - self.started

    def tell(self, duration_s: float | None, failure: WorkEnded | None = None) -> None:
        """Log how it ended, or that its bug strikes now, after so many seconds (None: before it took any)."""
        fields: dict[str, object] = {names.WORK: self.name}
        fault = self.fault
        if duration_s is not None:
            fields[names.DURATION_MS] = _milliseconds(duration_s)
        if fault is None or self.bug is None:
            self.trail.step(self.done, fields)
            return
        self.trail.step(
            self.bug,
            fields | {names.BUG: fault.kind},
            severity=_severity(fault, failure),
            exception=failure.__cause__ if failure else None,
        )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _severity(fault: Fault, failure: WorkEnded | None) -> SeverityNumber:
    if fault.is_mild and failure is None:
        return SeverityNumber.WARN
    return SeverityNumber.FATAL if fault.kind == "crash" and failure is None else SeverityNumber.ERROR


class Workshop:
    """Where a node does its work.

    Args:
        telemetry: gets the spans, the steps and the metrics.
        generator: decides how long work takes; a seeded one makes a run repeatable.
        sleep: waits for so many seconds.
        havoc: carries out the bugs that need more than time.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        generator: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
        havoc: Havoc | None = None,
    ) -> None:
        self._tracer = telemetry.tracer
        self._generator = generator or random.Random()
        self._lock = threading.Lock()
        self._sleep = sleep
        self._havoc = havoc or Havoc()
        self._duration = telemetry.meter.create_histogram(
            names.METRIC_WORK_DURATION,
            "s",
            "Duration of simulated work",
            explicit_bucket_boundaries_advisory=names.DURATION_BOUNDARIES_S,
        )
        self._bugs = telemetry.meter.create_counter(names.METRIC_BUGS, "{bug}", "Bugs that showed")
        for kind in KINDS:
            self._bugs.add(0, {names.BUG: kind.name})

    def stop(self) -> None:
        """Let nobody hang or burn any longer: the node stops."""
        self._havoc.stop()

    def do(
        self,
        name: str,
        span_ms: tuple[float, float],
        trail: Trail,
        deadline: Deadline,
        done: Step,
        bug: Step | None = None,
        fault: Fault | None = None,
    ) -> Done:
        """Do one piece of work and log it as the step *done*, or as the step *bug* where *fault* shows.

        Args:
            name: of the INTERNAL span and the measurement.
            span_ms: the least and the most milliseconds it takes.
            trail: of the request.
            deadline: of the request; overtime is bounded.
            done: the step of work that went well.
            bug: the step of work that did not; needed with a fault.
            fault: the bug to show.

        Raises:
            WorkFailed: the bug has an answer: `error`, `exception`, and one that the node has no room for.
            Silenced: the bug leaves no answer: `hang` and `crash`.
        """
        piece = _Piece(name, trail, deadline, done, bug, fault, time.monotonic())
        attributes = {names.ENTITY: trail.entity, names.WORK: name}
        with self._tracer.start_as_current_span(name, attributes=attributes, record_exception=False) as span:
            if fault is not None:
                self._bugs.add(1, {names.BUG: fault.kind})
                if bug is not None:
                    span.set_attribute(names.BUG, fault.kind)
            failure = self._ended_by(piece, span_ms)
            duration_s = piece.seconds()
            self._measure(piece, duration_s, span, failure)
            if not isinstance(failure, Silenced):
                piece.tell(duration_s, failure)
            trail.measured(name, duration_s, failed=failure is not None)
        if failure is not None:
            raise failure
        return Done(_milliseconds(duration_s), fault)

    def _ended_by(self, piece: _Piece, span_ms: tuple[float, float]) -> WorkEnded | None:
        """Work; return what ended it, None if it went well."""
        with self._lock:
            wanted_s = self._generator.uniform(*span_ms) / 1000
        try:
            if piece.fault is None:
                self._spend(wanted_s, piece.deadline)
            else:
                self._misbehave(piece, piece.fault, wanted_s)
        except WorkEnded as ended:
            return ended
        except (Overcrowded, Immortal) as refusal:
            assert piece.fault is not None
            return WorkFailed(piece.fault, f"the bug `{piece.fault.kind}` could not show: {refusal}")
        return None

    def _spend(self, seconds: float, deadline: Deadline) -> None:
        self._sleep(min(seconds, deadline.left_s() + OVERTIME_S))

    def _misbehave(self, piece: _Piece, fault: Fault, wanted_s: float) -> None:
        """Work for *wanted_s* seconds, with a bug before, after or instead of it."""
        deadline = piece.deadline
        if fault.kind == "hang":
            self._hang(piece, fault)
        if fault.kind == "crash":
            self._crash(piece, fault)
        if fault.kind == "leak":
            self._leak(fault)
        extra_s = fault.parameter("ms") / 1000 if fault.kind in ("slow", "burn") else 0.0
        with self._havoc.seat() if fault.kind == "slow" and extra_s > LONG_S else nullcontext():
            self._spend(wanted_s + (extra_s if fault.kind == "slow" else 0.0), deadline)
        if fault.kind == "burn":
            with self._havoc.seat():
                self._havoc.burn(extra_s, deadline)
        if fault.kind == "error":
            raise WorkFailed(fault, "the bug `error` was asked for")
        if fault.kind == "exception":
            try:
                _raise_deep(3)
            except InjectedError as error:
                raise WorkFailed(fault, str(error)) from error

    def _hang(self, piece: _Piece, fault: Fault) -> None:
        with self._havoc.seat():
            piece.tell(None)
            self._havoc.hang(piece.deadline)
        raise Silenced(fault, "the bug `hang` was asked for")

    def _crash(self, piece: _Piece, fault: Fault) -> None:
        with self._havoc.seat():
            self._havoc.await_age()
            self._spend(fault.parameter("ms") / 1000, piece.deadline)
            piece.tell(piece.seconds())
            self._havoc.crash()
        raise Silenced(fault, "the bug `crash` was asked for")

    def _leak(self, fault: Fault) -> None:
        try:
            self._havoc.leak.hold(int(fault.parameter("mb")), fault.parameter("s"))
        except OSError as error:
            raise WorkFailed(fault, f"the bug `leak` got no memory: {error.strerror}") from error

    def _measure(self, piece: _Piece, duration_s: float, span: Span, failure: WorkEnded | None) -> None:
        labels = {names.WORK: piece.name}
        if failure is not None:
            kind = labels[names.ERROR_TYPE] = failure.fault.kind
            span.set_status(Status(StatusCode.ERROR, str(failure)))
            span.set_attribute(names.ERROR_TYPE, kind)
        self._duration.record(duration_s, labels)


def _raise_deep(frames: int) -> None:
    if frames:
        _raise_deep(frames - 1)
    raise InjectedError("the bug `exception` was asked for")
