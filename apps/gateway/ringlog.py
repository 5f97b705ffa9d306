"""Tells telemetry how the rings turn: picks, sizes, ejections and returns."""

from collections.abc import Iterable, Sequence

from opentelemetry._logs import SeverityNumber
from opentelemetry.metrics import CallbackOptions, Observation

from apps.gateway.balancer import Balancer, Cause, Change, State
from apps.telemetry import names
from apps.telemetry.setup import Telemetry

_EVENTS = {
    State.LINKED: (names.NODE_LINKED, "linked into the ring", SeverityNumber.INFO),
    State.PROBATION: (names.NODE_RETURNED, "returned to the ring on probation", SeverityNumber.INFO),
    State.EJECTED: (names.NODE_EJECTED, "ejected from the ring", SeverityNumber.WARN),
}


class RingLog:
    """The records and metrics of a gateway's rings."""

    def __init__(self, telemetry: Telemetry, services: Sequence[str]) -> None:
        self._recorder = telemetry.recorder
        self._meter = telemetry.meter
        self._ejections = telemetry.meter.create_counter(
            names.METRIC_EJECTIONS, "{ejection}", "Nodes taken out of a ring"
        )
        for service in services:
            for cause in Cause:
                self._ejections.add(0, {names.SERVICE: service, names.REASON: cause.value})

    def changed(self, change: Change) -> None:
        """Record that a node went into a ring or out of it."""
        event, words, severity = _EVENTS[change.state]
        self._recorder.event(
            event,
            f"{change.node} {words}: {change.reason}",
            {
                names.SERVICE: change.service,
                names.PEER: change.node,
                names.REASON: change.reason,
                names.RING_SIZE: change.ring_size,
                "server.address": change.address,
            },
            severity=severity,
        )
        if change.cause is not None:
            self._ejections.add(1, {names.SERVICE: change.service, names.REASON: change.cause.value})

    def watch(self, balancers: Sequence[Balancer]) -> None:
        """Observe the picks of each node and the number of nodes in each state."""

        def picks(_options: CallbackOptions) -> Iterable[Observation]:
            for balancer in balancers:
                for member in balancer.members():
                    if member.node:
                        yield Observation(member.picks, {names.SERVICE: balancer.service, names.PEER: member.node})

        def nodes(_options: CallbackOptions) -> Iterable[Observation]:
            for balancer in balancers:
                states = [member.state for member in balancer.members()]
                for state in State:
                    yield Observation(states.count(state), {names.SERVICE: balancer.service, names.STATE: state.value})

        self._meter.create_observable_counter(names.METRIC_PICKS, [picks], "{pick}", "Picks of a node")
        self._meter.create_observable_gauge(names.METRIC_RING_NODES, [nodes], "{node}", "Members of a ring by state")
