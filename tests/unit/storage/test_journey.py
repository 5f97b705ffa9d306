"""What the step records of a trace say of its requests: outcome, holes, attempts, skew."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.storage.journey import journeys_of
from apps.storage.model import JourneyRecord
from apps.telemetry import names, steps
from apps.telemetry.steps import Leg
from tests.unit.storage.builders import NOW
from tests.unit.storage.journeys import (
    ALL_SPANS,
    CALLBACK_SPAN,
    CLIENT_SPANS,
    HEALTHY,
    MS,
    SERVER_SPANS,
    WORK_SPANS,
    Play,
    moved,
    numbers_of,
    without,
)

BAD2: dict[str, Any] = {"ERROR_TYPE": "bad_answer", "STATUS": 500}


def healthy() -> Play:
    """Return a request that went well."""
    return Play().steps(*HEALTHY)


def bad_answer_of_service2() -> Play:
    """Return a request that met a bug of service 2."""
    play = Play().steps(*range(1, 11)).step(steps.SERVICE2_BUG, BUG="error").steps(12).step(13, **BAD2)
    return play.step(14, STATUS=502).step(15, STATUS=502).steps(17, 18).step(19, STATUS=502, ERROR_TYPE="502")


def failed2(error: str, *reached: int, status: int = 504) -> Play:
    """Return a request whose leg to service 2 failed, after it got to *reached*."""
    sent = () if error == "no_node" else (8, 9)
    play = Play().steps(*range(1, 8), *sent, *reached).step(steps.SERVICE2_FAILED, ERROR_TYPE=error)
    play.step(14, STATUS=status).step(15, STATUS=status).steps(17, 18)
    return play.step(19, STATUS=status, ERROR_TYPE=str(status))


def failed1(error: str, *reached: int, status: int = 504) -> Play:
    """Return a request whose leg to service 1 failed, after it got to *reached*."""
    sent = () if error in ("no_node", "shed") else (2, 3)
    play = Play().steps(1, *sent, *reached).step(steps.SERVICE1_FAILED, ERROR_TYPE=error)
    return play.step(19, STATUS=status, ERROR_TYPE=str(status))


OUTCOMES: list[tuple[str, Callable[[], Play], str, str | None]] = [
    ("healthy", healthy, "ok", None),
    ("slow service 2, still in time", lambda: Play().steps(*range(1, 11)).step(steps.SERVICE2_BUG).steps(
        *range(12, 20)), "ok", None),
    ("bad answer of service 2", bad_answer_of_service2, "bad_answer", "service2"),
    ("deadline at service 2, nothing heard of it", lambda: failed2("timeout"), "deadline", "service2"),
    ("deadline at service 2, it got to its work", lambda: failed2("timeout", 10, 11), "deadline", "service2"),
    ("deadline at service 2, service 1 gave up as well", lambda: Play().steps(*range(1, 10)).step(
        steps.SERVICE2_FAILED, ERROR_TYPE="timeout").step(14, STATUS=504).step(
        steps.SERVICE2_UNANSWERED, ERROR_TYPE="timeout").steps(17, 18).step(19, STATUS=504, ERROR_TYPE="504"),
        "deadline", "service2"),
    ("reset at service 2", lambda: failed2("connection_reset", 10, status=502), "reset", "service2"),
    ("refused at service 2", lambda: failed2("connection_refused", status=503), "reset", "service2"),
    ("no node for service 2", lambda: failed2("no_node", status=503), "no_node", "service2"),
    ("no node for service 1", lambda: failed1("no_node", status=503), "no_node", "service1"),
    ("shed at the entrance", lambda: failed1("shed", status=503), "shed", "service1"),
    ("bad answer of service 1", lambda: Play().steps(1, 2, 3, 4).step(steps.SERVICE1_BUG).steps(17).step(
        steps.SERVICE1_FAILED, ERROR_TYPE="bad_answer").step(19, STATUS=502, ERROR_TYPE="502"),
        "bad_answer", "service1"),
    ("garbage of service 1 after everything", lambda: Play().steps(*range(1, 18)).step(
        steps.SERVICE1_FAILED, ERROR_TYPE="bad_answer").step(19, STATUS=502, ERROR_TYPE="502"),
        "bad_answer", "service1"),
    ("deadline at service 1, nothing heard of it", lambda: failed1("timeout"), "deadline", "service1"),
    ("deadline at service 1 amid the call back", lambda: failed1("timeout", 4, 5, 6, 7, 8, 9), "deadline", "service1"),
    ("reset at service 1", lambda: failed1("connection_reset", 4, 5, status=502), "reset", "service1"),
    ("deadline at both", lambda: Play().steps(*range(1, 11)).step(steps.SERVICE2_FAILED, ERROR_TYPE="timeout").steps(
        14).step(steps.SERVICE1_FAILED, ERROR_TYPE="timeout").step(19, STATUS=504, ERROR_TYPE="504"),
        "deadline", "service1"),
    ("no node for service 2 after service 1's deadline", lambda: Play().steps(*range(1, 8)).step(
        steps.SERVICE2_FAILED, ERROR_TYPE="no_node").steps(14).step(
        steps.SERVICE1_FAILED, ERROR_TYPE="timeout").step(19, STATUS=504, ERROR_TYPE="504"),
        "deadline", "service1"),
]  # fmt: skip


@pytest.mark.parametrize(("play", "outcome", "at"), [case[1:] for case in OUTCOMES], ids=[case[0] for case in OUTCOMES])
def test_outcome_is_derived_and_whole(play: Callable[[], Play], outcome: str, at: str | None) -> None:
    """Each outcome has what it must have, and nothing is called missing."""
    journey = play().journey()
    shown = (journey.outcome, journey.at, journey.missing, journey.duplicated, journey.clock_skew)
    assert (outcome, at, (), (), ()) == shown
    assert journey.is_complete


def test_every_outcome_of_the_one_table_is_played() -> None:
    """A new outcome needs a case here."""
    assert {(outcome.name, outcome.at) for outcome in steps.OUTCOMES} == {case[2:] for case in OUTCOMES}


def test_healthy_journey_shows_the_nineteen_in_order() -> None:
    """With what the request as a whole was."""
    journey = healthy().journey()
    assert list(HEALTHY) == numbers_of(journey)
    assert (SERVER_SPANS["gateway"], "orders", NOW + MS, 18.0, 200) == (
        journey.journey_id, journey.entity, journey.start, journey.duration_ms, journey.status,
    )  # fmt: skip


@pytest.mark.parametrize("lost", HEALTHY)
def test_any_lost_record_is_named_with_its_node(lost: int) -> None:
    """The node is known from its other records or from its neighbours'."""
    journey = without(healthy(), lost).journey()
    step = steps.BY_NUMBER[lost]
    node = {"gateway": "gateway-1", "service1": "service1-1", "service2": "service2-1"}[step.app]
    expected = [(lost, step.name, node, 1)]
    assert expected == [(place.step.n, place.step.name, place.node, place.attempt) for place in journey.missing]
    assert ("ok", False) == (journey.outcome, journey.is_complete)


