"""The steps and outcomes are those of the design: its tables, written out once more as the independent source."""

import pytest

from apps.telemetry import steps

STEPS = """
1  gateway.client.request.received      carousel.request.received
2  gateway.service1.picked              carousel.node.picked
3  gateway.service1.request.sent        carousel.request.sent
4  service1.request.received            carousel.request.received
5  service1.work.part1.done             carousel.work.done
6  service1.service2.request.sent       carousel.request.sent
7  gateway.service1.request.received    carousel.request.received
8  gateway.service2.picked              carousel.node.picked
9  gateway.service2.request.sent        carousel.request.sent
10 service2.request.received            carousel.request.received
11 service2.work.done                   carousel.work.done
12 service2.response.sent               carousel.response.sent
13 gateway.service2.response.received   carousel.response.received
14 gateway.service2.response.forwarded  carousel.response.sent
15 service1.service2.response.received  carousel.response.received
16 service1.work.part2.done             carousel.work.done
17 service1.response.sent               carousel.response.sent
18 gateway.service1.response.received   carousel.response.received
19 gateway.client.response.sent         carousel.response.sent
"""

VARIANTS = """
5  service1.work.bug                    carousel.work.failed
11 service2.work.bug                    carousel.work.failed
13 gateway.service2.request.failed      carousel.request.failed
15 service1.service2.request.failed     carousel.request.failed
18 gateway.service1.request.failed      carousel.request.failed
"""

BUG2, FAILED2, FAILED1 = "service2.work.bug", "gateway.service2.request.failed", "gateway.service1.request.failed"
ALL = range(1, 20)
FAILED_AT_2 = {*range(1, 10), 13, 14, 15, 17, 18, 19}
OUTCOMES = {
    # outcome, at: places that must be there, places that may be, what stands in place of a step
    ("ok", None): (set(ALL), set(), {}),
    ("bad_answer", "service2"): ({*range(1, 16), 17, 18, 19}, set(), {11: BUG2}),
    ("deadline", "service2"): (FAILED_AT_2, {10, 11, 12}, {13: FAILED2}),
    ("reset", "service2"): (FAILED_AT_2, {10, 11, 12}, {13: FAILED2}),
    ("no_node", "service2"): ({*range(1, 8), 13, 14, 15, 17, 18, 19}, set(), {13: FAILED2}),
    ("no_node", "service1"): ({1, 18, 19}, set(), {18: FAILED1}),
    ("shed", "service1"): ({1, 18, 19}, set(), {18: FAILED1}),
    ("bad_answer", "service1"): ({1, 2, 3, 4, 17, 18, 19}, set(range(5, 17)), {18: FAILED1}),
    ("deadline", "service1"): ({1, 2, 3, 18, 19}, set(range(4, 18)), {18: FAILED1}),
    ("reset", "service1"): ({1, 2, 3, 18, 19}, set(range(4, 18)), {18: FAILED1}),
}


def rows(table: str) -> list[tuple[int, str, str]]:
    """Return the rows of a table as number, step and event."""
    return [(int(n), name, event) for n, name, event in (line.split() for line in table.strip().splitlines())]


def test_the_steps_are_the_nineteen_of_the_design() -> None:
    """Number, name and EventName, in this order."""
    assert rows(STEPS) == [(step.n, step.name, step.event) for step in steps.STEPS]


def test_the_variants_are_those_that_may_stand_in_place_of_a_step() -> None:
    """Two bugs and three failures."""
    assert rows(VARIANTS) == [(step.n, step.name, step.event) for step in steps.VARIANTS]


def test_a_step_belongs_to_the_app_that_its_name_begins_with() -> None:
    """A node logs as it acts, so the name says whose act it is."""
    assert [step.name.split(".")[0] for step in steps.BY_NAME.values()] == [step.app for step in steps.BY_NAME.values()]


def test_the_outcomes_are_those_of_the_design() -> None:
    """One row of data for each row of the table, and for each place it names."""
    assert OUTCOMES.keys() == steps.BY_OUTCOME.keys()
    assert len(steps.OUTCOMES) == len(steps.BY_OUTCOME)


@pytest.mark.parametrize("key", list(OUTCOMES), ids=lambda key: "-at-".join(map(str, key)))
def test_an_outcome_asks_for_the_places_that_its_row_names(key: tuple[str, str | None]) -> None:
    """What must be there, what may be missing or late, and what fills each place."""
    must, may, instead = OUTCOMES[key]
    outcome = steps.BY_OUTCOME[key]

    assert must == set(outcome.must)
    assert may == {*outcome.may, *outcome.also}
    for n, fills in outcome.must.items():
        if n in instead:
            assert (instead[n],) == fills
        else:
            assert steps.BY_NUMBER[n].name == fills[0]
            assert {5: 2, 11: 2, 15: 2 if outcome.may == (10, 11, 12) else 1}.get(n, 1) == len(fills)


def test_a_step_of_the_inner_leg_is_repeated_by_an_inner_retry_alone() -> None:
    """8 to 13 belong to the leg gateway→service 2; 1 and 19 to the client; the rest to the leg gateway→service 1."""
    expected = {n: 0 if n in (1, 19) else 2 if 8 <= n <= 13 else 1 for n in ALL}

    assert expected == {step.n: int(step.leg) for step in steps.STEPS}
    assert [1, 2, 2, 1, 1] == [int(step.leg) for step in steps.VARIANTS]


@pytest.mark.parametrize(
    ("failed1", "failed2", "bad2", "expected"),
    [
        (None, None, False, ("ok", None)),
        (None, None, True, ("bad_answer", "service2")),
        (None, "timeout", False, ("deadline", "service2")),
        (None, "connection_reset", False, ("reset", "service2")),
        (None, "connection_refused", False, ("reset", "service2")),
        (None, "no_node", False, ("no_node", "service2")),
        ("timeout", None, False, ("deadline", "service1")),
        ("timeout", "timeout", False, ("deadline", "service1")),
        ("connection_reset", None, False, ("reset", "service1")),
        ("no_node", None, False, ("no_node", "service1")),
        ("shed", None, False, ("shed", "service1")),
        ("bad_answer", None, True, ("bad_answer", "service1")),
    ],
)
def test_evidence_is_read_from_the_outside_in(
    failed1: str | None, failed2: str | None, bad2: bool, expected: tuple[str, str | None]
) -> None:
    """What the client met decides; what happened further in explains it."""
    outcome = steps.outcome_of(failed1, failed2, bad2)

    assert expected == (outcome.name, outcome.at)


def test_an_unknown_error_type_is_no_outcome() -> None:
    """A typo must not pass as a failure of some kind."""
    with pytest.raises(KeyError):
        steps.outcome_of("tiemout", None, False)
