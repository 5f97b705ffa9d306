"""Looks at the journeys of a sample of the requests, a while after their answers and off their way. Bounded.

Knows no HTTP: who asks storage is handed in. `turn` does what is due and returns; whoever owns it calls it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.load.checks import OUTCOMES
from tests.load.result import Journeys

FIRST_LOOK_S = 2.0
"""From emitted to searchable it takes a second at the most."""
AGAIN_S = 1.0
PATIENCE_S = 15.0
"""A journey that is not whole after so long has holes."""
MAX_WAITING = 200
MAX_HOLED = 1_000
LOOKS_A_TURN = 20

Ask = Callable[[str], Sequence[Mapping[str, Any]]]
"""Returns storage's journeys of a trace id; empty when it knows none. Raises OSError when it does not answer."""


@dataclass(frozen=True)
class _Waiting:
    trace_id: str
    status: int
    answered: float
    look: float


class Sampler:
    """Takes one request in *every* (0: none) and judges its journey.

    Args:
        every: the sample.
        ask: asks storage.
        clock: returns seconds, never going back.
        found: where the findings are counted.
    """

    def __init__(self, every: int, ask: Ask, clock: Callable[[], float], found: Journeys) -> None:
        self._every = every
        self._ask = ask
        self._clock = clock
        self._found = found
        self._offered = 0
        self._waiting: deque[_Waiting] = deque()

    @property
    def waiting(self) -> int:
        """How many journeys are still to be judged."""
        return len(self._waiting)

    def offer(self, trace_id: str | None, status: int) -> None:
        """Take this answered request into the sample if it is its turn."""
        self._offered += 1
        if not self._every or not trace_id or status not in OUTCOMES or self._offered % self._every:
            return
        self._found.taken += 1
        if len(self._waiting) >= MAX_WAITING:
            self._give_up("more than storage could tell about in time")
            return
        now = self._clock()
        self._waiting.append(_Waiting(trace_id, status, now, now + FIRST_LOOK_S))

    def turn(self) -> None:
        """Look at the journeys whose time has come, a bounded number of them."""
        for _ in range(min(len(self._waiting), LOOKS_A_TURN)):
            one = self._waiting.popleft()
            if one.look > self._clock() or not self._is_done(one):
                self._waiting.append(one if one.look > self._clock() else self._later(one))

    def _later(self, one: _Waiting) -> _Waiting:
        return _Waiting(one.trace_id, one.status, one.answered, self._clock() + AGAIN_S)

    def _is_done(self, one: _Waiting) -> bool:
        is_late = self._clock() - one.answered > PATIENCE_S
        try:
            wrong = fault_of(self._ask(one.trace_id), one.status)
        except OSError as error:
            if is_late:
                self._give_up(f"storage did not answer: {error}"[:120])
            return is_late
        if wrong is None:
            self._found.whole += 1
        elif is_late and len(self._found.holed) < MAX_HOLED:
            self._found.holed.append((one.trace_id, wrong))
        return wrong is None or is_late

    def _give_up(self, why: str, count: int = 1) -> None:
        self._found.unchecked += count
        self._found.why_unchecked = self._found.why_unchecked or why

    def finish(self, sleep: Callable[[float], None], within_s: float) -> None:
        """Judge what is left, for at most *within_s* seconds; what is left then is not known to be whole or not."""
        until = self._clock() + within_s
        while self._waiting and self._clock() < until:
            self.turn()
            if self._waiting:
                sleep(0.2)
        if self._waiting:
            self._give_up("the run ended before its time had come", len(self._waiting))
            self._waiting.clear()


def fault_of(journeys: Sequence[Mapping[str, Any]], status: int) -> str | None:
    """Return what is wrong with the *journeys* of one request that was answered with *status*; None if nothing is."""
    if len(journeys) != 1:
        return "storage has no journey of it" if not journeys else f"storage has {len(journeys)} journeys of it"
    journey = journeys[0]
    if not journey.get("complete"):
        return _holes(journey)
    outcome = str(journey.get("outcome"))
    if outcome not in OUTCOMES[status]:
        return f"its outcome is {outcome}, which does not fit {status}"
    if journey.get("status") != status:
        return f"its last step says {journey.get('status')}, the answer was {status}"
    return None


def _holes(journey: Mapping[str, Any]) -> str:
    missing = [
        f"{place.get('n')} {place.get('step')} of {place.get('node') or 'a node'}" for place in _of(journey, "missing")
    ]
    twice = [f"{place.get('n')} {place.get('step')} twice" for place in _of(journey, "duplicated")]
    return f"{journey.get('outcome')}: lacks " + ", ".join([*missing, *twice][:3] or ["its end"])


def _of(journey: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = journey.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
