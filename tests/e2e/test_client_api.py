"""What a client sees of the running stack."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from apps.telemetry.steps import STEPS
from tests.e2e.support import GATEWAY_THREADS, Ask, eventually, served_by


def test_an_order_is_answered_with_where_it_went(ask: Ask) -> None:
    """200 has the fields and headers that the client API promises."""
    answer = ask.client("POST")
    shape = answer.json()

    assert answer.status_code == 200
    assert set(shape) == {"entity", "traceId", "service1", "service2"}
    assert set(shape["service1"]) == {"node", "part1Ms", "part2Ms"}
    assert set(shape["service2"]) == {"node", "workMs", "bug"}
    assert answer.headers["X-Trace-Id"] == shape["traceId"]
    assert answer.headers["X-Served-By"] == shape["service1"]["node"]
    assert answer.headers["Via"] == "1.1 gateway-1"


def test_an_unknown_entity_is_a_problem_that_names_those_there_are(ask: Ask) -> None:
    """The 404 tells a person what to ask for instead."""
    answer = requests.post(f"{ask.stack.gateway}/api/unicorns", timeout=5)
    shape = answer.json()

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert shape["entities"] == ["orders", "payments", "deliveries"]
    assert shape["traceId"] == answer.headers["X-Trace-Id"]


def test_a_trace_id_gives_exactly_nineteen_steps_in_order(ask: Ask) -> None:
    """Storage has each step once, and their times are in the order of the steps."""
    trace_id = ask.client("POST").headers["X-Trace-Id"]
    journey = ask.whole_journey(trace_id)

    records = ask.storage("logs", trace_id=trace_id, order="asc", limit=100)["logs"]
    assert [step.name for step in STEPS] == [record["step"] for record in records if "step" in record]
    assert [step.name for step in STEPS] == [step["step"] for step in journey["steps"]]
    assert journey["clockSkew"] == []


def test_a_hundred_requests_go_half_and_half_on_both_rings(ask: Ask) -> None:
    """The rings turn evenly while nobody else asks."""
    answers = [ask.client("POST") for _ in range(100)]

    assert Counter({200: 100}) == Counter(answer.status_code for answer in answers)
    on_service1, on_service2 = served_by(answers)
    assert on_service1 == {"service1-1": 50, "service1-2": 50}
    assert on_service2 == {"service2-1": 50, "service2-2": 50}


def test_a_flood_is_answered_or_turned_away_at_once(ask: Ask) -> None:
    """Three times as many clients as threads: nobody waits for a deadline, for the gateway never waits for itself."""

    def one(_: int) -> requests.Response:
        with requests.Session() as session:
            return Ask(ask.stack, session).client("POST")

    with ThreadPoolExecutor(3 * GATEWAY_THREADS) as pool:
        answers = list(pool.map(one, range(6 * GATEWAY_THREADS)))
    statuses = Counter(answer.status_code for answer in answers)
    shed = [answer for answer in answers if answer.status_code == 503]

    assert set(statuses) <= {200, 503}, statuses
    assert statuses[200] > 0
    assert shed, statuses
    assert all(answer.headers["Retry-After"] == "1" for answer in shed)
    assert max(answer.elapsed.total_seconds() for answer in answers) < 4.5
    journey = ask.whole_journey(shed[0].headers["X-Trace-Id"])
    assert (journey["outcome"], journey["at"]) == ("shed", "service1")


@pytest.mark.parametrize("order", ["service2:explode", "service3:slow", "service2:slow;ms=many"])
def test_an_order_nobody_can_carry_out_is_refused(ask: Ask, order: str) -> None:
    """A bad X-Carousel-Fault is the client's error and says what is expected."""
    answer = ask.client("POST", X_Carousel_Fault=order)

    assert answer.status_code == 400
    assert "expected" in answer.json()["detail"] or "takes" in answer.json()["detail"]


def test_an_idle_stack_stays_silent(ask: Ask) -> None:
    """Probes, scrapes and exports leave no log record and no span, and no new series of a metric."""
    settled_s, quiet_s = 7.0, 8.0

    def counts() -> object:
        # Storage itself is left out: it is traced while it is asked.
        nodes = [node for node in ask.storage("nodes")["nodes"] if node["app"] != "storage"]
        series = len(ask.storage("metrics", app=["gateway", "service1", "service2"])["metrics"])
        return {node["node"]: (node["logs"], node["spans"]) for node in nodes}, series

    seen = Unchanged(counts)
    # Metrics come every five seconds: a series that was new a moment ago is still on its way.
    eventually(lambda: seen.for_s() > settled_s, "telemetry of what went before to settle", 40, every_s=0.5)
    settled_at = seen.since
    eventually(lambda: seen.for_s() > settled_s + quiet_s, "a quiet while", quiet_s * 2, every_s=1.0)

    assert seen.since == settled_at, "an idle stack left records"


class Unchanged:
    """Watches a value: since when it has been what it is."""

    def __init__(self, read: Callable[[], object]) -> None:
        self._read = read
        self._last = read()
        self.since = time.monotonic()

    def for_s(self) -> float:
        """Read the value once more; return for how many seconds it has not changed."""
        value = self._read()
        if value != self._last:
            self._last, self.since = value, time.monotonic()
        return time.monotonic() - self.since
