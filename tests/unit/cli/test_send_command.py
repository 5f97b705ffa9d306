"""``carousel send``: where each request went, and an exit code that a script can trust."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from click.testing import Result

from apps.cli.errors import FAILED, OK, UNREACHABLE, USAGE
from tests.unit.cli.conftest import Asked, Server

Carousel = Callable[..., Result]


def answers(*, bug: str | None = None) -> Callable[[Asked], tuple[int, dict[str, str], Any]]:
    """Return a gateway's way to answer: two nodes each, by turns."""
    numbers = count(1)

    def answer(asked: Asked) -> tuple[int, dict[str, str], Any]:
        n = next(numbers)
        trace_id = f"{n:032x}"
        shape = {
            "entity": asked.path.rsplit("/", 1)[-1],
            "traceId": trace_id,
            "service1": {"node": f"service1-{2 - n % 2}", "part1Ms": 10.0, "part2Ms": 9.0},
            "service2": {"node": f"service2-{2 - n % 2}", "workMs": 20.0, "bug": bug},
        }
        return 200, {"X-Trace-Id": trace_id, "X-Served-By": f"service1-{2 - n % 2}"}, shape

    return answer


def failing(status: int, detail: str, **members: Any) -> tuple[int, dict[str, str], Any]:
    """Return a gateway's error answer."""
    fields = {"X-Trace-Id": "f" * 32, "X-Served-By": "service1-2"}
    return status, fields, {"title": "x", "status": status, "detail": detail, "traceId": "f" * 32, **members}


def test_one_request_is_one_line_and_the_way_to_its_trace(carousel: Carousel, gateway: Server) -> None:
    """No percentiles of one."""
    gateway.answer = answers(bug="slow")

    result = carousel("send", "orders")
    lines = result.output.splitlines()

    assert OK == result.exit_code
    assert ["what", "service1", "service2", "bug", "ms", "trace"] == lines[0].split()
    assert ["200", "service1-1", "service2-1", "slow"] == lines[1].split()[:4]
    assert lines[1].endswith(f"{1:032x}")
    assert f"look at it: carousel trace {1:032x}" == lines[-1]


def test_lines_fit_80_columns(carousel: Carousel, gateway: Server) -> None:
    """With the whole trace id, which is what people copy."""
    gateway.answer = answers(bug="exception")

    assert [] == [line for line in carousel("send", "orders", "-n", "3").output.splitlines() if len(line) > 80]


def test_many_are_summed_up_by_node(carousel: Carousel, gateway: Server) -> None:
    """Both rings, so that it shows whether they turn evenly."""
    gateway.answer = answers()

    output = carousel("send", "orders", "-n", "10").output

    assert "10 requests in" in output
    assert "10 answered well" in output
    assert "service1-1 5 · service1-2 5" in output
    assert "service2-1 5 · service2-2 5" in output
    assert "p50" in output


def test_a_request_is_what_was_asked_for(carousel: Carousel, gateway: Server) -> None:
    """Method, body, fault and type of the body."""
    gateway.answer = answers()

    carousel("send", "payments", "--data", '{"sum": 3}', "--fault", "service2:slow;ms=30")
    carousel("send", "payments", "--method", "get")
    first, second = gateway.asked

    assert ("POST", "/api/payments", b'{"sum": 3}') == (first.method, first.path, first.body)
    assert ("application/json", "service2:slow;ms=30") == (
        first.headers["content-type"],
        first.headers["x-carousel-fault"],
    )
    assert ("GET", b"") == (second.method, second.body)
    assert not {"content-type", "x-carousel-fault"} & second.headers.keys()


def test_a_failed_request_is_named_and_ends_in_1(carousel: Carousel, gateway: Server) -> None:
    """With whose fault it is and why."""
    gateway.answer = lambda asked: failing(502, "service2-1 answered 500.", errorNode="service2-1")

    result = carousel("send", "orders", "-n", "2")

    assert FAILED == result.exit_code
    assert "⊗ 502 service1-2 service2-1" in result.output
    assert "⊗ 2 failed" in result.output
    assert "service2-1 answered 500." in result.output


