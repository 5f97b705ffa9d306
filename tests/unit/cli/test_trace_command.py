"""``carousel trace``: finds a trace, waits for the rest of it, says what is missing."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from apps.cli.errors import FAILED, OK, UNREACHABLE, USAGE
from tests.unit.cli import samples
from tests.unit.cli.conftest import Asked, Server

Carousel = Callable[..., Result]
TRACE = f"/api/v1/traces/{samples.TRACE_ID}"


def pages(journey: dict[str, Any], spans: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what storage knows of the trace."""
    return {TRACE: spans or samples.trace(), f"{TRACE}/journeys": samples.journeys(journey)}


@pytest.mark.parametrize(
    "given",
    [
        samples.TRACE_ID,
        samples.TRACE_ID.upper(),
        f"00-{samples.TRACE_ID}-00f067aa0ba902b7-00",
        f"traceparent: 00-{samples.TRACE_ID}-00f067aa0ba902b7-01",
    ],
)
def test_shows_waterfall_and_journey(carousel: Carousel, storage: Server, given: str) -> None:
    """Under the id in any case, or a whole traceparent."""
    storage.knows(pages(samples.journey()))

    result = carousel("trace", given)

    assert OK == result.exit_code
    assert f"trace {samples.TRACE_ID}  10 spans  2026-11-23 11:52:59.123 UTC" in result.output
    assert "whole · ok · 200 · 66.5 ms" in result.output


def test_json_is_all_that_storage_knows(carousel: Carousel, storage: Server) -> None:
    """Journeys and spans as storage tells them, and whether they are whole."""
    known = pages(samples.journey())
    storage.knows(known)

    shape = json.loads(carousel("trace", samples.TRACE_ID, "--json").stdout)

    assert {
        "traceId": samples.TRACE_ID,
        "complete": True,
        "journeys": known[f"{TRACE}/journeys"]["journeys"],
        "resourceSpans": known[TRACE]["resourceSpans"],
    } == shape


def test_holes_end_in_1(carousel: Carousel, storage: Server) -> None:
    """So that a script can ask whether anything was lost."""
    storage.knows(pages(samples.holed()))

    result = carousel("trace", samples.TRACE_ID, "--wait", "0")

    assert FAILED == result.exit_code
    assert "◌ 3 steps missing" in result.output
    assert "carousel logs --node service2-1 --limit 20" in result.output


def test_waits_until_the_rest_has_arrived(carousel: Carousel, storage: Server) -> None:
    """Telemetry needs a moment: first nothing, then a part, then spans without their entry, then all."""
    states = [
        {},
        pages(samples.holed()),
        pages(samples.journey(), samples.trace(1)),
        pages(samples.journey()),
    ]

    def answer(asked: Asked) -> tuple[int, dict[str, str], Any]:
        state = states[min((len(storage.asked) - 1) // 2, len(states) - 1)]
        return (200, {}, state[asked.path]) if asked.path in state else (404, {}, {"detail": "not here"})

    storage.answer = answer

    result = carousel("trace", samples.TRACE_ID, "--wait", "20")

    assert (OK, 8) == (result.exit_code, len(storage.asked))
    assert "10 spans" in result.output


def test_both_journeys_of_a_trace_are_shown(carousel: Carousel, storage: Server) -> None:
    """A client may send two requests under one trace id."""
    second = samples.journey(journeyId="00000000000000b2", entity="payments")
    storage.knows({TRACE: samples.trace(), f"{TRACE}/journeys": samples.journeys(samples.journey(), second)})

    output = carousel("trace", samples.TRACE_ID, "--wait", "0").output

    assert f"journey {samples.JOURNEY_ID}  orders" in output
    assert "journey 00000000000000b2  payments" in output


def test_a_trace_of_another_program_has_no_journey(carousel: Carousel, storage: Server) -> None:
    """It has its waterfall, and misses nothing."""
    storage.knows({TRACE: samples.trace(), f"{TRACE}/journeys": samples.journeys()})

    result = carousel("trace", samples.TRACE_ID, "--wait", "0")

    assert OK == result.exit_code
    assert "No journey: this trace never came through the gateway." in result.output


def test_an_unknown_trace_ends_in_1(carousel: Carousel) -> None:
    """With what to do about it."""
    result = carousel("trace", samples.TRACE_ID, "--wait", "0")

    assert (FAILED, "") == (result.exit_code, result.stdout)
    assert f"knows nothing of trace {samples.TRACE_ID}" in result.stderr
    assert "--wait 30" in result.stderr


@pytest.mark.parametrize("given", ["4bf92f35", "0" * 32, "g" * 32, "00-xyz-1-1", ""])
def test_what_is_no_trace_id_is_refused(carousel: Carousel, storage: Server, given: str) -> None:
    """Before anybody is asked."""
    assert (USAGE, []) == (carousel("trace", given).exit_code, storage.asked)


def test_storage_that_is_not_there(carousel: Carousel, closed_port: str) -> None:
    """Exit code 3, with what was tried and what to run."""
    result = carousel("trace", samples.TRACE_ID, "--storage", closed_port)

    assert UNREACHABLE == result.exit_code
    assert f"cannot reach storage at {closed_port}" in result.stderr


def test_storage_in_trouble_is_quoted(carousel: Carousel, storage: Server) -> None:
    """Its own words are the best there are."""
    storage.says(503, {"title": "Service Unavailable", "detail": "the disk is full"})

    result = carousel("trace", samples.TRACE_ID)

    assert FAILED == result.exit_code
    assert "carousel: storage answered 503: the disk is full\n" == result.stderr


def test_something_else_at_the_address_is_said(carousel: Carousel, storage: Server) -> None:
    """A web server of the user's that answers 200 to everything."""
    storage.says(200, b"<html>")

    result = carousel("trace", samples.TRACE_ID)

    assert FAILED == result.exit_code
    assert "is no storage" in result.stderr
