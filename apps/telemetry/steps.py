"""The nineteen steps of a request and what each outcome must have: the one place that knows.

Pure data. The gateway and the services log by it, the journey is checked by it, the docs are
generated from it.

::

    client ─1→ gateway ─2→ service1-k ─3→ gateway ─4→ service2-m
    client ←8─ gateway ←7─ service1-k ←6─ gateway ←5─ service2-m
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from apps.telemetry import names


class Leg(IntEnum):
    """The part of the way that an attempt counts in: a retry repeats the steps of one leg only."""

    CLIENT = 0
    SERVICE1 = 1
    SERVICE2 = 2


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that one app does for a request, logged as it acts.

    *n* is its place among the nineteen; a variant (a bug, a failure) has the place of what it stands for.
    *text* is the log record's body.
    """

    n: int
    name: str
    event: str
    app: str
    leg: Leg
    text: str


def _step(n: int, name: str, event: str, leg: Leg, text: str) -> Step:
    return Step(n, name, event, name.split(".", 1)[0], leg, text)


_RECEIVED, _PICKED, _SENT = names.REQUEST_RECEIVED, names.NODE_PICKED, names.REQUEST_SENT
_ANSWERED, _ANSWER, _DONE = names.RESPONSE_SENT, names.RESPONSE_RECEIVED, names.WORK_DONE

CLIENT_RECEIVED: Final = _step(1, "gateway.client.request.received", _RECEIVED, Leg.CLIENT, "request received")
SERVICE1_PICKED: Final = _step(2, "gateway.service1.picked", _PICKED, Leg.SERVICE1, "node picked")
SERVICE1_SENT: Final = _step(3, "gateway.service1.request.sent", _SENT, Leg.SERVICE1, "request sent")
SERVICE1_RECEIVED: Final = _step(4, "service1.request.received", _RECEIVED, Leg.SERVICE1, "request received")
PART1_DONE: Final = _step(5, "service1.work.part1.done", _DONE, Leg.SERVICE1, "work part 1 done")
SERVICE2_ASKED: Final = _step(6, "service1.service2.request.sent", _SENT, Leg.SERVICE1, "request for service 2 sent")
CALLBACK_RECEIVED: Final = _step(
    7, "gateway.service1.request.received", _RECEIVED, Leg.SERVICE1, "request for service 2 received"
)
SERVICE2_PICKED: Final = _step(8, "gateway.service2.picked", _PICKED, Leg.SERVICE2, "node picked")
SERVICE2_SENT: Final = _step(9, "gateway.service2.request.sent", _SENT, Leg.SERVICE2, "request sent")
SERVICE2_RECEIVED: Final = _step(10, "service2.request.received", _RECEIVED, Leg.SERVICE2, "request received")
WORK_DONE: Final = _step(11, "service2.work.done", _DONE, Leg.SERVICE2, "work done")
SERVICE2_ANSWERED: Final = _step(12, "service2.response.sent", _ANSWERED, Leg.SERVICE2, "response sent")
SERVICE2_ANSWER: Final = _step(13, "gateway.service2.response.received", _ANSWER, Leg.SERVICE2, "response received")
CALLBACK_FORWARDED: Final = _step(
    14, "gateway.service2.response.forwarded", _ANSWERED, Leg.SERVICE1, "response forwarded to service 1"
)
SERVICE2_ANSWER_AT_SERVICE1: Final = _step(
    15, "service1.service2.response.received", _ANSWER, Leg.SERVICE1, "response of service 2 received"
)
PART2_DONE: Final = _step(16, "service1.work.part2.done", _DONE, Leg.SERVICE1, "work part 2 done")
SERVICE1_ANSWERED: Final = _step(17, "service1.response.sent", _ANSWERED, Leg.SERVICE1, "response sent")
SERVICE1_ANSWER: Final = _step(18, "gateway.service1.response.received", _ANSWER, Leg.SERVICE1, "response received")
CLIENT_ANSWERED: Final = _step(19, "gateway.client.response.sent", _ANSWERED, Leg.CLIENT, "response sent")

STEPS: Final = (
    CLIENT_RECEIVED, SERVICE1_PICKED, SERVICE1_SENT, SERVICE1_RECEIVED, PART1_DONE, SERVICE2_ASKED,
    CALLBACK_RECEIVED, SERVICE2_PICKED, SERVICE2_SENT, SERVICE2_RECEIVED, WORK_DONE, SERVICE2_ANSWERED,
    SERVICE2_ANSWER, CALLBACK_FORWARDED, SERVICE2_ANSWER_AT_SERVICE1, PART2_DONE, SERVICE1_ANSWERED,
    SERVICE1_ANSWER, CLIENT_ANSWERED,
)  # fmt: skip
"""The nineteen of a healthy request, in the order of time."""