@pytest.mark.parametrize(
    ("status", "fault", "expected"),
    [
        (502, "service2:error", OK),
        (504, "service2:slow;ms=3000", OK),
        (502, "none", FAILED),
        (404, "service2:error", FAILED),
    ],
)
def test_a_failure_that_was_asked_for_is_none(
    carousel: Carousel, gateway: Server, status: int, fault: str, expected: int
) -> None:
    """A 5xx is what a fault asks for; ``none`` asks for health, and a 4xx is the caller's."""
    gateway.answer = lambda asked: failing(status, "as it is")

    assert expected == carousel("send", "orders", "--fault", fault).exit_code


def test_json_is_a_line_for_each_request_and_a_last_one_for_all(carousel: Carousel, gateway: Server) -> None:
    """NDJSON: what ended is there, also when the rest never does."""
    gateway.answer = answers()

    lines = [json.loads(line) for line in carousel("send", "orders", "-n", "3", "--json").stdout.splitlines()]

    assert ["request", "request", "request", "summary"] == [line["type"] for line in lines]
    assert (True, 200, "service1-1", "service2-1", None, f"{1:032x}") == tuple(
        lines[0][key] for key in ("ok", "status", "service1", "service2", "bug", "traceId")
    )
    assert (3, 0, {"200": 3}, {"service1-1": 2, "service1-2": 1}) == tuple(
        lines[3][key] for key in ("requests", "failed", "statuses", "service1")
    )


def test_with_a_rate_requests_leave_on_time(carousel: Carousel, gateway: Server) -> None:
    """All of them arrive, and each is told once."""
    gateway.answer = answers()

    lines = [
        json.loads(line)
        for line in carousel("send", "orders", "-n", "20", "--rate", "400", "--json").stdout.splitlines()
    ]

    assert sorted(range(1, 21)) == sorted(line["n"] for line in lines if line["type"] == "request")
    assert 20 == len(gateway.asked)


@pytest.mark.parametrize("arguments", [(), ("-n", "5"), ("-n", "5", "--rate", "100")])
def test_nobody_there_is_said_at_once(carousel: Carousel, closed_port: str, arguments: tuple[str, ...]) -> None:
    """What was tried, and what to run."""
    result = carousel("send", "orders", "--gateway", closed_port, *arguments)

    assert UNREACHABLE == result.exit_code
    assert f"cannot reach the gateway at {closed_port} (address from --gateway): connection refused" in result.stderr
    assert "make demo" in result.stderr
    assert "" == result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--fault", "service9:slow"), "no target"),
        (("--fault", "service2:sloow"), "no bug"),
        (("--data", "{"), "--data is not JSON"),
        (("--data", "{}", "--method", "GET"), "a GET has no body"),
        (("-n", "0"), "-n"),
        (("--rate", "0"), "--rate"),
        (("--gateway", "ftp://x"), "is no address"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_is_sent(
    carousel: Carousel, gateway: Server, arguments: tuple[str, ...], expected: str
) -> None:
    """Exit code 2, one line, and nothing left the machine."""
    result = carousel("send", "orders", *arguments)

    assert (USAGE, []) == (result.exit_code, gateway.asked)
    assert expected in result.stderr


def test_an_entity_cannot_leave_its_path(carousel: Carousel, gateway: Server) -> None:
    """Slashes and queries in it are part of the name."""
    carousel("send", "../internal/rings?x")

    assert "/api/..%2Finternal%2Frings%3Fx" == gateway.asked[0].path


def test_answers_that_are_no_json_are_told_as_they_are(carousel: Carousel, gateway: Server) -> None:
    """A proxy in between, an escape sequence in the words."""
    gateway.answer = lambda asked: (502, {}, b"\x1b[31m<html>")

    result = carousel("send", "orders")

    assert FAILED == result.exit_code
    assert "the answer is no problem document" in result.output
    assert "\x1b" not in result.output
