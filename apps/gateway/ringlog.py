"""Tells telemetry how the rings turn: picks, sizes, and whatever happens to a member."""

from collections.abc import Iterable, Sequence
from typing import Final

from opentelemetry._logs import SeverityNumber
from opentelemetry.metrics import CallbackOptions, Observation

from apps.gateway.balancer import Balancer
from apps.gateway.members import SHOWN, Cause, Change, News
from apps.telemetry import names
from apps.telemetry.setup import Telemetry

_EVENTS: Final = {
    News.ADDED: (names.NODE_ADDED, "added", SeverityNumber.INFO),
    News.LINKED: (names.NODE_LINKED, "linked into the ring", SeverityNumber.INFO),
    News.EJECTED: (names.NODE_EJECTED, "ejected from the ring", SeverityNumber.WARN),
    News.RETURNED: (names.NODE_RETURNED, "returned to the ring on probation", SeverityNumber.INFO),
    News.RECOVERED: (names.NODE_RECOVERED, "passed its probation", SeverityNumber.INFO),
    News.SPARED: (names.NODE_SPARED, "not ejected", SeverityNumber.WARN),
    News.DRAINING: (names.NODE_DRAINING, "drains", SeverityNumber.INFO),
    News.DRAINED: (names.NODE_DRAINED, "has drained", SeverityNumber.INFO),
    News.REMOVED: (names.NODE_REMOVED, "removed", SeverityNumber.INFO),
}


class RingLog:
    """The records and metrics of a gateway's rings."""

    def __init__(self, telemetry: Telemetry, services: Sequence[str]) -> None:
        self._recorder = telemetry.recorder
        self._meter = telemetry.meter
        self._ejections = telemetry.meter.create_counter(
            names.METRIC_EJECTIONS, "{ejection}", "Nodes taken out of a ring for their health"
        )
        self._dropped = telemetry.meter.create_counter(
            names.METRIC_STREAMS_DROPPED, "{event}", "Events that a reader of a stream was too slow for"
        )
        self._dropped.add(0)
        for service in services:
            for cause in Cause:
                self._ejections.add(0, {names.SERVICE: service, names.REASON: cause.value})

    def changed(self, change: Change) -> None:
        """Record what happened to a member."""
        event, words, severity = _EVENTS[change.news]
        self._recorder.event(
            event,
            f"{change.node or change.address} {words}: {change.reason}",
            {
                names.SERVICE: change.service,
                names.PEER: change.node or change.address,
                names.STATE: change.state.value,
                names.REASON: change.reason,
                names.RING_SIZE: change.ring_size,
                "server.address": change.address,
            },
            severity=severity,
        )
        if change.news is News.EJECTED and change.cause is not None:
            self._ejections.add(1, {names.SERVICE: change.service, names.REASON: change.cause.value})

    def bugs_ordered(self, target: str, rates: str | None) -> None:
        """Record that bugs were ordered for *target*; None: that its order was taken back."""
        words = "back to their environment's" if rates is None else f"set to {rates or 'none'}"
        self._recorder.event(
            names.BUGS_SET, f"the bugs of {target} are {words}", {names.PEER: target, names.BUG_RATES: rates or ""}
        )

    def dropped(self) -> None:
        """Count an event that a reader of a stream was too slow for."""
        self._dropped.add(1)

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
                for state in SHOWN:
                    yield Observation(states.count(state), {names.SERVICE: balancer.service, names.STATE: state.value})

        self._meter.create_observable_counter(names.METRIC_PICKS, [picks], "{pick}", "Picks of a node")
        self._meter.create_observable_gauge(names.METRIC_RING_NODES, [nodes], "{node}", "Members of a ring by state")
