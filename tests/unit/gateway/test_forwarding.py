"""One leg: whom a request is sent to, how often, and who is blamed, over a network of scripted replicas."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.instrumentation.requests import RequestsInstrumentor

from apps.gateway.admission import RetryBudget
from apps.gateway.balancer import Balancer
from apps.gateway.forwarding import SERVICE1, SERVICE2, Forwarder, LegSteps, Outgoing, Result, fault_of, mark_span
from apps.gateway.members import Policy, State
from apps.telemetry.setup import Telemetry
from apps.web.client import MAX_ANSWER_BYTES, Answer
from apps.web.deadline import Deadline
from tests.fakes import FakeClock, Network, Reply, Script, records_of, refuse, reset, telemetry_of, too_late

GOOD = Reply(200, b'{"node": "n"}')
BAD = Reply(500, b'{"title": "Internal Server Error"}')


def answers(reply: Reply) -> Script:
    """A replica that always answers *reply*."""
    return lambda _request: reply


@dataclass
class Leg:
    """A forwarder with all it touches. Replicas are ``n1`` to ``n3`` at ``n1:1`` to ``n3:1``."""

    telemetry: Telemetry
    network: Network
    clock: FakeClock
    balancer: Balancer
    forwarder: Forwarder

    def send(self, method: str = "POST", left_ms: float = 5_000, body: bytes = b"") -> Result:
        """Send a request inside a SERVER span, as the gateway does."""
        trail = self.telemetry.recorder.entrance("orders", method)
        outgoing = Outgoing(method, "/work/orders", [("Accept", "*/*"), ("Via", "1.1 gateway-1")], body)
        return self.forwarder.forward(trail, outgoing, Deadline(left_ms, self.clock))

    def script(self, *scripts: Script) -> None:
        """Let the replicas answer so."""
        self.network.scripts = {f"n{number}:1": script for number, script in enumerate(scripts, 1)}

    def asked(self) -> list[str]:
        """Return the replicas that were asked, in order."""
        return [host.split(":")[0] for host, _ in self.network.sent]

    def states(self) -> dict[str, State]:
        """Return the state of each replica."""
        return {member.node: member.state for member in self.balancer.members()}

    def steps(self) -> list[dict[str, Any]]:
        """Return the step records."""
        return [record for record in records_of(self.telemetry) if "step" in record]


MakeLeg = Callable[..., Leg]


@pytest.fixture
def make_leg() -> Iterator[MakeLeg]:
    """Makes legs whose client spans are recorded."""
    made: list[Telemetry] = []

    def make(legs: LegSteps = SERVICE2, replicas: int = 3, policy: Policy | None = None) -> Leg:
        telemetry = telemetry_of("gateway")
        clock, network = FakeClock(), Network()
        balancer = Balancer("service2", [f"n{n}:1" for n in range(1, replicas + 1)], policy, clock=clock)
        for member in balancer.members():
            balancer.probed(member, member.address.split(":")[0])
        telemetry.instrument_client(mark_span)
        made.append(telemetry)
        forwarder = Forwarder(balancer, legs, network.session(), RetryBudget(clock=clock), fair_s=2.5)
        return Leg(telemetry, network, clock, balancer, forwarder)

    yield make
    RequestsInstrumentor().uninstrument()
    for telemetry in made:
        telemetry.meter_provider.shutdown()


@pytest.fixture
def leg(make_leg: MakeLeg) -> Leg:
    """The leg to service 2 with three replicas that answer well."""
    leg = make_leg()
    leg.script(*[answers(GOOD)] * 3)
    return leg


def test_a_good_answer_is_the_result(leg: Leg) -> None:
    """Picked, sent, answered: nothing else."""
    result = leg.send()

    assert (GOOD.body, None, "n1") == (result.answer and result.answer.body, result.error_type, result.node)
    assert ["gateway.service2.picked", "gateway.service2.request.sent", "gateway.service2.response.received"] == [
        record["step"] for record in leg.steps()
    ]


def test_the_target_and_the_length_are_made_here(leg: Leg) -> None:
    """Method, URL, length and deadline of what is sent."""
    leg.send("POST", 2_000, b'{"a": 1}')

    (_, request) = leg.network.sent[0]
    assert ("POST", "http://n1:1/work/orders", b'{"a": 1}') == (request.method, request.url, request.body)
    assert ("8", "1900", "identity", "1.1 gateway-1") == (
        request.headers["Content-Length"],
        request.headers["X-Carousel-Deadline-Ms"],
        request.headers["Accept-Encoding"],
        request.headers["Via"],
    )


@pytest.mark.parametrize(("method", "length"), [("POST", "0"), ("GET", None)])
def test_an_empty_body_has_a_length_only_where_one_is_expected(leg: Leg, method: str, length: str | None) -> None:
    """RFC 9110 §8.6: a POST without content says so, a GET says nothing."""
    leg.send(method)

    assert length == leg.network.sent[0][1].headers.get("Content-Length")


def test_it_waits_for_a_connection_a_second_and_for_the_answer_what_is_left(leg: Leg) -> None:
    """A node that does not take connections must not eat the whole deadline."""
    leg.send(left_ms=3_000)
    leg.send(left_ms=400)

    assert [(1.0, 3.0), (0.4, 0.4)] == [tuple(round(part, 3) for part in timeout) for timeout in leg.network.timeouts]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_never_left_goes_to_the_next_node(leg: Leg, method: str) -> None:
    """Also a POST: nobody has seen it. The node is out at once."""
    leg.script(refuse, refuse, answers(GOOD))

    result = leg.send(method)

    assert (None, "n3", ["n1", "n2", "n3"]) == (result.error_type, result.node, leg.asked())
    assert {"n1": State.EJECTED, "n2": State.EJECTED, "n3": State.LINKED} == leg.states()
    failed = [record["attributes"] for record in leg.steps() if record["event"] == "carousel.request.failed"]
    assert [(False, "connection_refused", 1), (False, "connection_refused", 2)] == [
        (fields["carousel.sent"], fields["error.type"], fields["carousel.attempt"]) for fields in failed
    ]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_when_nobody_can_be_reached_there_is_no_node(leg: Leg, method: str) -> None:
    """The service is to blame, none of its nodes was asked."""
    leg.script(refuse, refuse, refuse)

    result = leg.send(method)

    assert ("no_node", "service2", None) == (result.error_type, result.error_node, result.answer)
    last = leg.steps()[-1]
    assert ("gateway.service2.request.failed", "no_node", 4) == (
        last["step"],
        last["attributes"]["error.type"],
        last["attributes"]["carousel.attempt"],
    )


@pytest.mark.parametrize(("method", "asked"), [("GET", 2), ("POST", 1)])
@pytest.mark.parametrize("failing", [reset, answers(BAD), answers(Reply(200, b"x"))], ids=["reset", "5xx", "junk"])
def test_a_request_that_was_sent_is_repeated_only_if_it_is_idempotent(
    leg: Leg, method: str, asked: int, failing: Script
) -> None:
    """RFC 9110 §9.2.2: nobody knows what became of it."""
    leg.script(failing, answers(GOOD), answers(GOOD))

    result = leg.send(method)

    assert ["n1", "n2"][:asked] == leg.asked()
    assert (result.error_type is None) == (method == "GET")


def test_no_node_is_asked_twice(leg: Leg) -> None:
    """After all of them there is nobody left to ask; the last answer is the result."""
    leg.script(*[answers(BAD)] * 3)

    result = leg.send("GET")

    assert ["n1", "n2", "n3"] == leg.asked()
    assert ("bad_answer", "n3", 500) == (result.error_type, result.error_node, result.answer and result.answer.status)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_deadline_that_passed_is_not_tried_again(leg: Leg, method: str) -> None:
    """There is no time left to try in; it counts against the node."""
    leg.script(too_late, answers(GOOD), answers(GOOD))

    result = leg.send(method)

    assert ("timeout", "n1", ["n1"]) == (result.error_type, result.error_node, leg.asked())
    assert 1 == next(member.failures for member in leg.balancer.members() if member.node == "n1")


def test_a_retry_needs_time(leg: Leg) -> None:
    """A reset at the very end of the deadline is the end."""

    def late_reset(request: Any) -> Reply:
        leg.clock.advance(4.98)
        return reset(request)

    leg.script(late_reset, answers(GOOD), answers(GOOD))

    assert ("connection_reset", ["n1"]) == (leg.send("GET").error_type, leg.asked())


@pytest.mark.parametrize("left_ms", [0, 1, 30])
def test_without_time_nobody_is_asked_and_nobody_is_blamed(leg: Leg, left_ms: int) -> None:
    """A node could only refuse a request without time; carousel.sent=false."""
    result = leg.send("GET", left_ms)

    assert ("timeout", []) == (result.error_type, leg.asked())
    assert [0, 0, 0] == [member.failures for member in leg.balancer.members()]
    assert leg.steps()[-1]["attributes"]["carousel.sent"] is False


@pytest.mark.parametrize(("left_ms", "blamed"), [(2_400, 0), (2_600, 1)])
def test_a_node_that_had_little_time_is_not_blamed_for_taking_longer(leg: Leg, left_ms: int, blamed: int) -> None:
    """A client may ask for as little time as it likes: it must not empty the ring by it."""
    leg.script(*[too_late] * 3)

    result = leg.send("POST", left_ms)

    assert ("timeout", ["n1"]) == (result.error_type, leg.asked())
    assert [blamed] == [member.failures for member in leg.balancer.members() if member.picks]


def test_retries_are_under_a_budget(leg: Leg) -> None:
    """Three within ten seconds where there are hardly any requests, then none."""
    leg.script(*[answers(BAD)] * 3)
    asked = []
    for _ in range(3):
        leg.network.sent.clear()
        leg.send("GET")
        asked.append(len(leg.network.sent))

    assert [3, 2, 1] == asked


def test_refused_connects_take_nothing_from_the_budget(make_leg: MakeLeg) -> None:
    """What never left is no load on anybody."""
    leg = make_leg(replicas=6)
    leg.script(*[refuse] * 5, answers(GOOD))

    assert ("n6", 6) == (leg.send("GET").node, len(leg.network.sent))


@pytest.mark.parametrize("foreign", ["service2-1", "service2", "gateway"])
def test_a_fault_further_on_is_not_this_nodes(make_leg: MakeLeg, foreign: str) -> None:
    """The answer is handed on as it is, counts for the node, and is not tried again."""
    leg = make_leg(SERVICE1, policy=Policy(failures=1))
    leg.script(*[answers(Reply(502, b"{}", {"X-Carousel-Error-Node": foreign}))] * 3)

    result = leg.send("GET")

    assert (["n1"], "bad_answer", foreign) == (leg.asked(), result.error_type, result.error_node)
    assert {"n1": State.LINKED, "n2": State.LINKED, "n3": State.LINKED} == leg.states()
    assert "gateway.service1.response.received" == leg.steps()[-1]["step"]


def test_a_fault_of_its_own_counts_against_the_node(make_leg: MakeLeg) -> None:
    """Whether it names itself or nobody."""
    leg = make_leg(SERVICE1, policy=Policy(failures=1))
    leg.script(answers(BAD), answers(Reply(500, b"{}", {"X-Carousel-Error-Node": "n2"})), answers(GOOD))

    result = leg.send("GET")

    assert ("n3", None) == (result.node, result.error_type)
    assert {"n1": State.EJECTED, "n2": State.EJECTED, "n3": State.LINKED} == leg.states()


@pytest.mark.parametrize(("legs", "step"), [
    (SERVICE1, "gateway.service1.request.failed"), (SERVICE2, "gateway.service2.response.received"),
])  # fmt: skip
def test_a_bad_answer_fails_leg_1_and_is_an_answer_of_leg_2(make_leg: MakeLeg, legs: LegSteps, step: str) -> None:
    """As the outcomes say: 13 is there after a bug of service 2, 18 is not after one of service 1."""
    leg = make_leg(legs)
    leg.script(*[answers(BAD)] * 3)

    leg.send("POST")

    last = leg.steps()[-1]
    assert (step, "bad_answer", "ERROR") == (last["step"], last["attributes"]["error.type"], last["severity"])


def test_an_answer_that_is_too_large_is_a_bad_answer(leg: Leg) -> None:
    """Nobody's memory is at the mercy of a replica."""
    leg.script(*[answers(Reply(200, b"x" * (MAX_ANSWER_BYTES + 1)))] * 3)

    result = leg.send("POST")

    assert ("bad_answer", None, "n1") == (result.error_type, result.answer, result.error_node)


