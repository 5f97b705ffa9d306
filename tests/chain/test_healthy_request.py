"""A healthy request: nineteen steps in order, one journey, the span tree of the design."""

from typing import Any

import pytest
from opentelemetry.trace import format_span_id

from apps.telemetry import steps
from tests.chain.conftest import MakeChain
from tests.chain.support import TRACE, TRACEPARENT, Chain, entry_spans, names, tree


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_leaves_exactly_the_nineteen_steps_in_order(chain: Chain, method: str) -> None:
    """By time, once each, nothing else (design section 1)."""
    answer = chain.send(method)

    assert 200 == answer.status
    assert [step.name for step in steps.STEPS] == names(chain.steps())


def test_each_step_is_logged_by_its_app_with_its_event(chain: Chain) -> None:
    """App and EventName are those of the table."""
    chain.send()

    expected = [(step.app, step.event, "ok", 1) for step in steps.STEPS]
    actual = [
        (record["app"], record["event"], record["state"], record["attributes"]["carousel.attempt"])
        for record in chain.steps()
    ]
    assert expected == actual


def test_each_step_names_its_peer(chain: Chain) -> None:
    """The one whom a node asks or answers; work has none."""
    chain.send()

    one, two = "service1-1", "service2-1"
    assert [
        "client", one, one, "gateway", None, "gateway", one, two, two, "gateway",
        None, "gateway", two, one, "gateway", None, "gateway", one, "client",
    ] == [record["attributes"].get("carousel.peer") for record in chain.steps()]  # fmt: skip


def test_all_steps_carry_the_id_of_the_entry_span_as_their_journey(chain: Chain) -> None:
    """A journey belongs to one entry span."""
    chain.send()

    journeys = {record["attributes"]["carousel.journey.id"] for record in chain.steps()}
    assert set(entry_spans(chain.spans())) == journeys


def test_every_span_carries_the_journey(chain: Chain) -> None:
    """A span is found by its journey too."""
    chain.send()

    (journey,) = entry_spans(chain.spans())
    assert [journey] * 10 == [(span.attributes or {}).get("carousel.journey.id") for span in chain.spans()]


def test_the_span_tree_is_that_of_the_design(chain: Chain) -> None:
    """SERVER, CLIENT, SERVER, work, CLIENT, SERVER, CLIENT, SERVER, work; then part 2 under service 1."""
    answer = chain.send()

    service2: Any = ("SERVER", "POST /work/<entity>", [("INTERNAL", "work", [])])
    call_back = ("SERVER", "POST /internal/service2/<entity>", [("CLIENT", "POST", [service2])])
    service1 = (
        "SERVER",
        "POST /work/<entity>",
        [("INTERNAL", "work part1", []), ("CLIENT", "POST", [call_back]), ("INTERNAL", "work part2", [])],
    )
    expected: list[Any] = [("SERVER", "POST /api/<entity>", [("CLIENT", "POST", [service1])])]
    assert expected == tree(chain.spans(), answer.headers["X-Trace-Id"])


def test_each_step_is_logged_in_the_span_it_happens_in(chain: Chain) -> None:
    """Work is logged inside its INTERNAL span, everything else in the SERVER span of its node."""
    chain.send()

    span_names = {format_span_id(span.context.span_id): span.name for span in chain.spans()}
    gateway, replica, call_back = "POST /api/<entity>", "POST /work/<entity>", "POST /internal/service2/<entity>"
    expected = [
        *[gateway] * 3, replica, "work part1", replica, *[call_back] * 3, replica, "work", replica,
        *[call_back] * 2, replica, "work part2", replica, *[gateway] * 2,
    ]  # fmt: skip
    assert expected == [span_names[record["spanId"]] for record in chain.steps()]


def test_a_step_record_names_the_parent_of_its_span(chain: Chain) -> None:
    """parentId is the span above the one that the record is in; the entry span has none."""
    chain.send()

    parents = {
        format_span_id(span.context.span_id): format_span_id(span.parent.span_id) if span.parent else None
        for span in chain.spans()
    }
    records = chain.steps()
    assert [parents[record["spanId"]] for record in records] == [record.get("parentId") for record in records]


def test_answer_has_the_fields_and_headers_of_the_client_api(chain: Chain) -> None:
    """200: entity, trace id, who worked how long; every answer names trace, node and gateway."""
    answer = chain.send(body=b'{"amount": 3}')

    shape = answer.json
    assert ["entity", "traceId", "service1", "service2"] == list(shape)
    assert ["node", "part1Ms", "part2Ms"] == list(shape["service1"])
    assert ["node", "workMs", "bug"] == list(shape["service2"])
    assert ("orders", "service1-1", "service2-1", None) == (
        shape["entity"],
        shape["service1"]["node"],
        shape["service2"]["node"],
        shape["service2"]["bug"],
    )
    assert (shape["traceId"], "service1-1", "1.1 gateway-1") == (
        answer.headers["X-Trace-Id"],
        answer.headers["X-Served-By"],
        answer.headers["Via"],
    )


def test_a_hundred_requests_go_round_evenly(chain: Chain) -> None:
    """Both rings turn: fifty and fifty."""
    answers = [chain.send("GET").json for _ in range(100)]

    for service in ("service1", "service2"):
        served = [answer[service]["node"] for answer in answers]
        assert (50, 50) == (served.count(f"{service}-1"), served.count(f"{service}-2"))


def test_an_unsampled_context_of_a_client_is_continued_and_sampled(chain: Chain) -> None:
    """The sampler is always_on: flag 00 changes nothing."""
    answer = chain.send(headers={"traceparent": TRACEPARENT})

    assert TRACE == answer.headers["X-Trace-Id"]
    assert {TRACE} == {record["traceId"] for record in chain.steps()}
    assert 10 == len([span for span in chain.spans() if span.context.trace_flags.sampled])
    assert "00f067aa0ba902b7" == chain.steps()[0]["parentId"]


