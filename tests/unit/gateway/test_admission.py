"""How many requests are let in, and how many are tried again."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.admission import Admission, RetryBudget
from tests.fakes import FakeClock


def test_the_next_one_over_the_limit_is_turned_away_at_once() -> None:
    """It does not wait for a place."""
    admission = Admission(2)

    assert [True, True, False, False] == [admission.enter() for _ in range(4)]


def test_a_place_that_is_left_is_free_again() -> None:
    """For exactly one."""
    admission = Admission(1)
    admission.enter()
    admission.leave()

    assert [True, False] == [admission.enter(), admission.enter()]


def test_leaving_without_having_entered_is_an_error() -> None:
    """A place too many would let the gateway deadlock on itself."""
    with pytest.raises(ValueError, match="left without having entered"):
        Admission(1).leave()


def test_threads_that_others_hold_are_no_places_for_clients() -> None:
    """A place is two threads; one place is always left, and all are back when the threads are."""
    held = 3
    admission = Admission(4, lambda: held)

    assert [True, True, False] == [admission.enter() for _ in range(3)]
    held = 0
    assert [True, True, False] == [admission.enter() for _ in range(3)]
    held = 40
    assert 1 == admission.limit


def test_never_more_than_the_limit_are_inside_whoever_asks() -> None:
    """Sixteen threads at three places."""
    admission = Admission(3)
    inside, most, mutex = 0, 0, threading.Lock()

    def client() -> None:
        nonlocal inside, most
        for _ in range(500):
            if admission.enter():
                with mutex:
                    inside += 1
                    most = max(most, inside)
                with mutex:
                    inside -= 1
                admission.leave()

    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most <= 3
    assert [True, True, True, False] == [admission.enter() for _ in range(4)]


def test_a_quiet_gateway_may_retry_three_times() -> None:
    """A fifth of hardly any would be none."""
    budget = RetryBudget(clock=FakeClock())
    budget.request()

    assert [True, True, True, False] == [budget.retry() for _ in range(4)]


def test_a_busy_gateway_may_retry_a_fifth_of_its_requests() -> None:
    """Twenty of a hundred."""
    budget = RetryBudget(clock=FakeClock())
    for _ in range(100):
        budget.request()

    assert 20 == sum(budget.retry() for _ in range(100))


def test_what_is_long_past_counts_no_more() -> None:
    """Neither requests nor retries: ten seconds are remembered."""
    clock = FakeClock()
    budget = RetryBudget(clock=clock)
    for _ in range(100):
        budget.request()
    for _ in range(20):
        budget.retry()
    clock.advance(10)

    assert 3 == sum(budget.retry() for _ in range(10))


@given(st.lists(st.tuples(st.sampled_from(["request", "retry", "wait"]), st.floats(0.01, 4.0))))
def test_retries_stay_under_a_fifth_of_the_window_or_three(events: list[tuple[str, float]]) -> None:
    """Whatever comes in whatever order, counted by hand."""
    clock = FakeClock()
    budget = RetryBudget(clock=clock)
    requests: list[float] = []
    retries: list[float] = []
    for kind, seconds in events:
        if kind == "wait":
            clock.advance(seconds)
        elif kind == "request":
            budget.request()
            requests.append(clock())
        elif budget.retry():
            retries.append(clock())
        since = clock() - 10
        assert sum(at > since for at in retries) <= max(3, 0.2 * len(requests))
