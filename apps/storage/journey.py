"""Turns the step records of one trace into journeys, and says what each of them lacks.

Pure. What the steps are, and what each outcome must have, is read from `apps.telemetry.steps`. A journey belongs to one
gateway entry span: two requests under one trace id are two journeys. It is judged by its last attempts; the earlier
ones are shown beside it. Times are unix nanoseconds.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from apps.storage.model import JourneyRecord
from apps.telemetry import names, steps
from apps.telemetry.steps import Leg, Outcome, Step

UNFINISHED: Final = "unfinished"
_FINISHED_BY: Final = frozenset({steps.SERVICE1_ANSWER.n, steps.CLIENT_ANSWERED.n})

_CALLERS: Final = {
    (steps.SERVICE1_RECEIVED.app, Leg.SERVICE1): steps.SERVICE1_SENT,
    (steps.CALLBACK_RECEIVED.app, Leg.SERVICE1): steps.SERVICE2_ASKED,
    (steps.SERVICE2_RECEIVED.app, Leg.SERVICE2): steps.SERVICE2_SENT,
}
"""By what the caller had logged last before a node's first step: that is the owner of that node's parent span."""
_WORK: Final = frozenset({names.WORK_DONE, names.WORK_FAILED})
_CALLBACK: Final = range(steps.CALLBACK_RECEIVED.n, steps.CALLBACK_FORWARDED.n + 1)


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that a node logged."""

    step: Step
    record: JourneyRecord
    attempt: int
    parent_attempt: int | None

    @property
    def n(self) -> int:
        """Return the step's place among the nineteen."""
        return self.step.n


@dataclass(frozen=True, slots=True)
class Place:
    """A step that should have been logged once by *node* (None if that is not known), and was not."""

    step: Step
    node: str | None
    attempt: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """An earlier try of a leg, with what was logged of it."""

    leg: Leg
    attempt: int
    parent_attempt: int | None
    steps: tuple[Taken, ...]


@dataclass(frozen=True, slots=True)
class OpenSpan:
    """A span that records refer to and that is not there: it never ended, or has not arrived."""

    span_id: str
    app: str
    node: str | None
    last_step: str


@dataclass(frozen=True, slots=True)
class Skew:
    """A step whose time is *behind_ns* before that of the step it follows."""

    step: Step
    behind_ns: int


@dataclass(frozen=True, slots=True)
class Journey:
    """The way of one request. *steps* are those of the last attempts, by place; *is_complete* judges these alone."""

    journey_id: str
    is_complete: bool
    outcome: str
    at: str | None
    entity: str | None
    start: int
    duration_ms: float | None
    status: int | None
    steps: tuple[Taken, ...]
    earlier_attempts: tuple[Attempt, ...] = ()
    missing: tuple[Place, ...] = ()
    duplicated: tuple[Place, ...] = ()
    unfinished: tuple[OpenSpan, ...] = ()
    clock_skew: tuple[Skew, ...] = ()


def journeys_of(records: Iterable[JourneyRecord], span_ids: Collection[str]) -> list[Journey]:
    """Return the journeys in the *records* of one trace, by the time they began; empty if there are none.

    Args:
        records: logs of the trace, in any order; those that are no steps of a journey are passed over.
        span_ids: the spans of the trace that are there, 16 hex digits each.
    """
    by_journey: dict[str, list[Taken]] = {}
    for record in records:
        journey_id = record.text(names.JOURNEY_ID)
        taken = _taken(record)
        if journey_id and taken:
            by_journey.setdefault(journey_id, []).append(taken)
    found = [_journey(journey_id, taken, span_ids) for journey_id, taken in by_journey.items()]
    return sorted(found, key=lambda journey: (journey.start, journey.journey_id))


def _taken(record: JourneyRecord) -> Taken | None:
    step = steps.BY_NAME.get(record.text(names.STEP) or "")
    if step is None:
        return None
    is_inner = step.leg is Leg.SERVICE2
    return Taken(
        step,
        record,
        attempt=_attempt(record, names.ATTEMPT),
        parent_attempt=_attempt(record, names.PARENT_ATTEMPT) if is_inner else None,
    )


def _attempt(record: JourneyRecord, name: str) -> int:
    number = record.number(name)
    return number if isinstance(number, int) and number > 0 else 1


