"""Requests as they end, each with its way round the ring: picks and ends of several gateways, joined. Pure.

The gateway that a request came in at tells of its end; which nodes it met is told by whichever gateway picked them.
What belongs together is known by the journey's id.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from apps.cli import shape
from apps.cli.following import Told

MOST_UNDER_WAY: Final = 10_000
"""Journeys whose picks are kept while nobody told of their end; the oldest is forgotten first."""
GRACE_S: Final = 0.25
"""How long an end waits for picks that another gateway may still tell."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A node that a request was sent to."""

    service: str
    node: str
    attempt: int
    parent_attempt: int
    at_gateway: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A client request that ended. *duration_ms* is None and *status* 0 where the gateway did not say."""

    gateway: str
    journey_id: str
    trace_id: str
    entity: str
    method: str
    status: int
    duration_ms: float | None
    error_type: str
    error_node: str
    is_synthetic: bool
    time: str
    picks: tuple[Pick, ...] = ()

    @property
    def is_good(self) -> bool:
        """Tell whether the answer is a success."""
        return 200 <= self.status < 400

    def way(self) -> list[tuple[str, bool]]:
        """Return the nodes on the way with whether each was met in vain: tried again elsewhere, or at fault."""
        found: list[tuple[str, bool]] = []
        outer = sorted((one for one in self.picks if one.service == "service1"), key=lambda one: one.attempt)
        inner = [one for one in self.picks if one.service != "service1"]
        attempts = [one.attempt for one in outer] or [0]
        for n, attempt in enumerate(attempts):
            is_last = n == len(attempts) - 1
            if outer:
                found.append((outer[n].node, not is_last or outer[n].node == self.error_node))
            # What belongs to no attempt that is known belongs to the last one.
            mine = [
                one
                for one in inner
                if one.parent_attempt == attempt or (is_last and one.parent_attempt not in attempts)
            ]
            mine.sort(key=lambda one: one.attempt)
            for m, one in enumerate(mine):
                found.append((one.node, m < len(mine) - 1 or one.node == self.error_node))
        return found

    def as_json(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        return {
            "type": "request",
            "gateway": self.gateway,
            "time": self.time or None,
            "ok": self.is_good,
            "status": self.status or None,
            "method": self.method or None,
            "entity": self.entity or None,
            "durationMs": self.duration_ms,
            "errorType": self.error_type or None,
            "errorNode": self.error_node or None,
            "synthetic": self.is_synthetic,
            "journeyId": self.journey_id or None,
            "traceId": self.trace_id or None,
            "way": [
                {
                    "service": one.service,
                    "node": one.node,
                    "attempt": one.attempt,
                    "parentAttempt": one.parent_attempt,
                    "gateway": one.at_gateway,
                }
                for one in self.picks
            ],
        }


@dataclass(frozen=True, slots=True)
class Filter:
    """Which requests are wanted. *entity* empty: all; *slower_than_ms* None: however long they took."""

    only_errors: bool = False
    entity: str = ""
    slower_than_ms: float | None = None

    def takes(self, ended: Ended) -> bool:
        """Tell whether *ended* is wanted."""
        if self.only_errors and ended.is_good:
            return False
        if self.entity and ended.entity != self.entity:
            return False
        return self.slower_than_ms is None or (ended.duration_ms or 0) > self.slower_than_ms


class Ways:
    """Joins picks and ends. *grace_s* is how long an end waits for picks that come by another stream."""

    def __init__(self, grace_s: float = 0.0) -> None:
        self._grace_s = grace_s
        self._picks: OrderedDict[str, list[Pick]] = OrderedDict()
        self._ended: list[tuple[float, Ended]] = []

    def fold(self, told: Told) -> None:
        """Take what a gateway told into account; what is no pick and no end is passed over."""
        if told.name == "pick":
            self._pick(told)
        elif told.name == "request":
            self._ended.append((told.at, _ended(told)))

    def ripe(self, now: float) -> Iterator[Ended]:
        """Yield the requests that ended and have waited long enough at *now* (monotonic seconds), in their order."""
        while self._ended and now - self._ended[0][0] >= self._grace_s:
            _, ended = self._ended.pop(0)
            yield replace(ended, picks=tuple(self._picks.pop(ended.journey_id, ())))

    def _pick(self, told: Told) -> None:
        journey = shape.text(told.data, "journeyId")
        pick = Pick(
            shape.text(told.data, "service"),
            shape.text(told.data, "node", "?"),
            shape.whole(told.data, "attempt", 1),
            shape.whole(told.data, "parentAttempt"),
            told.gateway,
        )
        self._picks.setdefault(journey, []).append(pick)
        if len(self._picks) > MOST_UNDER_WAY:
            self._picks.popitem(last=False)


def _ended(told: Told) -> Ended:
    data = told.data
    return Ended(
        told.gateway,
        shape.text(data, "journeyId"),
        shape.text(data, "traceId"),
        shape.text(data, "entity"),
        shape.text(data, "method"),
        shape.whole(data, "status"),
        shape.number(data, "durationMs"),
        shape.text(data, "errorType"),
        shape.text(data, "errorNode"),
        shape.flag(data, "synthetic"),
        shape.text(data, "time"),
    )
