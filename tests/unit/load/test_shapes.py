"""The shapes: what they look like, and that their area is the number of requests."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.native.tools import ROOT
from tests.load.pacer import NEVER_S, Pacer
from tests.load.shapes import LEVELS, MAY_BE_ENDLESS, SHAPES, picture

shapes = st.sampled_from(sorted(SHAPES))
rates = st.floats(0.1, 1_000)
lengths = st.floats(5, 600)


@given(shapes, rates, lengths, st.integers(0, 100_000))
def test_a_requests_moment_is_when_so_many_are_due(shape, rate, seconds, number):
    """`when` is the inverse of `due`."""
    curve = SHAPES[shape](rate, seconds)
    moment = curve.when(number)

    if math.isinf(moment):
        assert curve.due(seconds) <= number + 1e-6
    else:
        assert curve.due(moment) == pytest.approx(number, abs=1e-6, rel=1e-9)
        assert 0 <= moment <= seconds * (1 + 1e-12)


@given(shapes, rates, lengths, st.floats(0, 1), st.floats(0, 1))
def test_what_is_due_only_grows_and_no_faster_than_the_highest_rate(shape, rate, seconds, one, other):
    """RATE is the highest of every shape."""
    curve = SHAPES[shape](rate, seconds)
    begin, end = sorted((one * seconds, other * seconds))

    assert 0 <= curve.due(end) - curve.due(begin) <= rate * (end - begin) + 1e-6
    assert curve.peak == rate


def test_steady_may_go_on_for_ever():
    """The demo's load has no end."""
    curve = SHAPES["steady"](2.0, 0.0)

    assert curve.is_endless
    assert (curve.rate(1e6), curve.due(1e6), curve.when(2e6)) == (2.0, 2e6, 1e6)
    assert MAY_BE_ENDLESS == ("steady",)


def test_a_ramp_climbs_and_stays():
    """From a tenth, over four fifths of the time."""
    curve = SHAPES["ramp"](100.0, 10.0)

    assert [curve.rate(second) for second in (0, 4, 8, 9.9)] == [10, 55, 100, 100]


def test_a_spike_is_a_fifth_of_the_time():
    """A fifth of the rate before and after it."""
    curve = SHAPES["spike"](100.0, 10.0)

    assert [curve.rate(second) for second in (0, 3.9, 4, 5.9, 6, 10)] == [20, 20, 100, 100, 20, 20]
    assert curve.rate(10.1) == 0


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_picture_is_one_line_of_blocks(shape):
    """Its highest block is the highest rate."""
    drawn = picture(SHAPES[shape](20.0, 60.0), 40)

    assert len(drawn) == 40
    assert set(drawn) <= set(LEVELS)
    assert LEVELS[-1] in drawn


def test_the_page_about_load_shows_each_shape():
    """As the code draws it."""
    page = (ROOT / "docs" / "load.md").read_text(encoding="utf-8")

    for name, shape in SHAPES.items():
        assert f"{name:<8}{picture(shape(20.0, 60.0), 40)}" in page


class Clock:
    """Seconds that pass when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_requests_are_due_at_even_moments():
    """Each user that asks gets the next one, whoever it is."""
    clock = Clock()
    pacer = Pacer(SHAPES["steady"](4.0, 10.0), clock)

    assert [pacer.delay() for _ in range(3)] == [0, 0.25, 0.5]
    clock.now += 0.6
    assert pacer.delay() == pytest.approx(0.15)


def test_a_late_request_is_sent_at_once():
    """As long as it is not too late."""
    clock = Clock()
    pacer = Pacer(SHAPES["steady"](10.0, 10.0), clock)
    pacer.delay()
    clock.now += 0.9

    assert [pacer.delay() for _ in range(9)] == pytest.approx([0] * 9, abs=1e-9)
    assert pacer.given_up == 0


def test_a_stall_is_not_followed_by_a_burst():
    """What is later than a second is given up and counted."""
    clock = Clock()
    pacer = Pacer(SHAPES["steady"](10.0, 60.0), clock)
    pacer.delay()
    clock.now += 5.0

    at_once = 0
    while pacer.delay() == 0:
        at_once += 1
    assert (at_once, pacer.given_up) == (11, 39)
    assert pacer.asked == 50


def test_after_the_end_nothing_more_is_asked_for():
    """Neither after the curve's, nor after that of a run ended early."""
    clock = Clock()
    pacer = Pacer(SHAPES["steady"](1.0, 5.0), clock)
    assert [pacer.delay() for _ in range(6)] == [0, 1, 2, 3, 4, NEVER_S]
    clock.now += 2.5
    pacer.end()
    clock.now += 10
    assert (pacer.elapsed, pacer.asked, pacer.delay()) == (2.5, 3, NEVER_S)


@given(shapes, st.floats(0.5, 200), st.floats(5, 30))
def test_a_whole_run_asks_for_what_the_curve_holds(shape, rate, seconds):
    """Users who are never late send every request."""
    clock = Clock()
    curve = SHAPES[shape](rate, seconds)
    pacer = Pacer(curve, clock)

    sent = 0
    while (delay := pacer.delay()) < NEVER_S:
        clock.now += delay
        sent += 1
    clock.now += 3 * seconds
    assert pacer.given_up == 0
    # A request that is due at the very end may be on either side of it.
    assert sent == pytest.approx(pacer.asked, abs=1)
    assert sent == pytest.approx(curve.due(seconds), abs=1)
