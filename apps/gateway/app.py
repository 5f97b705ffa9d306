"""Makes the gateway: balancers, forwarders, routes and what runs beside them."""

import requests

from apps.gateway.admission import Admission, RetryBudget
from apps.gateway.balancer import Balancer
from apps.gateway.config import GatewayConfig
from apps.gateway.forwarding import SERVICE1, SERVICE2, Forwarder, mark_span
from apps.gateway.probes import Prober
from apps.gateway.ringlog import RingLog
from apps.gateway.routes import Gateway, gateway_blueprint
from apps.telemetry.setup import Telemetry
from apps.web.app import base_app
from apps.web.client import new_session
from apps.web.health import Check
from apps.web.server import Service

MAX_BODY_BYTES = 1024 * 1024
FAIR_SHARE = 0.5
"""Of the gateway's own deadline, that a node must have been given to be blamed for not keeping it."""


def _has_node(balancer: Balancer) -> Check:
    return lambda: None if len(balancer) else f"the ring of {balancer.service} is empty"


def create_service(
    config: GatewayConfig, telemetry: Telemetry, *, session: requests.Session | None = None
) -> tuple[Service, Prober]:
    """Return the gateway, and its prober for tests that turn it by hand.

    Args:
        config: the gateway's settings.
        telemetry: gets the spans, the steps and the metrics.
        session: reaches the replicas; by default one with a connection for each thread.
    """
    session = session or new_session(config.node.threads)
    ring_log = RingLog(telemetry, ("service1", "service2"))
    balancers = tuple(
        Balancer(service, members, config.policy, on_change=ring_log.changed)
        for service, members in (("service1", config.service1_members), ("service2", config.service2_members))
    )
    ring_log.watch(balancers)
    prober = Prober(balancers, session, config.probe_interval_s)
    fair_s = config.deadline_ms / 1000 * FAIR_SHARE
    gateway = Gateway(
        config,
        telemetry.recorder,
        Admission(config.admitted),
        Forwarder(balancers[0], SERVICE1, session, RetryBudget(), fair_s),
        Forwarder(balancers[1], SERVICE2, session, RetryBudget(), fair_s),
        balancers,
    )
    app = base_app(
        __name__,
        config.node,
        telemetry,
        checks=[_has_node(balancer) for balancer in balancers],
        forms=("application/json",),
    )
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.register_blueprint(gateway_blueprint(gateway))

    def start() -> None:
        telemetry.instrument_client(mark_span)
        telemetry.start()
        prober.start()

    def stop() -> None:
        prober.stop()
        telemetry.stop()

    return Service(app, start, stop), prober