def _journey(journey_id: str, taken: list[Taken], span_ids: Collection[str]) -> Journey:
    taken.sort(key=lambda one: (one.n, one.attempt, one.record.time, one.record.key))
    last = _Last.of(taken)
    evidence = _Evidence(last.steps)
    judged = _Judged(evidence)
    missing = judged.missing(last)
    duplicated = judged.duplicated(last)
    final = evidence.at(steps.CLIENT_ANSWERED)
    status = final.number(names.STATUS) if final else None
    return Journey(
        journey_id=journey_id,
        is_complete=evidence.is_finished and not missing and not duplicated,
        outcome=evidence.outcome.name if evidence.is_finished else UNFINISHED,
        at=evidence.outcome.at if evidence.is_finished else None,
        entity=next((text for one in taken if (text := one.record.text(names.ENTITY))), None),
        start=_start(taken),
        duration_ms=final.number(names.DURATION_MS) if final else None,
        status=int(status) if status is not None else None,
        steps=last.steps,
        earlier_attempts=_earlier(taken, last),
        missing=missing,
        duplicated=duplicated,
        unfinished=_open_spans(taken, last, span_ids),
        clock_skew=tuple(_skew(judged, last.steps)),
    )


def _start(taken: Sequence[Taken]) -> int:
    received = [one.record.time for one in taken if one.step is steps.CLIENT_RECEIVED]
    return min(received or [one.record.time for one in taken])


@dataclass(frozen=True, slots=True)
class _Last:
    """The last attempt of each leg. The inner leg's is the last one *within* the last attempt of the outer leg."""

    outer: int
    inner: int
    steps: tuple[Taken, ...] = field(default=())

    @classmethod
    def of(cls, taken: Sequence[Taken]) -> "_Last":
        outer = max(
            (one.parent_attempt or one.attempt for one in taken if one.step.leg is not Leg.CLIENT),
            default=1,
        )
        inner = max((one.attempt for one in taken if one.parent_attempt == outer), default=1)
        found = cls(outer, inner)
        return cls(outer, inner, tuple(one for one in taken if found.holds(one)))

    def holds(self, one: Taken) -> bool:
        """Tell whether a step belongs to the last attempt of its leg."""
        if one.step.leg is Leg.CLIENT:
            return True
        if one.step.leg is Leg.SERVICE1:
            return one.attempt == self.outer
        return (one.parent_attempt, one.attempt) == (self.outer, self.inner)

    def attempt_of(self, leg: Leg) -> int:
        """Return the number of the last attempt of *leg*."""
        return {Leg.CLIENT: 1, Leg.SERVICE1: self.outer, Leg.SERVICE2: self.inner}[leg]

    def place(self, step: Step) -> Place:
        """Return *step* in this attempt, with the node that it belongs to."""
        return Place(step, _node_of(step, self.steps), self.attempt_of(step.leg))


