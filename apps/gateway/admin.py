"""The gateway's admin routes: the rings, and the bugs that nodes were ordered to have. All ask for the admin token."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, current_app, jsonify, request

from apps.gateway.bugfan import BugFan, Told
from apps.gateway.errors import BoundReached, NotFound
from apps.gateway.membership import parse_address
from apps.gateway.probes import Prober
from apps.gateway.rings import Rings
from apps.gateway.shapes import member_shape, ring_shape
from apps.gateway.targets import Targets
from apps.web.faults import FaultError, parse_rates
from apps.web.guards import bears, unauthorized
from apps.web.leaving import leaving_of
from apps.web.problem import problem

MAX_BODY_BYTES: Final = 64 * 1024


class _Unfit(ValueError):
    """A body that no order can be read from; the message says what is wrong and what is expected."""


@dataclass(frozen=True)
class Admin:
    """What the admin routes work with."""

    node: str
    admin_token: str
    service_token: str
    rings: Rings
    bugs: BugFan
    prober: Prober
    targets: Targets


def admin_blueprint(admin: Admin) -> Blueprint:
    """Return the admin routes."""
    blueprint = Blueprint("admin", __name__, url_prefix="/admin")

    @blueprint.before_request
    def guard() -> Response | None:
        request.max_content_length = MAX_BODY_BYTES
        if not bears(admin.admin_token):
            return unauthorized()
        return None if request.method in ("GET", "HEAD") else _elsewhere()

    @blueprint.errorhandler(NotFound)
    def not_found(error: NotFound) -> Response:
        return problem(404, str(error), known=error.known)

    @blueprint.errorhandler(BoundReached)
    def bound_reached(error: BoundReached) -> Response:
        return problem(409, str(error))

    @blueprint.errorhandler(_Unfit)
    def unfit(error: _Unfit) -> Response:
        return problem(400, str(error))

    _add_ring_routes(blueprint, admin)
    _add_bug_routes(blueprint, admin)
    return blueprint


def _elsewhere() -> Response | None:
    """Return the answer to an order that this process must not take any more, None while it may."""
    if not leaving_of(current_app).has_begun:
        return None
    answer = problem(503, "This process of the gateway is ending and takes no more orders; ask again.")
    answer.headers["Retry-After"] = "1"
    answer.headers["Connection"] = "close"
    return answer


def targets_blueprint(admin: Admin) -> Blueprint:
    """Return the route that Prometheus finds the nodes by; the service token will do."""
    blueprint = Blueprint("targets", __name__)

    @blueprint.get("/internal/targets")
    def targets() -> Response:
        if not bears(admin.admin_token, admin.service_token):
            return unauthorized()
        return jsonify(admin.targets.shape(admin.rings.balancers))

    return blueprint


def _add_ring_routes(blueprint: Blueprint, admin: Admin) -> None:
    rings = admin.rings

    @blueprint.get("/rings")
    def show_rings() -> Response:
        return jsonify({"gateway": admin.node, "rings": [ring_shape(balancer) for balancer in rings.balancers]})

    @blueprint.post("/rings/<service>/members")
    def add_member(service: str) -> tuple[Response, int]:
        balancer = rings.balancer(service)
        try:
            address = parse_address(_field("address", '{"address": "host:port"}, as in {"address": "127.0.0.1:8103"}'))
        except _Unfit:
            raise
        except ValueError as error:
            raise _Unfit(f"address: {error}.") from error
        member, is_new = rings.add(service, address)
        admin.prober.wake()
        return jsonify(member_shape(balancer, member)), 201 if is_new else 200

    @blueprint.post("/rings/<service>/members/<name>/drain")
    def drain_member(service: str, name: str) -> Response:
        member = rings.drain(service, name)
        return jsonify(member_shape(rings.balancer(service), member))

    @blueprint.delete("/rings/<service>/members/<name>")
    def remove_member(service: str, name: str) -> Response:
        rings.remove(service, name)
        return Response(status=204)


def _add_bug_routes(blueprint: Blueprint, admin: Admin) -> None:
    bugs = admin.bugs

    @blueprint.get("/bugs")
    def show_bugs() -> Response:
        orders = [{"target": target, "rates": rates} for target, rates in bugs.orders.all().items()]
        nodes = [
            {"service": service, "node": member.node, "bugs": member.bugs}
            for service, member in sorted(bugs.nodes(), key=lambda one: (one[0], one[1].node))
        ]
        return jsonify({"orders": orders, "nodes": nodes})

    @blueprint.put("/bugs/<target>")
    def order_bugs(target: str) -> Response:
        rates = _field("rates", '{"rates": "kind=probability;parameter=value,…"}, as in {"rates": "slow=0.1;ms=400"}')
        try:
            parse_rates(rates)
        except FaultError as error:
            raise _Unfit(f"rates: {error}.") from error
        told = bugs.put(target, rates.strip())
        admin.prober.wake()
        return jsonify(_told_shape(target, rates.strip(), told))

    @blueprint.delete("/bugs")
    @blueprint.delete("/bugs/<target>")
    def clear_bugs(target: str | None = None) -> Response:
        told = bugs.clear(target)
        admin.prober.wake()
        return jsonify(_told_shape(target, None, told))


def _told_shape(target: str | None, rates: str | None, told: Sequence[Told]) -> dict[str, Any]:
    nodes = [
        {"node": one.node, "status": "set" if one.detail is None else "unreachable", "detail": one.detail}
        for one in told
    ]
    return {"target": target, "rates": rates, "nodes": nodes}


def _field(name: str, expected: str) -> str:
    """Return the text in the field *name* of the request's JSON object.

    Raises:
        _Unfit: there is none, or there is anything beside it.
    """
    try:
        shape = json.loads(request.get_data())
    except (ValueError, RecursionError) as error:
        raise _Unfit(f"The body is not JSON; expected {expected}.") from error
    if not isinstance(shape, dict) or set(shape) != {name} or not isinstance(shape[name], str):
        raise _Unfit(f"The body has another form than expected: {expected}.")
    text: str = shape[name]
    return text
