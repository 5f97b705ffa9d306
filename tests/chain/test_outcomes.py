"""Each outcome of a request leaves the steps that `steps.OUTCOMES` says, and answers what the client API says."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.gateway.members import Policy
from apps.telemetry import steps
from tests.chain.conftest import MakeChain
from tests.chain.support import Chain, ClientAnswer, last_attempts, names
from tests.fakes import Reply, refuse, reset, too_late


def check(outcome: steps.Outcome, records: list[dict[str, Any]]) -> None:
    """Assert that the last attempts in *records* are what *outcome* must and may have, in order of time."""
    last = last_attempts(records)
    places = [steps.BY_NAME[record["step"]].n for record in last]
    assert sorted(set(places)) == places, names(last)
    for place, allowed in outcome.must.items():
        assert place in places, (place, names(last))
        assert names(last)[places.index(place)] in allowed
    extra = [place for place in places if place not in outcome.must and place not in outcome.also]
    assert extra == list(outcome.may[: len(extra)])


def sends_post(chain: Chain) -> ClientAnswer:
    """A POST is never sent twice, so that its first attempt is its last."""
    return chain.send("POST")


def orders(fault: str) -> Callable[[Chain], ClientAnswer]:
    """A POST that orders a bug."""
    return lambda chain: chain.send("POST", headers={"X-Carousel-Fault": fault})


def over(service: str, script: Callable[[Any], Reply]) -> Callable[[Chain], ClientAnswer]:
    """A POST while the nodes of *service* never get to see a request."""

    def send(chain: Chain) -> ClientAnswer:
        chain.script(service, script)
        return sends_post(chain)

    return send


def after(service: str, ending: Callable[[Any], Reply]) -> Callable[[Chain], ClientAnswer]:
    """A POST whose answer from *service* is lost after the work was done."""

    def send(chain: Chain) -> ClientAnswer:
        chain.after(service, ending)
        return sends_post(chain)

    return send


def answers(service: str, reply: Reply) -> Callable[[Chain], ClientAnswer]:
    """A POST that a stranger answers in place of *service*."""
    return over(service, lambda _request: reply)


ENDINGS = [
    ("ok", None, sends_post, 200),
    ("ok", None, orders("service2:slow"), 200),
    ("ok", None, orders("service1:slow"), 200),
    ("bad_answer", "service2", orders("service2:error"), 502),
    ("bad_answer", "service2", orders("service2:error;status=599"), 502),
    ("bad_answer", "service2", orders("service2:exception"), 502),
    ("bad_answer", "service2", orders("service2:garbage"), 502),
    ("deadline", "service2", over("service2", too_late), 504),
    ("deadline", "service2", after("service2", too_late), 504),
    ("reset", "service2", over("service2", reset), 502),
    ("reset", "service2", after("service2", reset), 502),
    ("no_node", "service2", over("service2", refuse), 503),
    ("bad_answer", "service1", orders("service1:error"), 502),
    ("bad_answer", "service1", orders("service1:error;status=503"), 502),
    ("bad_answer", "service1", orders("service1:exception"), 502),
    ("bad_answer", "service1", orders("service1:garbage"), 502),
    ("deadline", "service1", over("service1", too_late), 504),
    ("deadline", "service1", after("service1", too_late), 504),
    ("reset", "service1", over("service1", reset), 502),
    ("reset", "service1", after("service1", reset), 502),
    ("no_node", "service1", over("service1", refuse), 503),
]


@pytest.mark.parametrize(("outcome", "at", "act", "status"), ENDINGS)
def test_an_outcome_leaves_the_steps_that_its_row_says(
    chain: Chain, outcome: str, at: str | None, act: Callable[[Chain], ClientAnswer], status: int
) -> None:
    """The table of outcomes in design section 1, and the status that a client gets."""
    answer = act(chain)

    assert status == answer.status
    check(steps.BY_OUTCOME[outcome, at], chain.steps())


@pytest.mark.parametrize(("outcome", "at", "act", "status"), ENDINGS)
def test_the_evidence_of_an_outcome_reads_back_as_that_outcome(
    chain: Chain, outcome: str, at: str | None, act: Callable[[Chain], ClientAnswer], status: int
) -> None:
    """What the journey is classified by is there: error.type on the failed step, or on step 13."""
    act(chain)

    last = {record["step"]: record["attributes"].get("error.type") for record in last_attempts(chain.steps())}
    read = steps.outcome_of(
        last.get("gateway.service1.request.failed"),
        last.get("gateway.service2.request.failed"),
        last.get("gateway.service2.response.received") == "bad_answer",
    )
    assert (outcome, at) == (read.name, read.at)


@pytest.mark.parametrize(("outcome", "at", "act", "status"), [row for row in ENDINGS if row[3] != 200])
def test_a_failure_is_a_problem_that_names_its_trace_and_who_is_to_blame(
    chain: Chain, outcome: str, at: str, act: Callable[[Chain], ClientAnswer], status: int
) -> None:
    """RFC 9457 with traceId; the 5xx names its node, or the service none of whose nodes could be asked."""
    answer = act(chain)

    assert "application/problem+json" == answer.headers["Content-Type"]
    assert (status, answer.headers["X-Trace-Id"]) == (answer.json["status"], answer.json["traceId"])
    assert answer.headers["X-Carousel-Error-Node"].startswith(at)
    assert answer.headers["Via"].endswith("1.1 gateway-1")
    assert (status == 503) == ("Retry-After" in answer.headers)


@pytest.mark.parametrize("reply", [
    Reply(404, b"{}"), Reply(302, b"{}", {"Location": "http://elsewhere/"}), Reply(200, b"[]"), Reply(200, b""),
    Reply(200, b'{"node": "service'), Reply(200, b"\xff\xfe"), Reply(204, b""),
])  # fmt: skip
@pytest.mark.parametrize("service", ["service1", "service2"])
def test_an_answer_that_no_replica_should_give_is_a_bad_answer(chain: Chain, service: str, reply: Reply) -> None:
    """502, whatever a replica makes up; nothing of it reaches the client."""
    answer = answers(service, reply)(chain)

    assert (502, "application/problem+json") == (answer.status, answer.headers["Content-Type"])
    assert "Location" not in answer.headers


def test_an_empty_ring_of_service2_is_no_node(make_chain: MakeChain) -> None:
    """Steps 1 to 7, failed, and the way back; no attempt before it."""
    chain = make_chain()
    chain.script("service2", refuse)
    for _ in range(2):
        chain.probe()

    answer = chain.send("POST")

    assert 503 == answer.status
    assert [*range(1, 8), 13, 14, 15, 17, 18, 19] == [steps.BY_NAME[name].n for name in names(chain.steps())]


def test_a_request_too_many_is_shed_at_once(make_chain: MakeChain) -> None:
    """503 with Retry-After: 1, failed, 19; the one inside is not disturbed."""
    chain = make_chain(threads=6)
    shed: list[ClientAnswer] = []
    serve = chain.network.scripts[chain.address["service1-1"]]

    def meanwhile(request: Any) -> Reply:
        shed.append(chain.send("POST"))
        return serve(request)

    chain.script("service1", meanwhile)
    answer = chain.send("POST")

    assert (200, 503) == (answer.status, shed[0].status)
    assert "1" == shed[0].headers["Retry-After"]
    turned_away = [record for record in chain.steps() if record["traceId"] == shed[0].headers["X-Trace-Id"]]
    check(steps.BY_OUTCOME["shed", "service1"], turned_away)
    assert 200 == chain.send("POST").status


def test_a_refused_connect_says_that_nothing_was_sent(chain: Chain) -> None:
    """carousel.sent=false, and the next node is asked, also for a POST."""
    chain.network.scripts[chain.address["service2-1"]] = refuse

    answer = chain.send("POST")

    (failed,) = [record for record in chain.steps() if record["event"] == "carousel.request.failed"]
    assert (False, "connection_refused") == (
        failed["attributes"]["carousel.sent"],
        failed["attributes"]["error.type"],
    )
    assert (200, "service2-2") == (answer.status, answer.json["service2"]["node"])


def test_a_retry_counts_its_attempt_on_its_own_leg(chain: Chain) -> None:
    """Leg 2 is tried twice within the one attempt of leg 1."""
    answer = chain.send("GET", headers={"X-Carousel-Fault": "service2-1:error"})

    assert (200, "service2-2") == (answer.status, answer.json["service2"]["node"])
    inner = [record for record in chain.steps() if "carousel.parent_attempt" in record["attributes"]]
    assert [(1, 1, "service2-1")] * 2 + [(2, 1, "service2-2")] * 2 == [
        (
            record["attributes"]["carousel.attempt"],
            record["attributes"]["carousel.parent_attempt"],
            record["attributes"]["carousel.peer"],
        )
        for record in inner
        if record["step"] in ("gateway.service2.picked", "gateway.service2.request.sent")
    ]
    check(steps.BY_OUTCOME["ok", None], chain.steps())


def test_a_retry_of_the_outer_leg_repeats_the_inner_one_under_its_new_attempt(chain: Chain) -> None:
    """The steps of leg 2 name the attempt of leg 1 that they belong to."""
    chain.network.scripts[chain.address["service1-1"]] = _late_reset(chain, "service1-1")

    answer = chain.send("GET")

    assert (200, "service1-2") == (answer.status, answer.json["service1"]["node"])
    outer = [record["attributes"]["carousel.parent_attempt"] for record in chain.steps() if _is(record, "service2.")]
    assert [1, 1, 1, 2, 2, 2] == outer
    check(steps.BY_OUTCOME["ok", None], chain.steps())


def _late_reset(chain: Chain, node: str) -> Callable[[Any], Reply]:
    serve = chain.network.scripts[chain.address[node]]

    def script(request: Any) -> Reply:
        serve(request)
        return reset(request)

    return script


def _is(record: dict[str, Any], prefix: str) -> bool:
    return str(record["step"]).startswith(prefix)


@pytest.mark.parametrize("fault", ["error", "exception", "garbage"])
def test_a_fault_of_service2_never_counts_against_service1(make_chain: MakeChain, fault: str) -> None:
    """A 5xx names its node and counts against that node only; the last node stays."""
    chain = make_chain(policy=Policy(failures=1))

    statuses = [chain.send("POST", headers={"X-Carousel-Fault": f"service2:{fault}"}).status for _ in range(4)]

    assert [502] * 4 == statuses
    assert ["linked", "linked"] == list(chain.rings()["service1"].values())
    assert ["ejected", "linked"] == sorted(chain.rings()["service2"].values())


@pytest.mark.parametrize("ending", [too_late, reset, refuse])
def test_an_unreachable_service2_never_counts_against_service1(
    make_chain: MakeChain, ending: Callable[[Any], Reply]
) -> None:
    """Nor do timeouts, broken connections and an empty ring."""
    chain = make_chain(policy=Policy(failures=1))
    chain.script("service2", ending)

    for method in ("POST", "GET", "POST"):
        chain.send(method)

    assert ["linked", "linked"] == list(chain.rings()["service1"].values())


@pytest.mark.parametrize("deadline_ms", ["1", "5", "30"])
def test_a_client_without_time_is_told_so_and_no_node_is_blamed(make_chain: MakeChain, deadline_ms: str) -> None:
    """A deadline too short for a hop is a 504 of the client's own making."""
    chain = make_chain(policy=Policy(failures=1))
    chain.network.sent.clear()

    answers = [chain.send("GET", headers={"X-Carousel-Deadline-Ms": deadline_ms}) for _ in range(4)]

    assert [504] * 4 == [answer.status for answer in answers]
    assert [] == chain.network.sent
    assert ["linked", "linked"] == list(chain.rings()["service1"].values())
    check(steps.BY_OUTCOME["deadline", "service1"], chain.steps(chain.steps()[0]["attributes"]["carousel.journey.id"]))