@pytest.mark.parametrize(("reply", "fault"), [
    (Reply(200, b"{}"), None),
    (Reply(201, b'{"a": 1}'), None),
    (Reply(500, b"{}"), "answered 500"),
    (Reply(599, b"{}"), "answered 599"),
    (Reply(301, b"{}"), "answered 301, which it never should"),
    (Reply(404, b"{}"), "answered 404, which it never should"),
    (Reply(200, b""), "answered a body that is not JSON"),
    (Reply(200, b'{"node": "service'), "answered a body that is not JSON"),
    (Reply(200, b"\xff\xfe\xfd"), "answered a body that is not JSON"),
    (Reply(200, b"[]"), "answered JSON that is no object"),
    (Reply(200, b"null"), "answered JSON that is no object"),
])  # fmt: skip
def test_what_is_wrong_with_an_answer_is_said(reply: Reply, fault: str | None) -> None:
    """Only a JSON object with a 2xx is what a replica should answer."""
    assert fault == fault_of(Answer(reply.status, reply.headers, reply.body))


def test_a_retry_is_a_new_span_that_links_to_the_failed_one(leg: Leg) -> None:
    """http.request.resend_count counts up; the first has neither count nor link."""
    leg.script(reset, answers(BAD), answers(GOOD))

    leg.send("GET")

    spans = leg.telemetry.spans.oldest(10)
    assert [None, 1, 2] == [(span.attributes or {}).get("http.request.resend_count") for span in spans]
    assert [[], [spans[0].context.span_id], [spans[1].context.span_id]] == [
        [link.context.span_id for link in span.links] for span in spans
    ]


def test_the_attempt_travels_as_baggage(leg: Leg) -> None:
    """The node logs under the attempt that it is asked in."""
    leg.script(reset, answers(GOOD), answers(GOOD))

    leg.send("GET")

    assert [("1", "1"), ("2", "1")] == [
        (members["carousel.attempt"], members["carousel.parent_attempt"])
        for members in (
            dict(item.split("=") for item in request.headers["baggage"].split(",")) for _, request in leg.network.sent
        )
    ]


def test_a_pick_names_ring_size_and_those_passed_over(leg: Leg) -> None:
    """Step 2 or 8 tells why this node."""
    leg.script(reset, answers(GOOD), answers(GOOD))

    leg.send("GET")

    picks = [record["attributes"] for record in leg.steps() if record["event"] == "carousel.node.picked"]
    assert [("n1", 3, []), ("n2", 3, [])] == [
        (fields["carousel.peer"], fields["carousel.ring.size"], list(fields["carousel.ring.skipped"]))
        for fields in picks
    ]