@pytest.mark.parametrize(("app", "lost"), [("service1", (4, 5, 6, 15, 16, 17)), ("service2", (10, 11, 12))])
def test_node_that_left_no_record_is_known_from_its_peers(app: str, lost: tuple[int, ...]) -> None:
    """The gateway's records say whom it asked."""
    journey = without(healthy(), *lost).journey()
    assert [(n, f"{app}-1") for n in lost] == [(place.step.n, place.node) for place in journey.missing]


def test_gateway_that_left_no_record_is_not_guessed() -> None:
    """The services know it as the gateway only."""
    play = healthy()
    play.records = [record for record in play.records if record.app != "gateway"]
    assert {None} == {place.node for place in play.journey().missing}


@pytest.mark.parametrize(
    ("play", "lost", "outcome", "at"),
    [
        (bad_answer_of_service2, 13, "bad_answer", "service2"),
        (bad_answer_of_service2, 19, "bad_answer", "service2"),
        (lambda: failed2("timeout"), 13, "deadline", "service2"),
        (lambda: failed2("no_node", status=503), 13, "no_node", "service2"),
        (lambda: failed2("connection_refused", status=503), 13, "reset", "service2"),
        (lambda: failed2("connection_reset", 10, status=502), 13, "reset", "service2"),
        (lambda: failed1("timeout", 4), 18, "deadline", "service1"),
        (lambda: failed1("no_node", status=503), 18, "no_node", "service1"),
        (lambda: failed1("connection_refused", status=503), 18, "reset", "service1"),
        (lambda: failed1("connection_reset", 4, status=502), 18, "reset", "service1"),
    ],
)
def test_outcome_survives_the_loss_of_its_decisive_record(
    play: Callable[[], Play], lost: int, outcome: str, at: str
) -> None:
    """The other records still tell how it ended; the lost one is the only one missing."""
    journey = without(play(), lost).journey()
    assert (outcome, at, [lost]) == (journey.outcome, journey.at, [place.step.n for place in journey.missing])


