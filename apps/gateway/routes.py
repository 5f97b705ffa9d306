"""The gateway's URLs: the client API, and the call back of service 1."""

import json
import time
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, request
from opentelemetry import baggage, context
from opentelemetry._logs import SeverityNumber

from apps.gateway.admission import Admission
from apps.gateway.config import GatewayConfig
from apps.gateway.feed import Feed
from apps.gateway.fields import for_client, for_replica
from apps.gateway.forwarding import NO_NODE, Forwarder, Outgoing, Result
from apps.gateway.shapes import request_shape
from apps.telemetry import names, steps
from apps.telemetry.steps import Leg
from apps.telemetry.trail import Recorder, Trail, without_our_baggage
from apps.web import headers
from apps.web.client import monotonic_ms
from apps.web.deadline import Deadline, deadline_ms
from apps.web.faults import FaultError, parse_header
from apps.web.guards import bears, unauthorized
from apps.web.problem import current_trace_id, own_error, problem

SHED: Final = "shed"
RETRY_AFTER_S: Final = 1
_SYNTHETIC_TYPES: Final = ("test", "bot")


@dataclass(frozen=True)
class Gateway:
    """What the routes work with."""

    config: GatewayConfig
    recorder: Recorder
    admission: Admission
    to_service1: Forwarder
    to_service2: Forwarder
    feed: Feed


def gateway_blueprint(gateway: Gateway) -> Blueprint:
    """Return the gateway's routes."""
    blueprint = Blueprint("gateway", __name__)
    config = gateway.config

    @blueprint.route("/api/<entity>", methods=["GET", "POST"])
    def client_request(entity: str) -> Response:
        refused = _unfit(config, entity)
        if refused is not None:
            return refused
        token = context.attach(without_our_baggage())
        try:
            return _client_request(gateway, entity)
        finally:
            context.detach(token)

    @blueprint.route("/internal/service2/<entity>", methods=["GET", "POST"])
    def call_back(entity: str) -> Response:
        if not bears(config.service_token):
            return unauthorized()
        refused = _unfit(config, entity)
        return _call_back(gateway, entity) if refused is None else refused

    # Also what is refused before a route is found (405, 413, 415, 421) is an answer of the client API.
    @blueprint.after_app_request
    def identify(answer: Response) -> Response:
        return _identified(answer, config) if request.path.startswith("/api/") else answer

    return blueprint


def _unfit(config: GatewayConfig, entity: str) -> Response | None:
    """Return the answer to a request that is not let in, None if it may come in."""
    if entity not in config.entities:
        known = ", ".join(config.entities)
        return problem(404, f"There is no entity {entity[:64]!r}; expected one of {known}.", entities=config.entities)
    try:
        deadline_ms(request.headers.get(headers.DEADLINE_MS), config.deadline_ms)
    except ValueError as error:
        return problem(400, f"{headers.DEADLINE_MS}: {error}.")
    try:
        if config.fault_headers:
            parse_header(request.headers.get(headers.FAULT, ""))
    except FaultError as error:
        return problem(400, f"{headers.FAULT}: {error}.")
    body = request.get_data(cache=True)
    try:
        if body:
            json.loads(body)
    except (ValueError, RecursionError) as error:
        return problem(400, f"The body is not JSON: {error}.")
    return None


def _client_request(gateway: Gateway, entity: str) -> Response:
    started = time.monotonic()
    trail = gateway.recorder.entrance(entity, request.method, _synthetic())
    trail.step(steps.CLIENT_RECEIVED, {names.PEER: "client", names.PATH: request.path, names.ROUTE: "/api/<entity>"})
    result: Result | None = None
    if gateway.admission.enter():
        try:
            result = _to_service1(gateway, trail)
            answer = _answer(result, gateway.config)
        except Exception as error:
            # A bug of the gateway's own: the client gets its answer, and the journey its end, all the same.
            answer = own_error(error)
        finally:
            gateway.admission.leave()
    else:
        result = _shed(trail, gateway.admission.limit)
        answer = _answer(result, gateway.config)
    duration_ms = monotonic_ms(started)
    fields: dict[str, Any] = {
        names.PEER: "client",
        names.STATUS: answer.status_code,
        names.DURATION_MS: duration_ms,
    }
    is_error = answer.status_code >= 500
    if is_error:
        # As on the span and on the duration metric: why it failed is told where it failed.
        fields[names.ERROR_TYPE] = str(answer.status_code)
    trail.step(steps.CLIENT_ANSWERED, fields, severity=SeverityNumber.ERROR if is_error else SeverityNumber.INFO)
    if gateway.feed.is_watched:
        gateway.feed.publish("request", request_shape(trail, result, answer.status_code, duration_ms))
    return answer


