"""The sample of journeys: judged after a while, bounded, and honest about what nobody could tell."""

import pytest

from tests.load.journeys import FIRST_LOOK_S, MAX_WAITING, PATIENCE_S, Sampler, fault_of
from tests.load.result import Journeys

WHOLE = {"complete": True, "outcome": "ok", "status": 200}
HOLED = {
    "complete": False,
    "outcome": "ok",
    "status": 200,
    "missing": [{"n": 12, "step": "service2.response.sent", "node": "service2-1"}],
}


class Storage:
    """Tells what it was given, or nothing."""

    def __init__(self, journeys=(WHOLE,)):
        self.journeys = journeys
        self.asked = []
        self.is_down = False

    def __call__(self, trace_id):
        self.asked.append(trace_id)
        if self.is_down:
            raise OSError("refused")
        return self.journeys


class Clock:
    """Seconds that pass by `sleep`."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    """A clock that stands still until told."""
    return Clock()


def sampler(storage, clock, every=1):
    """Return a sampler and where it counts."""
    found = Journeys()
    return Sampler(every, storage, clock, found), found


def test_one_request_in_so_many_is_taken(clock):
    """Not the first, since there may be no second."""
    one, found = sampler(Storage(), clock, every=20)
    for number in range(100):
        one.offer(f"{number:032x}", 200)
    assert found.taken == 5


def test_none_is_taken_when_nobody_wants_it(clock):
    """SAMPLE=0."""
    one, found = sampler(Storage(), clock, every=0)
    one.offer("a" * 32, 200)
    assert (found.taken, one.waiting) == (0, 0)


def test_storage_is_asked_a_while_after_the_answer(clock):
    """Telemetry takes its time; nothing is asked on the request's way."""
    storage = Storage()
    one, found = sampler(storage, clock)
    one.offer("a" * 32, 200)
    one.turn()
    assert storage.asked == []
    clock.now = FIRST_LOOK_S
    one.turn()
    assert (storage.asked, found.whole, one.waiting) == (["a" * 32], 1, 0)


def test_a_late_journey_is_looked_at_again(clock):
    """It has holes only when patience is at its end."""
    storage = Storage([HOLED])
    one, found = sampler(storage, clock)
    one.offer("a" * 32, 200)
    clock.now = FIRST_LOOK_S
    one.turn()
    storage.journeys = [WHOLE]
    clock.now += 2
    one.turn()
    assert (found.whole, found.holed) == (1, [])


def test_a_journey_that_never_gets_whole_has_holes(clock):
    """With its trace id and what it lacks."""
    one, found = sampler(Storage([HOLED]), clock)
    one.offer("a" * 32, 200)
    one.finish(clock.sleep, PATIENCE_S + 2)
    assert found.holed == [("a" * 32, "ok: lacks 12 service2.response.sent of service2-1")]
    assert found.judged == 1


def test_what_nobody_could_tell_is_not_called_whole(clock):
    """Neither when storage is silent, nor when the run ended first."""
    storage = Storage()
    storage.is_down = True
    one, found = sampler(storage, clock)
    one.offer("a" * 32, 200)
    one.finish(clock.sleep, PATIENCE_S + 2)
    one.offer("b" * 32, 200)
    one.finish(clock.sleep, 1)
    assert (found.judged, found.unchecked, found.why_unchecked) == (0, 2, "storage did not answer: refused")


def test_the_waiting_are_bounded(clock):
    """What is too much is counted."""
    one, found = sampler(Storage(), clock)
    for number in range(MAX_WAITING + 5):
        one.offer(f"{number:032x}", 200)
    assert (one.waiting, found.unchecked) == (MAX_WAITING, 5)
    one.finish(clock.sleep, 60)
    assert (found.whole, found.taken) == (MAX_WAITING, MAX_WAITING + 5)


@pytest.mark.parametrize(
    ("journeys", "status", "words"),
    [
        ([], 200, "storage has no journey of it"),
        ([WHOLE, WHOLE], 200, "storage has 2 journeys of it"),
        ([WHOLE], 502, "its outcome is ok, which does not fit 502"),
        ([WHOLE | {"status": 502}], 200, "its last step says 502, the answer was 200"),
        ([{"complete": False, "outcome": "unfinished"}], 200, "unfinished: lacks its end"),
        ([{"complete": False, "outcome": "ok", "duplicated": [{"n": 3, "step": "x"}]}], 200, "ok: lacks 3 x twice"),
        ([WHOLE | {"outcome": "shed", "status": 503}], 503, None),
        ([WHOLE | {"outcome": "reset", "status": 502}], 502, None),
        ([WHOLE | {"outcome": "deadline", "status": 504}], 504, None),
    ],
)
def test_a_journey_fits_its_answer(journeys, status, words):
    """One request is one journey, whole, with the outcome and the status that the client saw."""
    assert fault_of(journeys, status) == words
