"""Simulated work: it takes its time, leaves its span, its step and its measurement, and fails on order."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import Status, StatusCode

from apps.telemetry import names
from apps.telemetry.setup import Telemetry
from apps.telemetry.steps import Step
from apps.telemetry.trail import Trail
from apps.web.deadline import Deadline
from apps.web.faults import KINDS, Fault

OVERTIME_S: Final = 5.0
"""The longest that work goes on after nobody waits for it any more."""


class WorkFailed(Exception):
    """A bug ended the work. *status* is the HTTP status that a client gets for it."""

    def __init__(self, fault: Fault, cause: str) -> None:
        super().__init__(cause)
        self.fault = fault
        self.status = int(fault.parameter("status")) if fault.kind == "error" else 500


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


class Workshop:
    """Where a node does its work.

    Args:
        telemetry: gets the spans, the steps and the metrics.
        generator: decides how long work takes; a seeded one makes a run repeatable.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        generator: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tracer = telemetry.tracer
        self._generator = generator or random.Random()
        self._lock = threading.Lock()
        self._sleep = sleep
        self._duration = telemetry.meter.create_histogram(
            names.METRIC_WORK_DURATION,
            "s",
            "Duration of simulated work",
            explicit_bucket_boundaries_advisory=names.DURATION_BOUNDARIES_S,
        )
        self._bugs = telemetry.meter.create_counter(names.METRIC_BUGS, "{bug}", "Bugs that showed")
        for kind in KINDS:
            self._bugs.add(0, {names.BUG: kind})

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
            WorkFailed: the bugs `error` and `exception`.
        """
        started = time.monotonic()
        failure: WorkFailed | None = None
        attributes = {names.ENTITY: trail.entity, names.WORK: name}
        with self._tracer.start_as_current_span(name, attributes=attributes, record_exception=False) as span:
            try:
                self._work(span_ms, deadline, fault)
            except WorkFailed as error:
                failure = error
                span.set_status(Status(StatusCode.ERROR, str(error)))
                span.set_attribute(names.ERROR_TYPE, error.fault.kind)
            duration_s = time.monotonic() - started
            self._measure(name, duration_s, fault, failure)
            duration_ms = round(duration_s * 1000, 3)
            fields = {names.WORK: name, names.DURATION_MS: duration_ms}
            if fault is None or bug is None:
                trail.step(done, fields)
            else:
                span.set_attribute(names.BUG, fault.kind)
                trail.step(
                    bug,
                    fields | {names.BUG: fault.kind},
                    severity=SeverityNumber.WARN if fault.kind == "slow" else SeverityNumber.ERROR,
                    exception=failure.__cause__ if failure else None,
                )
            trail.measured(name, duration_s, failed=failure is not None)
        if failure is not None:
            raise failure
        return Done(duration_ms, fault)

    def _work(self, span_ms: tuple[float, float], deadline: Deadline, fault: Fault | None) -> None:
        with self._lock:
            wanted_s = self._generator.uniform(*span_ms) / 1000
        if fault is not None and fault.kind == "slow":
            wanted_s += fault.parameter("ms") / 1000
        self._sleep(min(wanted_s, deadline.left_s() + OVERTIME_S))
        if fault is not None and fault.kind == "error":
            raise WorkFailed(fault, "the bug `error` was asked for")
        if fault is not None and fault.kind == "exception":
            try:
                _raise_deep(3)
            except InjectedError as error:
                raise WorkFailed(fault, str(error)) from error

    def _measure(self, name: str, duration_s: float, fault: Fault | None, failure: WorkFailed | None) -> None:
        labels = {names.WORK: name}
        if failure is not None:
            labels[names.ERROR_TYPE] = failure.fault.kind
        self._duration.record(duration_s, labels)
        if fault is not None:
            self._bugs.add(1, {names.BUG: fault.kind})


def _raise_deep(frames: int) -> None:
    if frames:
        _raise_deep(frames - 1)
    raise InjectedError("the bug `exception` was asked for")