def _synthetic() -> str | None:
    """Return what kind of test a client says its request is, in the baggage member that semconv names it by."""
    marked = baggage.get_baggage(names.SYNTHETIC_TYPE)
    return str(marked) if marked in _SYNTHETIC_TYPES else None


def _shed(trail: Trail, limit: int) -> Result:
    trail.step(steps.SERVICE1_FAILED, {names.ERROR_TYPE: SHED}, severity=SeverityNumber.WARN)
    detail = f"{limit} requests are inside, which is the most this gateway takes at once"
    return Result(trail, "gateway", None, SHED, None, detail)


def _to_service1(gateway: Gateway, trail: Trail) -> Result:
    config = gateway.config
    # An unusable value was refused at the entrance.
    limit_ms = deadline_ms(request.headers.get(headers.DEADLINE_MS), config.deadline_ms)
    fields = [*for_replica(request.headers.items(), config.node.node), *_orders(config)]
    outgoing = Outgoing(_method(), f"/work/{trail.entity}", fields, request.get_data(cache=True))
    return gateway.to_service1.forward(trail, outgoing, Deadline(limit_ms))


def _call_back(gateway: Gateway, entity: str) -> Response:
    """Carry service 1's request for service 2, and say whose fault it is if that fails."""
    config = gateway.config
    deadline = Deadline(deadline_ms(request.headers.get(headers.DEADLINE_MS), config.deadline_ms))
    started = time.monotonic()
    trail = gateway.recorder.trail(entity, request.method, Leg.SERVICE1)
    caller = request.headers.get(headers.NODE, "service1")
    trail.step(steps.CALLBACK_RECEIVED, {names.PEER: caller, names.PATH: request.path})
    fields = [*for_replica(request.headers.items(), config.node.node), *_orders(config)]
    # Service 2 has no business with the token of service 1.
    fields = [(name, value) for name, value in fields if name.lower() != "authorization"]
    outgoing = Outgoing(_method(), f"/work/{entity}", fields, request.get_data(cache=True))
    try:
        answer = _answer(gateway.to_service2.forward(trail, outgoing, deadline), config)
    except Exception as error:
        answer = own_error(error)
        answer.headers[headers.ERROR_NODE] = config.node.node
    trail.step(
        steps.CALLBACK_FORWARDED,
        {names.PEER: caller, names.STATUS: answer.status_code, names.DURATION_MS: monotonic_ms(started)},
        severity=SeverityNumber.ERROR if answer.status_code >= 500 else SeverityNumber.INFO,
    )
    return answer


def _method() -> str:
    return "GET" if request.method == "HEAD" else request.method


def _orders(config: GatewayConfig) -> list[tuple[str, str]]:
    """Return the field that orders bugs, where that is allowed."""
    order = request.headers.get(headers.FAULT)
    return [(headers.FAULT, order)] if order and config.fault_headers else []


_STATUS: Final = {"timeout": 504, NO_NODE: 503, SHED: 503, "connection_refused": 503}


def _answer(result: Result, config: GatewayConfig) -> Response:
    """Return what the caller of a leg gets."""
    at_fault_further_on = result.error_node != result.node
    if result.answer is not None and (result.error_type is None or at_fault_further_on):
        fields = for_client(result.answer.headers.items(), config.node.node)
        answer = Response(result.answer.body, result.answer.status, fields)
    else:
        answer = problem(_STATUS.get(result.error_type or "", 502), f"{result.detail}.", errorNode=result.error_node)
        answer.headers["Via"] = f"1.1 {config.node.node}"
        if answer.status_code == 503:
            answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    if result.error_node:
        answer.headers[headers.ERROR_NODE] = result.error_node
    if result.error_type is None or result.answer is not None:
        answer.headers[headers.SERVED_BY] = result.node
    return answer


def _identified(answer: Response, config: GatewayConfig) -> Response:
    """Give an answer of the client API the fields that each of them carries."""
    answer.headers[headers.TRACE_ID] = current_trace_id() or ""
    answer.headers.setdefault("Via", f"1.1 {config.node.node}")
    answer.headers.setdefault(headers.SERVED_BY, config.node.node)
    return answer