class _Evidence:
    """What the last attempts' records say of how the request ended, also where the decisive record is lost."""

    def __init__(self, taken: Sequence[Taken]) -> None:
        self._by_place: dict[int, list[Taken]] = {}
        for one in taken:
            self._by_place.setdefault(one.n, []).append(one)
        self.is_finished = any(n in self._by_place for n in _FINISHED_BY)
        failed2, is_bad2 = self._service2()
        self.inner: Outcome = _outcome(None, failed2, is_bad2)
        failed1 = self._service1()
        self.outcome: Outcome = _outcome(failed1, failed2, is_bad2)

    def places(self) -> Mapping[int, Sequence[Taken]]:
        """Return the records of each place."""
        return self._by_place

    def at(self, step: Step) -> JourneyRecord | None:
        """Return the first record of exactly *step*, None if there is none."""
        return next((one.record for one in self._by_place.get(step.n, ()) if one.step is step), None)

    def _service1(self) -> str | None:
        """Return the ``error.type`` of the leg to service 1, None if it did not fail or the fault lies further on."""
        if failed := self.at(steps.SERVICE1_FAILED):
            return failed.text(names.ERROR_TYPE) or "bad_answer"
        final = self.at(steps.CLIENT_ANSWERED)
        status = final.number(names.STATUS) if final else None
        if self.inner.at is not None or status is None or status < 500:
            return None
        return "bad_answer" if self.at(steps.SERVICE1_ANSWER) else self._service1_by_status(status)

    def _service1_by_status(self, status: float) -> str:
        """Guess what the lost record of place 18 said from the *status* that the client got."""
        if status == 504:
            return "timeout"
        if status == 503:
            # Whether it was shed or had no node, only the lost record knew.
            return "connection_refused" if self.at(steps.SERVICE1_SENT) else "no_node"
        return "bad_answer" if self.at(steps.SERVICE1_ANSWERED) else "connection_reset"

    def _service2(self) -> tuple[str | None, bool]:
        """Return the ``error.type`` of the leg to service 2 if it failed, and whether service 2 answered badly."""
        if failed := self.at(steps.SERVICE2_FAILED):
            return failed.text(names.ERROR_TYPE) or "bad_answer", False
        if unanswered := self.at(steps.SERVICE2_UNANSWERED):
            return unanswered.text(names.ERROR_TYPE) or "timeout", False
        if answer := self.at(steps.SERVICE2_ANSWER):
            return None, answer.text(names.ERROR_TYPE) is not None
        forwarded = self.at(steps.CALLBACK_FORWARDED) or self.at(steps.SERVICE2_ANSWER_AT_SERVICE1)
        status = forwarded.number(names.STATUS) if forwarded else None
        if status is None or status < 500:
            return None, False
        return self._service2_by_status(status)

    def _service2_by_status(self, status: float) -> tuple[str | None, bool]:
        """Guess what the lost record of place 13 said from the *status* that the gateway gave service 1."""
        if status == 504:
            return "timeout", False
        if status == 503:
            return ("connection_refused" if self.at(steps.SERVICE2_SENT) else "no_node"), False
        has_answered = self.at(steps.SERVICE2_ANSWERED) or self.at(steps.SERVICE2_BUG)
        return (None, True) if has_answered else ("connection_reset", False)


def _outcome(failed1: str | None, failed2: str | None, is_bad2: bool) -> Outcome:
    # Somebody else's error.type is some failure too: what matters is where.
    known = [error if error is None or error in steps.FAILURES else "bad_answer" for error in (failed1, failed2)]
    try:
        return steps.outcome_of(known[0], known[1], is_bad2)
    except KeyError:
        return steps.BY_OUTCOME["bad_answer", "service1" if failed1 else "service2"]


class _Judged:
    """Holds the last attempts against what their outcome asks for."""

    def __init__(self, evidence: _Evidence) -> None:
        self._places = evidence.places()
        self._is_finished = evidence.is_finished
        self._outcome = evidence.outcome
        self._inner = evidence.inner

    def missing(self, last: _Last) -> tuple[Place, ...]:
        """Return the holes, by place. Of an unfinished journey: what lies before its furthest step."""
        furthest = max(self._places)
        must = self._outcome.must
        asked = {n for n in must if self._is_finished or n < furthest} | set(self._holes())
        lost = sorted(n for n in asked if not any(one.step.name in self._fill(n) for one in self._places.get(n, ())))
        return tuple(last.place(steps.BY_NAME[self._fill(n)[0]]) for n in lost)

    def duplicated(self, last: _Last) -> tuple[Place, ...]:
        """Return the places that are filled more than once."""
        return tuple(last.place(taken[0].step) for n, taken in sorted(self._places.items()) if len(taken) > 1)

    def runs(self) -> list[list[int]]:
        """Return the places in the chains that each follow one another in time.

        What a node does after its caller gave up on it is late by nature: it follows what was sent to it, and
        nothing of the caller's has to wait for it.
        """
        late = sorted({*self._outcome.may, *self._outcome.also} - self._outcome.must.keys() - set(self._inner_may()))
        runs = [
            sorted(self._outcome.must),
            self._after_what_was_sent(late),
            self._after_what_was_sent(self._inner_may()),
        ]
        return [part for run in runs for part in self._apart_from_call_back(run)]

    def _apart_from_call_back(self, run: list[int]) -> list[list[int]]:
        """Return *run* in two where service 1 did not wait for the gateway's answer to its call back."""
        if not any(one.step is steps.SERVICE2_UNANSWERED for one in self._places.get(steps.SERVICE2_UNANSWERED.n, ())):
            return [run]
        call_back = [n for n in run if n in _CALLBACK]
        return [[n for n in run if n not in _CALLBACK], [steps.SERVICE2_ASKED.n, *call_back]]

    def _after_what_was_sent(self, late: Sequence[int]) -> list[int]:
        return [late[0] - 1, *late] if late else []

    def _inner_may(self) -> list[int]:
        return sorted(self._inner.may)

    def _holes(self) -> list[int]:
        """Return the places inside what a silent node had got to: a run from its first, whatever its end."""
        outer_run = [n for n in self._outcome.may if n in self._inner.must]
        return [n for run in (outer_run, self._inner_may()) for n in self._up_to_last(run)]

    def _up_to_last(self, run: Sequence[int]) -> list[int]:
        there = [n for n in run if n in self._places]
        return [n for n in run if n < max(there)] if there else []

    def _fill(self, n: int) -> tuple[str, ...]:
        """Return the names of the steps that fill place *n*."""
        for outcome in (self._outcome, self._inner, steps.BY_OUTCOME["ok", None]):
            if n in outcome.must:
                return outcome.must[n]
        return (steps.BY_NUMBER[n].name,)


