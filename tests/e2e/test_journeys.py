"""The journey of each outcome, on the running stack."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.e2e.support import Ask, eventually

SERVICE1, SERVICE2 = ("service1-1", "service1-2"), ("service2-1", "service2-2")


def outcome(journey: dict[str, Any]) -> tuple[object, object]:
    """Return how a journey ended, and where."""
    return journey["outcome"], journey["at"]


def numbers(journey: dict[str, Any]) -> list[int]:
    """Return the places of a journey's steps."""
    return [step["n"] for step in journey["steps"]]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Somebody to send requests in the background."""
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def without_service2(ask: Ask) -> Iterator[None]:
    """Nobody of service 2 is there."""
    for node in SERVICE2:
        ask.stack.stop_node(node)
    yield
    for node in SERVICE2:
        ask.stack.start_node(node)


@pytest.fixture
def without_service1(ask: Ask) -> Iterator[None]:
    """Nobody of service 1 is there."""
    for node in SERVICE1:
        ask.stack.stop_node(node)
    yield
    for node in SERVICE1:
        ask.stack.start_node(node)


def test_a_slow_answer_in_time_is_ok_and_names_the_bug(ask: Ask) -> None:
    """A bug that does not fail the request stands in place of step 11."""
    answer = ask.client("POST", X_Carousel_Fault="service2:slow;ms=100")
    journey = ask.whole_journey(answer.headers["X-Trace-Id"])

    assert answer.json()["service2"]["bug"] == "slow"
    assert outcome(journey) == ("ok", None)
    assert journey["steps"][10]["step"] == "service2.work.bug"
    assert journey["steps"][10]["bug"] == "slow"


@pytest.mark.parametrize("bug", ["error", "exception", "garbage"])
def test_a_bad_answer_of_service_2_is_a_502_with_its_bug_named(ask: Ask, bug: str) -> None:
    """A POST is not tried again; step 16 is the one that did not happen."""
    answer = ask.client("POST", X_Carousel_Fault=f"service2:{bug}")
    journey = ask.whole_journey(answer.headers["X-Trace-Id"])

    assert answer.status_code == 502
    assert answer.json()["errorNode"] in SERVICE2
    assert outcome(journey) == ("bad_answer", "service2")
    assert numbers(journey) == [*range(1, 16), 17, 18, 19]
    assert journey["steps"][10]["bug"] == bug


def test_a_get_is_tried_again_and_the_first_attempt_is_kept_beside(ask: Ask) -> None:
    """One node of service 2 fails on order, the next one answers: the journey is whole and shows both."""
    answers = [ask.client("GET", X_Carousel_Fault="service2-1:error") for _ in range(2)]

    assert [200, 200] == [answer.status_code for answer in answers]
    journeys = [ask.whole_journey(answer.headers["X-Trace-Id"]) for answer in answers]
    retried = [journey for journey in journeys if journey["earlierAttempts"]]
    assert retried
    assert outcome(retried[0]) == ("ok", None)
    assert len(retried[0]["steps"]) == 19
    assert retried[0]["earlierAttempts"][0]["leg"] == "service2"
    assert {step["attempt"] for step in retried[0]["steps"] if 8 <= step["n"] <= 13} == {2}


def test_a_deadline_passed_at_service_2_is_a_504(ask: Ask) -> None:
    """The hop next to the fault gives up first, so every hop outside of it can still answer."""
    answer = ask.client("POST", X_Carousel_Fault="service2:slow;ms=4000", X_Carousel_Deadline_Ms="2000")
    journey = ask.whole_journey(answer.headers["X-Trace-Id"])

    assert answer.status_code == 504
    assert answer.elapsed.total_seconds() < 2.25
    assert outcome(journey) == ("deadline", "service2")


def test_a_deadline_passed_at_service_1_is_a_504(ask: Ask) -> None:
    """A slow service 1 is told apart from a slow service 2."""
    answer = ask.client("POST", X_Carousel_Fault="service1:slow;ms=1500", X_Carousel_Deadline_Ms="400")
    journey = ask.whole_journey(answer.headers["X-Trace-Id"])

    assert answer.status_code == 504
    assert outcome(journey) == ("deadline", "service1")


def test_a_bad_answer_of_service_1_is_a_502(ask: Ask) -> None:
    """Its `failed` stands in place of 18."""
    answer = ask.client("POST", X_Carousel_Fault="service1:error")
    journey = ask.whole_journey(answer.headers["X-Trace-Id"])

    assert answer.status_code == 502
    assert answer.json()["errorNode"] in SERVICE1
    assert outcome(journey) == ("bad_answer", "service1")


def test_a_node_of_service_2_that_dies_at_work_is_a_reset(ask: Ask, pool: ThreadPoolExecutor) -> None:
    """A POST that was sent is never sent again; the journey says at which node it ended."""
    trace_id, node, answer = _kill_at_work(ask, pool, "service2")

    assert answer.status_code == 502
    journey = ask.whole_journey(trace_id)
    assert outcome(journey) == ("reset", "service2")
    assert node in {step["peer"] for step in journey["steps"] if step["n"] == 13}


def test_a_node_of_service_1_that_dies_at_work_is_a_reset(ask: Ask, pool: ThreadPoolExecutor) -> None:
    """The same one hop further out."""
    trace_id, node, answer = _kill_at_work(ask, pool, "service1")

    assert answer.status_code == 502
    journey = ask.whole_journey(trace_id)
    assert outcome(journey) == ("reset", "service1")
    assert node in {step["peer"] for step in journey["steps"] if step["n"] == 18}


def _kill_at_work(ask: Ask, pool: ThreadPoolExecutor, service: str) -> tuple[str, str, requests.Response]:
    """Kill the node that works on a slow request once its own record of it is safe. Return trace id, node, answer."""
    trace_id = secrets.token_hex(16)
    order = {"X_Carousel_Fault": f"{service}:slow;ms=4000", "traceparent": f"00-{trace_id}-{'1' * 16}-01"}
    sent = pool.submit(ask.client, "POST", **order)

    def working() -> str | None:
        found = ask.storage("logs", trace_id=trace_id, step=f"{service}.request.received")["logs"]
        return found[0]["nodeId"] if found else None

    node = eventually(working, f"{service} to work on it")
    ask.stack.kill(node)
    return trace_id, node, sent.result(timeout=20)


@pytest.mark.usefixtures("without_service2")
def test_no_node_of_service_2_is_a_503_that_says_when_to_come_back(ask: Ask) -> None:
    """Nobody to ask is a state of its own, and nobody of service 1 is blamed for it."""
    answer = ask.client("POST")
    journey = ask.whole_journey(answer.headers["X-Trace-Id"])

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert outcome(journey) == ("no_node", "service2")
    assert {member["state"] for member in ask.rings()["service1"].values()} <= {"linked", "probation"}


@pytest.mark.usefixtures("without_service1")
def test_no_node_of_service_1_is_a_503(ask: Ask) -> None:
    """Steps 1, `failed` and 19 are all there is."""
    answer = ask.client("POST")
    journey = ask.whole_journey(answer.headers["X-Trace-Id"])

    assert answer.status_code == 503
    assert outcome(journey) == ("no_node", "service1")
    assert numbers(journey) == [1, 18, 19]


def test_a_traceparent_that_is_not_sampled_is_continued_all_the_same(ask: Ask) -> None:
    """Flag 00 is no reason to lose a request from sight."""
    trace_id = secrets.token_hex(16)
    answer = ask.client("POST", traceparent=f"00-{trace_id}-00f067aa0ba902b7-00")

    assert answer.headers["X-Trace-Id"] == trace_id
    assert len(ask.whole_journey(trace_id)["steps"]) == 19
    assert len(eventually(lambda: len(ask.spans(trace_id)) >= 10 and ask.spans(trace_id), "the spans")) == 10


def test_two_requests_under_one_trace_id_are_two_whole_journeys(ask: Ask) -> None:
    """A journey belongs to an entry span, not to a trace."""
    trace_id = secrets.token_hex(16)
    for entity in ("orders", "payments"):
        ask.client("POST", entity, traceparent=f"00-{trace_id}-00f067aa0ba902b7-01")

    def both() -> list[dict[str, Any]] | None:
        journeys = ask.journeys(trace_id)
        return journeys if len(journeys) == 2 and all(journey["complete"] for journey in journeys) else None

    journeys = eventually(both, "two whole journeys")
    assert {journey["entity"] for journey in journeys} == {"orders", "payments"}
    assert [19, 19] == [len(journey["steps"]) for journey in journeys]
