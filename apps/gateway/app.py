"""Makes the gateway: balancers, forwarders, routes and what runs beside them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import requests

from apps.gateway.admin import Admin, admin_blueprint, targets_blueprint
from apps.gateway.admission import Admission, RetryBudget
from apps.gateway.balancer import Balancer
from apps.gateway.bugfan import BugFan
from apps.gateway.bugs import BugOrders
from apps.gateway.config import GatewayConfig
from apps.gateway.dns import LookUps
from apps.gateway.feed import Feed
from apps.gateway.forwarding import SERVICE1, SERVICE2, Forwarder, mark_span
from apps.gateway.kept import StateFile
from apps.gateway.members import Change, News, Picked
from apps.gateway.membership import Membership
from apps.gateway.probes import Prober
from apps.gateway.ringlog import RingLog
from apps.gateway.rings import Rings
from apps.gateway.routes import Gateway, gateway_blueprint
from apps.gateway.shapes import change_shape, pick_shape, time_text
from apps.gateway.stream import stream_blueprint
from apps.gateway.targets import Targets
from apps.telemetry.setup import Telemetry
from apps.telemetry.steps import Leg
from apps.telemetry.trail import Trail
from apps.web.app import base_app
from apps.web.client import new_session
from apps.web.health import Check
from apps.web.server import Service

MAX_BODY_BYTES = 1024 * 1024
FAIR_SHARE = 0.5
"""Of the gateway's own deadline, that a node must have been given to be blamed for not keeping it."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Teller:
    """Tells everybody what happens: telemetry, those who watch, and the list of what Prometheus scrapes."""

    log: RingLog
    feed: Feed
    targets: Targets

    def changed(self, change: Change) -> None:
        """Tell what happened to a member."""
        self.targets.changed(change)
        self.log.changed(change)
        if self.feed.is_watched:
            self.feed.publish("ring", change_shape(change))

    def bugs_ordered(self, target: str, rates: str | None) -> None:
        """Tell that bugs were ordered, or that an order was taken back."""
        self.log.bugs_ordered(target, rates)
        if self.feed.is_watched:
            self.feed.publish("bug", {"target": target, "rates": rates, "time": time_text()})

    def picked(self, service: str) -> Callable[[Trail, Leg, Picked], None]:
        """Return what tells a pick of a node of *service*."""

        def tell(trail: Trail, leg: Leg, picked: Picked) -> None:
            if self.feed.is_watched:
                self.feed.publish("pick", pick_shape(service, trail, leg, picked))

        return tell


def _has_node(balancer: Balancer) -> Check:
    return lambda: None if len(balancer) else f"the ring of {balancer.service} is empty"


def _rings(config: GatewayConfig, on_change: Callable[[Change], None], state: StateFile) -> Rings:
    memberships = {
        "service1": Membership(config.service1_members),
        "service2": Membership(config.service2_members),
    }
    balancers = [
        Balancer(service, tuple(membership.wanted()), config.policy, on_change=on_change)
        for service, membership in memberships.items()
    ]
    return Rings(balancers, memberships, state.keep_rings)


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
    state = StateFile(config.state_file)
    ring_log = RingLog(telemetry, ("service1", "service2"))
    teller = Teller(ring_log, Feed(config.streams, on_drop=ring_log.dropped), Targets())

    def changed(change: Change) -> None:
        teller.changed(change)
        if change.news is News.REMOVED:
            bugs.forget(change.node)

    rings = _rings(config, changed, state)
    ring_log.watch(rings.balancers)
    bugs = BugFan(
        BugOrders(),
        rings.balancers,
        session,
        config.admin_token,
        keep=state.keep_bugs,
        on_order=teller.bugs_ordered,
    )
    prober = Prober(rings.balancers, session, config.probe_interval_s, notice=bugs.notice)
    look_ups = LookUps(rings.names(), rings.resolved, rings.settle, config.dns_interval_s)
    app = base_app(
        __name__,
        config.node,
        telemetry,
        checks=[_has_node(balancer) for balancer in rings.balancers],
        forms=("application/json",),
    )
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    admin = Admin(config.node.node, config.admin_token, config.service_token, rings, bugs, prober, teller.targets)
    app.register_blueprint(gateway_blueprint(_gateway(config, telemetry, session, rings, teller)))
    app.register_blueprint(admin_blueprint(admin))
    app.register_blueprint(targets_blueprint(admin))
    app.register_blueprint(stream_blueprint(teller.feed, config.admin_token))

    def start() -> None:
        telemetry.instrument_client(mark_span)
        telemetry.start()
        kept = state.load()
        rings.restore(kept.rings)
        for target in bugs.orders.restore(kept.bugs):
            _log.warning("the order for bugs of %s cannot be taken up any more: there are no such bugs", target)
        look_ups.start()
        prober.start()

    def stop() -> None:
        look_ups.stop()
        prober.stop()
        telemetry.stop()

    def hand_over() -> None:
        # The newer process looks after members and bugs now: two that do would undo each other's orders.
        look_ups.stop()
        prober.retire()

    return Service(app, start, stop, hand_over=hand_over), prober


def _gateway(
    config: GatewayConfig, telemetry: Telemetry, session: requests.Session, rings: Rings, teller: Teller
) -> Gateway:
    fair_s = config.deadline_ms / 1000 * FAIR_SHARE
    to_service1, to_service2 = (
        Forwarder(balancer, legs, session, RetryBudget(), fair_s, teller.picked(balancer.service))
        for balancer, legs in zip(rings.balancers, (SERVICE1, SERVICE2), strict=True)
    )
    # Who watches holds a thread that a client's request, or its call back, would need.
    admission = Admission(config.admitted, lambda: teller.feed.readers)
    return Gateway(config, telemetry.recorder, admission, to_service1, to_service2, teller.feed)
