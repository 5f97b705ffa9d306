"""What service 2 answers: ``/work/<entity>``."""

import time
from dataclasses import dataclass

from flask import Blueprint, Response, jsonify, request
from opentelemetry._logs import SeverityNumber

from apps.service2.config import Service2Config
from apps.telemetry import names, steps
from apps.telemetry.steps import Leg
from apps.telemetry.trail import Recorder, Trail
from apps.web.client import monotonic_ms
from apps.web.deadline import Deadline
from apps.web.faults import Fault, FaultPlan
from apps.web.replica import deadline_of, fault_of, garbage, own_fault, unfit
from apps.web.work import WorkFailed, Workshop


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
    blueprint = Blueprint("service2", __name__)

    @blueprint.route("/work/<entity>", methods=["GET", "POST"])
    def work(entity: str) -> Response:
        try:
            deadline, fault = deadline_of(request), fault_of(request, service.plan)
        except ValueError as error:
            return unfit(error)
        started = time.monotonic()
        trail = service.recorder.trail(entity, request.method, Leg.SERVICE2)
        trail.step(steps.SERVICE2_RECEIVED, {names.PEER: "gateway", names.PATH: request.path})
        answer = _work(service, trail, deadline, fault)
        is_error = answer.status_code >= 500
        trail.step(
            steps.SERVICE2_ANSWERED,
            {names.PEER: "gateway", names.STATUS: answer.status_code, names.DURATION_MS: monotonic_ms(started)},
            severity=SeverityNumber.ERROR if is_error else SeverityNumber.INFO,
        )
        return answer

    return blueprint


def _work(service: Service2, trail: Trail, deadline: Deadline, fault: Fault | None) -> Response:
    try:
        done = service.workshop.do(
            "work",
            service.config.work_ms,
            trail,
            deadline,
            steps.WORK_DONE,
            steps.SERVICE2_BUG,
            fault,
        )
    except WorkFailed as error:
        return own_fault(service.node, error.status, f"{service.node}: {error}.")
    if fault is not None and fault.kind == "garbage":
        return garbage()
    return jsonify({"node": service.node, "workMs": done.duration_ms, "bug": fault.kind if fault is not None else None})
