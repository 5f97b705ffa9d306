"""What service 2 answers: ``/work/<entity>``."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from flask import Blueprint, Response, jsonify

from apps.service2.config import Service2Config
from apps.telemetry import steps
from apps.telemetry.steps import Leg
from apps.telemetry.trail import Recorder, Trail
from apps.web.deadline import Deadline
from apps.web.faults import Fault, FaultPlan
from apps.web.replica import Ends, garbage, own_fault, work_blueprint
from apps.web.work import WorkFailed, Workshop

_ENDS: Final = Ends(Leg.SERVICE2, steps.SERVICE2_RECEIVED, steps.SERVICE2_ANSWERED)


@dataclass(frozen=True)
class Service2:
    """What the routes work with."""

    config: Service2Config
    recorder: Recorder
    workshop: Workshop
    plan: FaultPlan

    @property
    def node(self) -> str:
        """Return this node's name."""
        return self.config.replica.node.node


def service2_blueprint(service: Service2) -> Blueprint:
    """Return the routes of service 2."""
    return work_blueprint("service2", _ENDS, service.recorder, service.plan, partial(_work, service))


def _work(service: Service2, trail: Trail, deadline: Deadline, fault: Fault | None) -> Response:
    span_ms = service.config.work_ms
    try:
        done = service.workshop.do("work", span_ms, trail, deadline, steps.WORK_DONE, steps.SERVICE2_BUG, fault)
    except WorkFailed as error:
        return own_fault(service.node, error.status, f"{service.node}: {error}.")
    if fault is not None and fault.kind == "garbage":
        return garbage()
    return jsonify({"node": service.node, "workMs": done.duration_ms, "bug": fault.kind if fault is not None else None})
