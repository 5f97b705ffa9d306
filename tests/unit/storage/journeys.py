"""Plays requests through the nineteen steps, and lets things go wrong on the way."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from apps.storage.journey import Journey, journeys_of
from apps.storage.model import JourneyRecord
from apps.telemetry import names, steps
from apps.telemetry.steps import Leg, Step
from tests.unit.storage.builders import NOW

MS = 1_000_000
NODES = {"gateway": "gateway-1", "service1": "service1-1", "service2": "service2-1"}
PEERS = {
    "gateway": {
        Leg.CLIENT: "client",
        Leg.SERVICE1: "service1-1",
        Leg.SERVICE2: "service2-1",
    },
    "service1": dict.fromkeys(Leg, "gateway"),
    "service2": dict.fromkeys(Leg, "gateway"),
}
SERVER_SPANS = {"gateway": "aaaa000000000001", "service1": "aaaa000000000002", "service2": "aaaa000000000004"}
CALLBACK_SPAN = "aaaa000000000003"
CLIENT_SPANS = {"service1": "cccc000000000001", "gateway": "cccc000000000002", "service2": "cccc000000000003"}
WORK_SPANS = {5: "eeee000000000005", 11: "eeee000000000011", 16: "eeee000000000016"}
ALL_SPANS = {*SERVER_SPANS.values(), CALLBACK_SPAN, *CLIENT_SPANS.values(), *WORK_SPANS.values()}
"""The spans of a healthy request: the client's own, above the entry span, is never in storage."""
CLIENTS_OWN_SPAN = "ffff00000000000f"

HEALTHY = tuple(range(1, 20))


@dataclass
class Play:
    """A request that is being played; *records* is what its nodes logged."""

    journey_id: str = SERVER_SPANS["gateway"]
    start: int = NOW
    nodes: dict[str, str] = field(default_factory=lambda: dict(NODES))
    records: list[JourneyRecord] = field(default_factory=list)
    _clock: int = 0

    def step(self, step: Step | int, attempt: int = 1, parent: int = 1, **attributes: Any) -> "Play":
        """Let *step* be logged a millisecond after the one before. Attributes go by the names of `names`."""
        taken = steps.BY_NUMBER[step] if isinstance(step, int) else step
        self._clock += MS
        app = taken.app
        is_callback = app == "gateway" and 7 <= taken.n <= 14
        span = WORK_SPANS.get(taken.n) or (CALLBACK_SPAN if is_callback else SERVER_SPANS[app])
        held: dict[str, Any] = {
            names.STEP: taken.name,
            names.JOURNEY_ID: self.journey_id,
            names.ENTITY: "orders",
            names.PEER: self._peer(app, taken),
            names.ATTEMPT: attempt,
            names.PARENT_SPAN_ID: self._parent(taken.n, app, is_callback),
            names.UID: f"{self.journey_id}{len(self.records):016x}",
        }
        if taken.leg is Leg.SERVICE2:
            held[names.PARENT_ATTEMPT] = parent
        if taken is steps.CLIENT_ANSWERED:
            held |= {names.STATUS: 200, names.DURATION_MS: 18.0}
        held |= {getattr(names, key): value for key, value in attributes.items()}
        record = JourneyRecord(
            key=self.start + self._clock,
            time=self.start + self._clock,
            node=self.nodes[app],
            app=app,
            severity=9,
            event=taken.event,
            message=taken.text,
            span_id=span,
            attributes=held,
        )
        self.records.append(record)
        return self

    def steps(self, *numbers: int, attempt: int = 1, inner: int = 1, parent: int = 1) -> "Play":
        """Let the steps at these places be logged; *inner* counts the attempts of the leg to service 2."""
        for n in numbers:
            leg = steps.BY_NUMBER[n].leg
            self.step(n, inner if leg is Leg.SERVICE2 else attempt, parent)
        return self

    def _peer(self, app: str, taken: Step) -> str:
        peer = PEERS[app][taken.leg]
        return self.nodes.get(peer.rsplit("-", 1)[0], peer) if "-" in peer else peer

    def _parent(self, n: int, app: str, is_callback: bool) -> str:
        if n in WORK_SPANS:
            return SERVER_SPANS[app]
        if is_callback:
            return CLIENT_SPANS["gateway"]
        return CLIENTS_OWN_SPAN if app == "gateway" else CLIENT_SPANS[app]

    def journey(self, spans: Iterable[str] = tuple(ALL_SPANS)) -> Journey:
        """Return the one journey of these records."""
        (found,) = journeys_of(reversed(self.records), set(spans))
        return found


def without(play: Play, *numbers: int) -> Play:
    """Return *play* with the records at these places lost."""
    lost = {step.name for step in steps.BY_NAME.values() if step.n in numbers}
    play.records = [record for record in play.records if record.text(names.STEP) not in lost]
    return play


def moved(play: Play, app: str, by_ns: int) -> Play:
    """Return *play* with the clock of *app* wrong by *by_ns*."""
    play.records = [
        replace(record, time=record.time + by_ns) if record.app == app else record for record in play.records
    ]
    return play


def numbers_of(journey: Journey) -> list[int]:
    """Return the places of a journey's steps, in the order they are shown."""
    return [taken.n for taken in journey.steps]