def test_a_bug_is_a_warning_or_an_error_with_its_kind(chain: Chain) -> None:
    """A slow node served, the others did not; an exception brings its stack."""
    for fault in ("slow", "error", "exception", "garbage"):
        chain.send("POST", headers={"X-Carousel-Fault": f"service2:{fault}"})

    bugs = [record for record in chain.steps() if record["step"] == "service2.work.bug"]
    assert [("slow", "WARN"), ("error", "ERROR"), ("exception", "ERROR"), ("garbage", "ERROR")] == [
        (record["attributes"]["carousel.bug"], record["severity"]) for record in bugs
    ]
    assert ["InjectedError" in record["attributes"].get("exception.stacktrace", "") for record in bugs] == [
        False, False, True, False,
    ]  # fmt: skip


def test_the_last_step_tells_status_and_total_time(chain: Chain) -> None:
    """Step 19: status, total milliseconds, and the error type of a request that failed, the same as on its span."""
    chain.send("POST")
    chain.send("POST", headers={"X-Carousel-Fault": "service2:error"})

    well, badly = [record for record in chain.steps() if record["step"] == "gateway.client.response.sent"]
    assert (200, "INFO", None) == (well["http"]["status"], well["severity"], well["attributes"].get("error.type"))
    assert (502, "ERROR", "502") == (
        badly["http"]["status"],
        badly["severity"],
        badly["attributes"].get("error.type"),
    )
    assert well["http"]["durationMs"] > 0
    entries = [span.attributes or {} for span in chain.spans() if span.name == "POST /api/<entity>"]
    assert [None, "502"] == [attributes.get("error.type") for attributes in entries]


