"""The words and the numbers at the end of a run, and its verdict."""

import json
import random

import pytest

from tests.load import summary
from tests.load.checks import Answer, Verdict
from tests.load.result import FAILURES, KINDS_OF_COMPLAINTS, SLOWEST, Result
from tests.load.settings import Settings
from tests.load.thresholds import Limits, judged


def settings(**values):
    """Return a run's settings."""
    return Settings.from_env({f"CAROUSEL_LOAD_{name}": value for name, value in ({"SEED": "7"} | values).items()})


def record(result, ms=10.0, status=200, wrong="", trace_id="a" * 32, nodes=("service1-1", "service2-1")):
    """Tell *result* of one answer."""
    result.record(Answer("orders", status), Verdict((wrong,) if wrong else (), trace_id, *nodes), ms)


@pytest.fixture
def result():
    """A run of a hundred answers in ten seconds."""
    result = Result()
    for number in range(100):
        record(result, ms=float(number + 1), status=502 if number == 50 else 200, trace_id=f"{number:032x}")
    result.seconds, result.asked = 10.0, 100
    result.journeys.taken, result.journeys.whole = 5, 5
    return result


def test_percentiles_are_those_of_the_answers(result):
    """Nearest rank."""
    assert [result.percentile(percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert Result().percentile(95) is None


def test_percentiles_are_right_within_half_a_percent():
    """Durations are kept with three digits, in bounded memory."""
    dice, result = random.Random(5), Result()
    durations = sorted(dice.lognormvariate(4, 1) for _ in range(5_000))
    for ms in durations:
        record(result, ms)
    for percent in (50, 95, 99):
        assert result.percentile(percent) == pytest.approx(durations[round(percent * 50) - 1], rel=0.006)


def test_a_long_run_keeps_a_bounded_number_of_answers():
    """The demo's load goes on for weeks."""
    result = Result()
    for number in range(5_000):
        record(result, ms=number / 7, wrong=f"wrong {number}", status=500)
    assert len(result.slowest) == SLOWEST
    assert len(result.failures) == FAILURES
    assert len(result.complaints) == KINDS_OF_COMPLAINTS
    assert result.failed == 5_000


def test_the_slowest_come_first(result):
    """With their trace ids."""
    assert [seen.ms for seen in result.slowest] == [100, 99, 98, 97, 96]
    assert result.slowest[0].trace_id == f"{99:032x}"


def verdicts(limits, result):
    """Return which thresholds are met, by name."""
    return {threshold.name: threshold.is_met for threshold in judged(limits, result)}


def test_what_is_expected_passes(result):
    """A 502 that the demo's bugs cause is an answer like any other."""
    assert verdicts(Limits(), result) == {"unexpected answers": True, "journeys with holes": True}


def test_an_unexpected_answer_fails_the_run(result):
    """Unless so many were allowed."""
    record(result, status=500, wrong="status 500")
    assert not verdicts(Limits(), result)["unexpected answers"]
    assert verdicts(Limits(fail_ratio=0.01), result)["unexpected answers"]


def test_a_run_without_an_answer_fails():
    """Nothing sent is not nothing wrong."""
    assert not verdicts(Limits(), Result())["unexpected answers"]


@pytest.mark.parametrize(("limit", "is_met"), [(95.0, True), (94.0, False)])
def test_p95_is_judged_when_asked(result, limit, is_met):
    """P95_MS."""
    assert verdicts(Limits(p95_ms=limit), result)["p95"] is is_met


def test_the_rate_is_judged_when_asked(result):
    """MIN_RATE: the share of the requests asked for."""
    result.asked = 200
    assert not verdicts(Limits(min_rate=0.9), result)["rate reached"]
    assert verdicts(Limits(min_rate=0.5), result)["rate reached"]


def test_a_hole_fails_the_run(result):
    """Unless so many were allowed."""
    result.journeys.holed.append(("b" * 32, "lacks 12"))
    assert not verdicts(Limits(), result)["journeys with holes"]
    assert verdicts(Limits(holes=1), result)["journeys with holes"]


def test_journeys_that_nobody_could_check_fail_the_run(result):
    """A gate that measured nothing does not open."""
    result.journeys.whole, result.journeys.unchecked = 0, 5
    assert not verdicts(Limits(), result)["journeys with holes"]


def test_chaos_that_is_not_put_back_fails_the_run(result):
    """Whatever the answers were."""
    result.chaos_left = ("service1-2 back into the ring",)
    assert not verdicts(Limits(), result)["chaos put back"]


def test_the_summary_of_a_good_run(result):
    """Aligned, plain, within 80 columns."""
    lines = summary.lines(settings(SHAPE="spike", RATE="20"), result)
    text = "\n".join(lines)

    assert max(map(len, lines)) <= 80
    assert "\x1b" not in text
    assert "load        spike, 10.0 s (ended early), 20 users" in text
    assert "to          http://127.0.0.1:8080" in text
    assert "requests    100 sent of 100 asked for, 100.0%" in text
    assert "answers     200          99   99.0%" in text
    assert "ms          p50 50   p95 95   p99 99   max 100" in text
    assert "service1    service1-1       100  100.0%" in text
    assert "journeys    5 checked: 5 whole, journeys with holes: 0" in text
    assert f"slowest     200      100 ms  carousel trace {99:032x}" in text
    assert "thresholds  ok     unexpected answers   0.00%  at most 0.00%" in text
    assert "NOT REACHED" not in text
    assert "failed " not in text


def test_the_summary_of_a_bad_run(result):
    """What went wrong is in words, with the command to look at it."""
    record(result, status=0, wrong="no answer: refused", trace_id=None)
    record(result, status=500, wrong="status 500, expected one of 200, 502, 503, 504", trace_id="c" * 32)
    result.asked, result.given_up = 150, 48
    result.journeys.holed.append(("b" * 32, "ok: lacks 12 service2.response.sent of service2-1"))
    result.journeys.unchecked, result.journeys.why_unchecked = 3, "storage did not answer: " + "x" * 90
    result.chaos_done.update({"bug": 3, "drain": 2})
    result.chaos_left = ("service1-2 (127.0.0.1:8102) back into the ring of service1: refused",)
    lines = summary.lines(settings(SHAPE="chaos", P95_MS="50", MIN_RATE="0.95"), result)
    text = "\n".join(lines)

    assert max(map(len, lines)) <= 80
    assert "NOT REACHED: 48 requests were not sent" in text
    assert "none          1    1.0%  unexpected" in text
    assert "journeys with holes: 1" in text
    assert "carousel trace " + "b" * 32 in text
    assert "chaos       bugs ordered: 3, nodes drained: 2, scaled: 0; NOT put back:" in text
    assert "failed      none      10 ms  no trace id: no answer: refused" in text
    assert "500       10 ms  carousel trace " + "c" * 32 in text
    assert text.count("FAILED") == 5
    assert "seed 7" in text


def test_the_report_is_the_same_as_json(result):
    """For a program that reads it."""
    record(result, status=500, wrong="status 500", trace_id="c" * 32)
    shape = json.loads(json.dumps(summary.report(settings(P95_MS="200"), result)))

    assert shape["passed"] is False
    assert shape["statuses"] == {"200": 99, "500": 1, "502": 1}
    assert shape["requests"] == {"asked": 100, "sent": 101, "givenUp": 0}
    assert shape["durationMs"] == {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    assert shape["failed"] == [{"traceId": "c" * 32, "status": 500, "ms": 10.0, "words": "status 500"}]
    assert [(one["name"], one["met"]) for one in shape["thresholds"]] == [
        ("unexpected answers", False),
        ("p95", True),
        ("journeys with holes", True),
    ]


def test_how_it_goes_is_one_line(result):
    """While it goes on."""
    line = summary.progress(result)
    assert line == "   10 s      100 sent    10.0/s  200: 99  5xx: 1  unexpected: 0  p95 95 ms"