def test_hole_inside_what_a_silent_node_got_to_is_missing() -> None:
    """It may fall silent at any point, but not skip one: 11 was logged, so 10 was lost."""
    journey = without(failed2("timeout", 10, 11), 10).journey()
    assert [(10, "service2-1")] == [(place.step.n, place.node) for place in journey.missing]


def test_request_under_way_is_unfinished() -> None:
    """Its holes are those before the furthest step; what is still to come is not missing."""
    journey = without(Play().steps(*range(1, 10)), 5).journey()
    assert ("unfinished", None, False, [5]) == (
        journey.outcome, journey.at, journey.is_complete, [place.step.n for place in journey.missing],
    )  # fmt: skip


def test_step_logged_twice_is_duplicated() -> None:
    """Complete means once."""
    play = healthy().step(8)
    journey = play.journey()
    assert ([8], False) == ([place.step.n for place in journey.duplicated], journey.is_complete)
    assert 20 == len(journey.steps)


def test_answer_and_failure_in_one_place_are_duplicated() -> None:
    """A leg ends in one of them."""
    journey = healthy().step(steps.SERVICE1_FAILED, ERROR_TYPE="timeout").journey()
    assert [18] == [place.step.n for place in journey.duplicated]


def test_retry_to_service2_shows_the_last_attempt_and_keeps_the_first_beside_it() -> None:
    """The leg next to the fault repeats; the other leg's steps are there once."""
    play = Play().steps(*range(1, 10)).step(steps.SERVICE2_FAILED, ERROR_TYPE="connection_reset")
    journey = play.steps(8, 9, 10, 11, 12, 13, inner=2).steps(*range(14, 20)).journey()
    assert ("ok", True, list(HEALTHY)) == (journey.outcome, journey.is_complete, numbers_of(journey))
    earlier = [(a.leg, a.attempt, a.parent_attempt, [t.n for t in a.steps]) for a in journey.earlier_attempts]
    assert [(Leg.SERVICE2, 1, 1, [8, 9, 13])] == earlier


def test_retry_to_service1_keeps_what_its_first_attempt_did_further_on() -> None:
    """Steps of leg 2 belong to the attempt of leg 1 that they were made in."""
    play = Play().steps(1, *range(2, 13)).step(steps.SERVICE1_FAILED, ERROR_TYPE="connection_reset")
    journey = play.steps(*range(2, 19), attempt=2, parent=2).steps(19).journey()
    assert ("ok", True, list(HEALTHY)) == (journey.outcome, journey.is_complete, numbers_of(journey))
    earlier = [(a.leg, a.attempt, a.parent_attempt, [t.n for t in a.steps]) for a in journey.earlier_attempts]
    assert [
        (Leg.SERVICE1, 1, None, [2, 3, 4, 5, 6, 7, 18]),
        (Leg.SERVICE2, 1, 1, [8, 9, 10, 11, 12]),
    ] == earlier


