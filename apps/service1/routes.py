"""What service 1 answers: ``/work/<entity>``."""

import json
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request
from opentelemetry._logs import SeverityNumber

from apps.service1.config import Service1Config
from apps.service1.gateway_client import GatewayClient
from apps.telemetry import names, steps
from apps.telemetry.steps import Leg
from apps.telemetry.trail import Recorder, Trail
from apps.web import headers
from apps.web.client import Answer, CallError, TimedOut, monotonic_ms
from apps.web.deadline import Deadline
from apps.web.faults import Fault, FaultPlan
from apps.web.problem import current_trace_id
from apps.web.replica import Ends, garbage, own_fault, work_blueprint
from apps.web.work import WorkFailed, Workshop

_ENDS: Final = Ends(Leg.SERVICE1, steps.SERVICE1_RECEIVED, steps.SERVICE1_ANSWERED)
_HANDED_ON: Final = ("content-type", "user-agent", "accept", headers.FAULT.lower())


@dataclass(frozen=True)
class Service1:
    """What the routes work with."""

    config: Service1Config
    recorder: Recorder
    workshop: Workshop
    plan: FaultPlan
    gateway: GatewayClient

    @property
    def node(self) -> str:
        """Return this node's name."""
        return self.config.replica.node.node


def service1_blueprint(service: Service1) -> Blueprint:
    """Return the routes of service 1."""
    return work_blueprint("service1", _ENDS, service.recorder, service.plan, partial(_work, service))


def _work(service: Service1, trail: Trail, deadline: Deadline, fault: Fault | None) -> Response:
    config = service.config
    try:
        part1 = service.workshop.do(
            "work part1", config.part1_ms, trail, deadline, steps.PART1_DONE, steps.SERVICE1_BUG, fault
        )
    except WorkFailed as error:
        return own_fault(service.node, error.status, f"{service.node}: {error}.")
    if fault is not None and fault.kind == "garbage":
        return garbage()
    if deadline.for_next_hop_ms() <= 0:
        return own_fault(service.node, 504, f"{service.node}: no time was left to ask service 2.")
    try:
        answer = _ask_service2(service, trail, deadline)
    except CallError as error:
        # The gateway let it down, not service 2 and not this node.
        status = 504 if isinstance(error, TimedOut) else 502
        return own_fault("gateway", status, f"The gateway did not answer {service.node}: {error}.")
    if answer.status != 200:
        return _pass_on(answer)
    part2 = service.workshop.do("work part2", config.part2_ms, trail, deadline, steps.PART2_DONE)
    return jsonify(
        {
            "entity": trail.entity,
            "traceId": current_trace_id(),
            "service1": {"node": service.node, "part1Ms": part1.duration_ms, "part2Ms": part2.duration_ms},
            "service2": json.loads(answer.body),
        }
    )


def _ask_service2(service: Service1, trail: Trail, deadline: Deadline) -> Answer:
    """Ask the gateway for service 2, logging both ends of it.

    Raises:
        CallError: the gateway could not be asked, or did not answer in time.
    """
    trail.step(steps.SERVICE2_ASKED, {names.PEER: "gateway"})
    asked = time.monotonic()
    handed_on = [(name, value) for name, value in request.headers.items() if name.lower() in _HANDED_ON]
    try:
        answer = service.gateway.ask(trail, request.method, request.get_data(), deadline, handed_on)
    except CallError as error:
        trail.step(
            steps.SERVICE2_UNANSWERED,
            {
                names.PEER: "gateway",
                names.ERROR_TYPE: error.error_type,
                names.DURATION_MS: monotonic_ms(asked),
                names.REASON: str(error),
            },
            severity=SeverityNumber.ERROR,
        )
        raise
    fields: dict[str, Any] = {
        names.PEER: "gateway",
        names.STATUS: answer.status,
        names.DURATION_MS: monotonic_ms(asked),
    }
    trail.step(
        steps.SERVICE2_ANSWER_AT_SERVICE1,
        fields,
        severity=SeverityNumber.ERROR if answer.status >= 500 else SeverityNumber.INFO,
    )
    return answer


def _pass_on(answer: Answer) -> Response:
    """Return the gateway's problem as this node's answer, with whose fault it is."""
    kept = {"content-type", "retry-after", headers.ERROR_NODE.lower()}
    fields = [(name, value) for name, value in answer.headers.items() if name.lower() in kept]
    return Response(answer.body, answer.status, fields)