def _node_of(step: Step, taken: Sequence[Taken]) -> str | None:
    """Return the node that should have logged *step*: what it logged besides, or what its neighbour calls it."""
    return _first(
        taken, lambda one: one.record.node if one.step.app == step.app and _is_near(one, step) else None
    ) or _first(taken, lambda one: one.record.text(names.PEER) if _points_at(one, step.app) else None)


def _is_near(one: Taken, step: Step) -> bool:
    # The call back may go to another gateway than the client's request did.
    return step.app != "gateway" or (one.n in _CALLBACK) == (step.n in _CALLBACK)


def _points_at(one: Taken, app: str) -> bool:
    """Tell whether the peer in the gateway's record is a node of *app*."""
    if one.step.app != "gateway" or one.step.leg is Leg.CLIENT:
        return False
    asks_service1 = one.step.leg is Leg.SERVICE1
    return app == ("service1" if asks_service1 else "service2")


def _first(taken: Sequence[Taken], found: Callable[[Taken], str | None]) -> str | None:
    return next((node for one in taken if (node := found(one))), None)


def _earlier(taken: Sequence[Taken], last: _Last) -> tuple[Attempt, ...]:
    groups: dict[tuple[int, int, int], list[Taken]] = {}
    for one in taken:
        if not last.holds(one):
            is_inner = one.parent_attempt is not None
            outer = one.parent_attempt if one.parent_attempt is not None else one.attempt
            groups.setdefault((outer, int(is_inner), one.attempt), []).append(one)
    return tuple(
        Attempt(
            Leg.SERVICE2 if is_inner else Leg.SERVICE1,
            attempt,
            outer if is_inner else None,
            tuple(found),
        )
        for (outer, is_inner, attempt), found in sorted(groups.items(), key=lambda item: item[0])
    )


def _open_spans(taken: Sequence[Taken], last: _Last, span_ids: Collection[str]) -> tuple[OpenSpan, ...]:
    found: dict[str, OpenSpan] = {}
    for one in sorted(taken, key=lambda one: one.record.time):
        span_id = one.record.span_id
        if span_id and span_id not in span_ids:
            found[span_id] = OpenSpan(span_id, one.record.app, one.record.node, one.step.name)
    for one in taken:
        parent = one.record.text(names.PARENT_SPAN_ID)
        if parent and parent not in span_ids and parent not in found and (opened := _parent_span(parent, one, last)):
            found[parent] = opened
    return tuple(found.values())


def _parent_span(span_id: str, one: Taken, last: _Last) -> OpenSpan | None:
    """Return the span above that of a record; None for the client's own, which is never here."""
    if one.step.event in _WORK:
        return OpenSpan(span_id, one.record.app, one.record.node, one.step.name)
    is_of_call_back = one.step.app == "gateway" and one.n in _CALLBACK
    leg = Leg.SERVICE1 if is_of_call_back else one.step.leg
    if one.step.app == "gateway" and not is_of_call_back:
        return None
    sent = _CALLERS[one.step.app, leg]
    return OpenSpan(span_id, sent.app, _node_of(sent, last.steps), sent.name)


def _skew(judged: _Judged, taken: Sequence[Taken]) -> Iterable[Skew]:
    first = {one.n: one for one in reversed(taken)}
    for run in judged.runs():
        latest: int | None = None
        for one in (first[n] for n in run if n in first):
            if latest is not None and one.record.time < latest:
                yield Skew(one.step, latest - one.record.time)
            latest = one.record.time if latest is None else max(latest, one.record.time)