def test_retries_of_both_legs_are_told_apart() -> None:
    """The last attempt of leg 2 is the last one within the last attempt of leg 1, however many there were before."""
    play = Play().steps(*range(1, 10))
    play.steps(8, 9, inner=2).steps(8, 9, inner=3).step(steps.SERVICE1_FAILED, ERROR_TYPE="connection_reset")
    journey = play.steps(*range(2, 19), attempt=2, parent=2).steps(19).journey()
    assert (True, list(HEALTHY)) == (journey.is_complete, numbers_of(journey))
    assert [(1, 1), (2, 1), (3, 1)] == [
        (a.attempt, a.parent_attempt) for a in journey.earlier_attempts if a.leg is Leg.SERVICE2
    ]


def test_no_node_left_after_a_failed_attempt() -> None:
    """The last attempt found nobody to ask."""
    play = Play().steps(1, 2, 3).step(steps.SERVICE1_FAILED, ERROR_TYPE="connection_refused")
    play.step(steps.SERVICE1_FAILED, attempt=2, ERROR_TYPE="no_node").step(19, STATUS=503, ERROR_TYPE="503")
    journey = play.journey()
    assert ("no_node", "service1", True, [1, 18, 19]) == (
        journey.outcome, journey.at, journey.is_complete, numbers_of(journey),
    )  # fmt: skip


def test_two_requests_under_one_trace_id_are_two_whole_journeys() -> None:
    """In the order they began; nothing of one is in the other."""
    second = Play(journey_id="bbbb000000000001", start=NOW + 5 * MS, nodes={
        "gateway": "gateway-1", "service1": "service1-2", "service2": "service2-2"}).steps(*HEALTHY)  # fmt: skip
    records = [*healthy().records, *second.records]
    random.Random(7).shuffle(records)
    first_found, second_found = journeys_of(records, ALL_SPANS)
    assert [SERVER_SPANS["gateway"], "bbbb000000000001"] == [first_found.journey_id, second_found.journey_id]
    assert first_found.is_complete
    assert second_found.is_complete
    assert {"service1-2"} == {taken.record.node for taken in second_found.steps if taken.step.app == "service1"}


@pytest.mark.parametrize(("app", "n"), [("service1", 4), ("service2", 10)])
def test_clock_that_is_behind_is_flagged(app: str, n: int) -> None:
    """A node cannot have received before it was sent; steps are still shown in their order."""
    journey = moved(healthy(), app, -50 * MS).journey()
    assert n == journey.clock_skew[0].step.n
    assert 49 * MS == journey.clock_skew[0].behind_ns
    assert (list(HEALTHY), True) == (numbers_of(journey), journey.is_complete)


def test_late_work_of_a_node_that_was_given_up_is_no_skew() -> None:
    """After a deadline, 11 and 12 come when they come."""
    play = failed2("timeout", 10).steps(11, 12)
    journey = play.journey()
    assert ((), True) == (journey.clock_skew, journey.is_complete)


def test_call_back_that_service_1_did_not_wait_for_is_no_skew() -> None:
    """The gateway's late words (13, 14) follow what was asked; service 1, which gave up, does not follow them."""
    play = Play().steps(*range(1, 10)).step(steps.SERVICE2_UNANSWERED, ERROR_TYPE="timeout").step(17)
    play.step(steps.SERVICE2_FAILED, ERROR_TYPE="timeout").step(14).step(18).step(19, STATUS=504)
    journey = play.journey()
    assert ("deadline", "service2", ()) == (journey.outcome, journey.at, journey.clock_skew)
    assert journey.is_complete