SERVICE1_BUG: Final = _step(5, "service1.work.bug", names.WORK_FAILED, Leg.SERVICE1, "bug in work part 1")
SERVICE2_BUG: Final = _step(11, "service2.work.bug", names.WORK_FAILED, Leg.SERVICE2, "bug in work")
SERVICE2_FAILED: Final = _step(
    13, "gateway.service2.request.failed", names.REQUEST_FAILED, Leg.SERVICE2, "request to service 2 failed"
)
SERVICE1_FAILED: Final = _step(
    18, "gateway.service1.request.failed", names.REQUEST_FAILED, Leg.SERVICE1, "request to service 1 failed"
)

SERVICE2_UNANSWERED: Final = _step(
    15, "service1.service2.request.failed", names.REQUEST_FAILED, Leg.SERVICE1, "request for service 2 failed"
)

VARIANTS: Final = (SERVICE1_BUG, SERVICE2_BUG, SERVICE2_FAILED, SERVICE2_UNANSWERED, SERVICE1_FAILED)
"""What may stand in place of one of the nineteen."""

BY_NAME: Final = {step.name: step for step in (*STEPS, *VARIANTS)}
BY_NUMBER: Final = {step.n: step for step in STEPS}


FAILURES: Final = {
    "timeout": "deadline",
    "connection_reset": "reset",
    "connection_refused": "reset",
    "no_node": "no_node",
    "shed": "shed",
    "bad_answer": "bad_answer",
}
"""Outcome that the ``error.type`` of a `failed` step stands for, where that was the leg's last word."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the last attempt of a request that ended so must have logged.

    *must* gives, for each place that has to be filled, the step names that fill it. *may* lists the
    places a node may have got to before it fell silent: any run from the first of them, but no hole inside the run.
    *also* lists places that may be there or not.
    """

    name: str
    at: str | None
    must: dict[int, tuple[str, ...]]
    may: tuple[int, ...] = ()
    also: tuple[int, ...] = ()


_EITHER: Final = {
    5: (PART1_DONE.name, SERVICE1_BUG.name),
    11: (WORK_DONE.name, SERVICE2_BUG.name),
}


def _places(*numbers: int, **instead: Step) -> dict[int, tuple[str, ...]]:
    """Return the places *numbers* with what fills them; *instead* names a variant that alone will do."""
    must = {n: _EITHER.get(n, (BY_NUMBER[n].name,)) for n in numbers}
    must.update({step.n: (step.name,) for step in instead.values()})
    return dict(sorted(must.items()))


def _span(first: int, last: int) -> range:
    return range(first, last + 1)


_BACK: Final = (14, 15, 17, 18, 19)
_FAILED1: Final = _places(1, 2, 3, 19, failed=SERVICE1_FAILED)
_FAILED2: Final = _places(*_span(1, 9), *_BACK, failed=SERVICE2_FAILED) | {
    # The gateway gives up a moment before service 1 would; if its answer is late, service 1 has given up as well.
    15: (SERVICE2_ANSWER_AT_SERVICE1.name, SERVICE2_UNANSWERED.name),
}
_TURNED_AWAY: Final = _places(1, 19, failed=SERVICE1_FAILED)

OUTCOMES: Final = (
    Outcome("ok", None, _places(*_span(1, 19))),
    Outcome("bad_answer", "service2", _places(*_span(1, 15), 17, 18, 19, bug=SERVICE2_BUG)),
    Outcome("deadline", "service2", _FAILED2, may=(10, 11, 12)),
    Outcome("reset", "service2", _FAILED2, may=(10, 11, 12)),
    Outcome("no_node", "service2", _places(*_span(1, 7), *_BACK, failed=SERVICE2_FAILED)),
    Outcome(
        "bad_answer",
        "service1",
        _places(1, 2, 3, 4, 17, 19, failed=SERVICE1_FAILED),
        may=tuple(_span(5, 16)),
    ),
    Outcome("deadline", "service1", _FAILED1, may=tuple(_span(4, 16)), also=(17,)),
    Outcome("reset", "service1", _FAILED1, may=tuple(_span(4, 16)), also=(17,)),
    Outcome("no_node", "service1", _TURNED_AWAY),
    Outcome("shed", "service1", _TURNED_AWAY),
)

BY_OUTCOME: Final = {(outcome.name, outcome.at): outcome for outcome in OUTCOMES}


def outcome_of(failed1: str | None, failed2: str | None, bad_answer2: bool) -> Outcome:
    """Return the outcome that the evidence of a journey's last attempts stands for.

    Args:
        failed1: ``error.type`` of the `failed` step in place of 18, if that is there.
        failed2: the same in place of 13.
        bad_answer2: whether step 13 says that service 2 answered badly.

    Raises:
        KeyError: an ``error.type`` that is in no row of `FAILURES`.
    """
    if failed1 is not None:
        return BY_OUTCOME[FAILURES[failed1], "service1"]
    if failed2 is not None:
        return BY_OUTCOME[FAILURES[failed2], "service2"]
    return BY_OUTCOME["bad_answer", "service2"] if bad_answer2 else BY_OUTCOME["ok", None]