def test_two_requests_under_one_trace_id_are_two_whole_journeys(chain: Chain) -> None:
    """A journey belongs to its entry span, not to the trace."""
    for _ in range(2):
        chain.send(headers={"traceparent": TRACEPARENT})

    journeys = entry_spans(chain.spans())
    assert 2 == len(set(journeys))
    for journey in journeys:
        assert [step.name for step in steps.STEPS] == names(chain.steps(journey))


@pytest.mark.parametrize("key", ["carousel.journey.id", "carousel%2Ejourney.id", "carousel.attempt"])
def test_a_clients_own_carousel_baggage_is_dropped(chain: Chain, key: str) -> None:
    """Who we are and where in the way is ours to say."""
    chain.send(headers={"baggage": f"{key}=7, tenant=blue"})

    (journey,) = entry_spans(chain.spans())
    assert {(journey, 1)} == {
        (record["attributes"]["carousel.journey.id"], record["attributes"]["carousel.attempt"])
        for record in chain.steps()
    }
    assert all("tenant=blue" in request.headers["baggage"] for _, request in chain.network.sent if request.body == b"")


def test_a_refused_clients_baggage_marks_no_span(chain: Chain) -> None:
    """Also a request that comes no further than the entrance cannot name its journey, nor mark itself as ours."""
    chain.send(path="/api/unicorns", headers={"baggage": "carousel.journey.id=mine,carousel.synthetic=mine"})

    (span,) = chain.spans()
    assert {"carousel.journey.id", "user_agent.synthetic.type"}.isdisjoint(span.attributes or {})


@pytest.mark.parametrize(
    "baggage",
    [
        ",".join(f"member{number}=v" for number in range(180)),
        ",".join(f"m{number}={'v' * 4000}" for number in range(2)),
        f"m={'v' * 4000},n={'v' * 3500},carousel.journey.id=7",
    ],
    ids=["most members", "most bytes", "both kinds"],
)
def test_a_client_with_all_the_baggage_there_may_be_has_a_whole_journey(chain: Chain, baggage: str) -> None:
    """A propagator drops what exceeds its limits; that must never be our members."""
    chain.send(headers={"baggage": baggage})

    (journey,) = entry_spans(chain.spans())
    assert [step.name for step in steps.STEPS] == names(chain.steps(journey))


def test_a_request_marked_as_a_test_is_marked_on_every_span(chain: Chain) -> None:
    """Canary and load say so in the baggage member that semantic conventions name it by."""
    chain.send(headers={"baggage": "user_agent.synthetic.type=test"})

    assert ["test"] * 10 == [(span.attributes or {}).get("user_agent.synthetic.type") for span in chain.spans()]


def test_work_leaves_its_measurement(chain: Chain) -> None:
    """Every finished unit of work leaves one record of type metric, without a step."""
    chain.send()

    measured = [record for record in chain.records() if record["event"] == "carousel.work.measured"]
    assert [("service1-1", "metric"), ("service2-1", "metric"), ("service1-1", "metric")] == [
        (record["nodeId"], record["type"]) for record in measured
    ]
    assert all({"entity", "durationMs", "memoryBytes", "cpuPercent"} <= record.keys() for record in measured)
    assert not any("step" in record or "http" in record for record in measured)


def test_probes_leave_no_record_and_no_span(chain: Chain) -> None:
    """An idle stack's telemetry does not grow."""
    before = len(chain.records()), len(chain.spans())

    for _ in range(5):
        chain.probe()

    assert before == (len(chain.records()), len(chain.spans()))


def test_sequence_numbers_have_no_gap_on_any_node(chain: Chain) -> None:
    """A hole proves a loss, so a whole run has none."""
    for _ in range(4):
        chain.send()

    for node, telemetry in chain.telemetry.items():
        seen = [record["seq"] for record in chain.records() if record["nodeId"] == node]
        assert list(range(1, len(telemetry.records) + 1)) == sorted(seen)


def test_the_time_left_shrinks_from_hop_to_hop(make_chain: MakeChain) -> None:
    """X-Carousel-Deadline-Ms: a client may ask for less, never for more."""
    chain = make_chain()
    chain.network.sent.clear()

    chain.send(headers={"X-Carousel-Deadline-Ms": "2000"})
    chain.send(headers={"X-Carousel-Deadline-Ms": "900000"})

    left = [int(request.headers["X-Carousel-Deadline-Ms"]) for _, request in chain.network.sent]
    assert 2000 > left[0] > left[1] > left[2] > 1000
    assert 5000 > left[3] > left[4] > left[5] > 4000


def test_service1_calls_with_the_clients_method_and_body(chain: Chain) -> None:
    """What a client sends goes all the way, the target never comes from it."""
    chain.network.sent.clear()

    chain.send("POST", "/api/orders?to=http://elsewhere/", body=b'{"amount": 3}')

    assert [
        ("POST", "http://127.0.0.1:8101/work/orders", b'{"amount": 3}'),
        ("POST", "http://127.0.0.1:8080/internal/service2/orders", b'{"amount": 3}'),
        ("POST", "http://127.0.0.1:8201/work/orders", b'{"amount": 3}'),
    ] == [(request.method, request.url, request.body) for _, request in chain.network.sent]


def test_the_service_token_goes_to_the_gateway_only(chain: Chain) -> None:
    """Service 2 has no business with it, and neither has a client."""
    chain.network.sent.clear()

    answer = chain.send()

    assert [None, "Bearer service-token", None] == [
        request.headers.get("Authorization") for _, request in chain.network.sent
    ]
    assert "Authorization" not in answer.headers