def test_a_retry_is_a_new_client_span_that_links_to_the_failed_one(chain: Chain) -> None:
    """http.request.resend_count and a link (design section 1)."""
    chain.send("GET", headers={"X-Carousel-Fault": "service2-1:error"})

    first, second = [
        span
        for span in chain.spans()
        if span.kind.name == "CLIENT" and "/work/" in str((span.attributes or {})["url.full"])
        and ":82" in str((span.attributes or {})["url.full"])
    ]  # fmt: skip
    assert (None, 1) == (
        (first.attributes or {}).get("http.request.resend_count"),
        (second.attributes or {}).get("http.request.resend_count"),
    )
    assert [first.context.span_id] == [link.context.span_id for link in second.links]
    assert [] == list(first.links)


def broken(_request: object) -> Reply:
    """What no network does: a bug of our own."""
    raise ZeroDivisionError


@pytest.mark.parametrize(("service", "last"), [("service1", [1, 2, 3, 19]), ("service2", [14, 15, 17, 18, 19])])
def test_a_bug_of_the_gateways_own_still_ends_the_journey(chain: Chain, service: str, last: list[int]) -> None:
    """The client gets a problem with its trace id, and no replica is blamed for it."""
    chain.script(service, broken)

    answer = chain.send("POST")

    assert 500 == answer.status
    assert answer.json["traceId"] == answer.headers["X-Trace-Id"]
    places = [steps.BY_NAME[record["step"]].n for record in chain.steps()]
    assert last == places[-len(last) :]
    assert {"linked"} == {state for ring in chain.rings().values() for state in ring.values()}
