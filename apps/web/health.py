"""``/healthz``, ``/readyz`` and ``/metrics``: the same on every app."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from flask import Blueprint, Response, current_app, jsonify, request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from apps.web.leaving import leaving_of

Check = Callable[[], str | None]
"""Returns why a node must not get traffic, None when it may."""

Facts = Callable[[], Mapping[str, object]]
"""Returns what else ``/readyz`` tells of a node, ready or not."""

ALIVE: Final = {"status": "alive"}
DRAINING: Final = "draining"


def health_blueprint(
    service: str,
    node: str,
    registry: CollectorRegistry,
    checks: Sequence[Check] = (),
    facts: Facts = dict,
) -> Blueprint:
    """Return the three routes of a node. ``/readyz`` names the node: the gateway links it under that name."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return jsonify(ALIVE)

    @blueprint.get("/readyz")
    def readyz() -> tuple[Response, int]:
        is_draining = leaving_of(current_app).is_draining
        reasons = [DRAINING] if is_draining else [reason for check in checks if (reason := check())]
        status = DRAINING if is_draining else "not ready" if reasons else "ready"
        shape: dict[str, object] = {"status": status, "service": service, "node": node, **facts()}
        if reasons:
            return jsonify(shape | {"reasons": reasons}), 503
        return jsonify(shape), 200

    @blueprint.get("/metrics")
    def metrics() -> Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=content_type)

    return blueprint