def test_clock_that_is_behind_in_a_call_back_nobody_waited_for_is_flagged() -> None:
    """The gateway cannot have received it before service 1 sent it."""
    play = Play().steps(*range(1, 7)).step(steps.SERVICE2_UNANSWERED, ERROR_TYPE="timeout").step(17)
    play.step(18).step(19, STATUS=504).steps(7, 8, 9).step(steps.SERVICE2_FAILED, ERROR_TYPE="timeout").step(14)
    late = {"gateway.service1.request.received"}
    play.records = [
        replace(record, time=record.time - 60 * MS) if record.text(names.STEP) in late else record
        for record in play.records
    ]
    assert [7] == [skew.step.n for skew in play.journey().clock_skew]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (SERVER_SPANS["gateway"], ("gateway", "gateway-1", "gateway.client.response.sent")),
        (CALLBACK_SPAN, ("gateway", "gateway-1", "gateway.service2.response.forwarded")),
        (SERVER_SPANS["service1"], ("service1", "service1-1", "service1.response.sent")),
        (WORK_SPANS[11], ("service2", "service2-1", "service2.work.done")),
        (CLIENT_SPANS["service1"], ("gateway", "gateway-1", "gateway.service1.request.sent")),
        (CLIENT_SPANS["gateway"], ("service1", "service1-1", "service1.service2.request.sent")),
        (CLIENT_SPANS["service2"], ("gateway", "gateway-1", "gateway.service2.request.sent")),
    ],
)
def test_span_that_is_not_there_is_unfinished(span: str, expected: tuple[str, str, str]) -> None:
    """SERVER and INTERNAL spans are known from their own records, CLIENT spans from those of the node they called."""
    journey = healthy().journey(ALL_SPANS - {span})
    assert [(span, *expected)] == [(s.span_id, s.app, s.node, s.last_step) for s in journey.unfinished]


def test_spans_of_a_healthy_request_are_all_there() -> None:
    """The client's own span, above the entry, is never ours to miss."""
    assert () == healthy().journey().unfinished


def test_records_that_are_no_steps_make_no_journey() -> None:
    """Foreign logs, unknown steps, steps without a journey."""
    odd = JourneyRecord(
        NOW, NOW, "n", "a", 9, "", "", "", {"carousel.step": "no.such.step", "carousel.journey.id": "x"}
    )
    lonely = JourneyRecord(NOW, NOW, "n", "a", 9, "", "", "", {"carousel.step": steps.STEPS[0].name})
    typed = JourneyRecord(NOW, NOW, "n", "a", 9, "", "", "", {"carousel.step": 5, "carousel.journey.id": ["x"]})
    assert [] == journeys_of([odd, lonely, typed], set())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(steps.BY_NAME)),
            st.sampled_from([1, 2, 3, -1, "1", 10**30]),
            st.sampled_from([1, 2, None]),
            st.sampled_from([*steps.FAILURES, "odd", 5, None]),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_no_records_break_the_journey(found: list[tuple[str, object, object, object]]) -> None:
    """Whatever is in storage, it is shown: nothing raises, every record of the last attempts is there."""
    records = [
        JourneyRecord(NOW + index, NOW - index, "n", "a", 9, "", "", "", {
            "carousel.step": step, "carousel.journey.id": "j", "carousel.attempt": attempt,  # type: ignore[dict-item]
            "carousel.parent_attempt": parent, "error.type": error, "http.response.status_code": 500,  # type: ignore[dict-item]
        })
        for index, (step, attempt, parent, error) in enumerate(found)
    ]  # fmt: skip
    (journey,) = journeys_of(records, set())
    shown = len(journey.steps) + sum(len(attempt.steps) for attempt in journey.earlier_attempts)
    assert len(found) == shown
