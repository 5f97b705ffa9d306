"""What is said of an answer that is not what the client API promises."""

import json

import pytest

from tests.load.checks import Answer, judge
from tests.unit.load import fake_stack

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
FIELDS = {"x-trace-id": TRACE, "x-served-by": "service1-1", "via": "1.1 gateway-1", "content-type": "application/json"}
AS_PROBLEM = FIELDS | {"content-type": "application/problem+json"}


def well(**headers):
    """Return a good answer, its headers changed."""
    body = json.dumps(fake_stack.ok(TRACE, "orders", 0)).encode()
    return Answer("orders", 200, FIELDS | headers, body)


def changed(path, value):
    """Return an answer whose body has *value* at *path*."""
    shape = fake_stack.ok(TRACE, "orders", 0)
    place = shape
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return Answer("orders", 200, FIELDS, json.dumps(shape).encode())


def broken(status, fields=AS_PROBLEM, /, **members):
    """Return a problem of the gateway's."""
    body = json.dumps(fake_stack.problem(TRACE, status) | members).encode()
    return Answer("orders", status, fields, body)


def test_a_good_answer_tells_its_nodes():
    """And nothing is wrong with it."""
    verdict = judge(well())

    assert verdict.is_expected
    assert (verdict.trace_id, verdict.service1, verdict.service2) == (TRACE, "service1-1", "service2-1")


@pytest.mark.parametrize("answer", [broken(502), broken(504), broken(503, AS_PROBLEM | {"retry-after": "1"})])
def test_a_gateway_that_could_not_is_expected(answer):
    """The demo's bugs and shed load end so."""
    assert judge(answer).words == ""


def test_the_node_to_blame_has_its_share():
    """X-Carousel-Error-Node names it."""
    verdict = judge(broken(502, AS_PROBLEM | {"x-carousel-error-node": "service2-2"}))
    assert (verdict.service1, verdict.service2) == ("service1-1", "service2-2")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer("orders", 0, error="connection refused"), "no answer: connection refused"),
        (broken(500), "status 500, expected one of 200, 502, 503, 504"),
        (broken(404), "status 404"),
        (well(**{"x-trace-id": ""}), "X-Trace-Id is ''"),
        (well(**{"x-trace-id": TRACE.upper()}), "X-Trace-Id is"),
        (well(**{"x-served-by": ""}), "X-Served-By is missing"),
        (well(**{"x-served-by": "service1-2"}), "service1.node differs from X-Served-By"),
        (well(via=""), "Via is ''"),
        (changed(["entity"], "payments"), "entity is 'payments', asked for 'orders'"),
        (changed(["traceId"], "0" * 32), "traceId differs from X-Trace-Id"),
        (changed(["service1"], None), "service1 is no object"),
        (changed(["service1", "part2Ms"], "9"), "service1.part2Ms is '9'"),
        (changed(["service1", "part1Ms"], True), "service1.part1Ms is True"),
        (changed(["service2", "node"], ""), "service2.node is ''"),
        (changed(["service2", "workMs"], -1), "service2.workMs is -1"),
        (changed(["service2"], {"node": "service2-1", "workMs": 1}), "service2.bug is None"),
        (Answer("orders", 200, FIELDS, b"<html>"), "the body is no JSON object"),
        (Answer("orders", 200, FIELDS, b"[" * 100_000), "the body is no JSON object"),
        (broken(502, FIELDS), "expected application/problem+json"),
        (broken(503), "503 without Retry-After"),
        (broken(502, status=500), "the problem's status is 500, the answer's 502"),
        (broken(504, traceId=None), "the problem's traceId differs"),
        (Answer("orders", 502, AS_PROBLEM, b""), "the problem is no JSON object"),
    ],
)
def test_what_is_wrong_is_said_in_words(answer, words):
    """Each in its own."""
    verdict = judge(answer)
    assert not verdict.is_expected
    assert words in verdict.words
    assert len(verdict.words) <= 200
