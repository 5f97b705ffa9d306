"""Simulated work: its time, its span, its step, its measurement, and the bugs it has on order."""

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from apps.telemetry import steps
from apps.telemetry.setup import Telemetry
from apps.telemetry.trail import Trail
from apps.web.deadline import Deadline
from apps.web.faults import Fault
from apps.web.havoc import Havoc
from apps.web.kinds import BY_NAME, KINDS
from apps.web.leak import MIB
from apps.web.work import OVERTIME_S, Done, Silenced, WorkFailed, Workshop, parse_range
from tests.fakes import FakeClock, records_of, telemetry_of


@dataclass
class Shop:
    """A workshop whose time is written down, not spent."""

    telemetry: Telemetry
    slept: list[float] = field(default_factory=list)
    deeds: list[str] = field(default_factory=list)
    havoc: Havoc = field(init=False)

    def __post_init__(self) -> None:
        self.become()

    def become(self, threads: int = 32, *, is_mortal: bool = True) -> None:
        """Have so many threads from now on; be one that can crash, or not."""
        clock = FakeClock()

        def wait(seconds: float) -> None:
            clock.advance(seconds)
            self.deeds.append(f"waited {seconds:g} with {len(self.steps())} steps")

        def die() -> None:
            self.deeds.append(f"died with {len(self.steps())} steps")

        self.havoc = Havoc(threads, die=die if is_mortal else None, clock=clock, wait=wait)

    def do(
        self, fault: Fault | None = None, *, left_ms: float = 60_000, span_ms: tuple[float, float] = (10, 10)
    ) -> Done:
        """Do one piece of work."""
        shop = Workshop(self.telemetry, generator=random.Random(1), sleep=self.slept.append, havoc=self.havoc)
        trail = Trail(self.telemetry.recorder, "00f067aa0ba902b7", "orders", "POST")
        deadline = Deadline(left_ms, FakeClock())
        return shop.do("work", span_ms, trail, deadline, steps.WORK_DONE, steps.SERVICE2_BUG, fault)

    def steps(self) -> list[dict[str, Any]]:
        """Return the steps that were logged."""
        return [record for record in records_of(self.telemetry) if "step" in record]

    def step(self) -> dict[str, Any]:
        """Return the one step that was logged."""
        (record,) = self.steps()
        return record


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A workshop of service 2."""
    telemetry = telemetry_of("service2")
    made = Shop(telemetry)
    yield made
    made.havoc.stop()
    telemetry.meter_provider.shutdown()


def test_work_takes_its_time_and_is_logged_as_done(shop: Shop) -> None:
    """Inside its INTERNAL span."""
    done = shop.do()

    assert ([0.01], None) == (shop.slept, done.fault)
    assert ("service2.work.done", done.duration_ms) == (shop.step()["step"], shop.step()["http"]["durationMs"])
    (span,) = shop.telemetry.spans.oldest(2)
    assert ("work", "INTERNAL", True) == (span.name, span.kind.name, span.status.is_unset)


def test_how_long_it_takes_is_drawn_from_its_range(shop: Shop) -> None:
    """The same seed draws the same."""
    for _ in range(2):
        shop.do(span_ms=(10, 40))

    assert shop.slept[0] == shop.slept[1]
    assert 0.01 <= shop.slept[0] <= 0.04


def test_slow_work_waits_longer_and_is_done_all_the_same(shop: Shop) -> None:
    """A warning: it served."""
    done = shop.do(Fault("slow", "", {"ms": 400}))

    assert [pytest.approx(0.41)] == shop.slept
    assert (Fault("slow", "", {"ms": 400}), "service2.work.bug", "WARN", "slow") == (
        done.fault,
        shop.step()["step"],
        shop.step()["severity"],
        shop.step()["attributes"]["carousel.bug"],
    )


@pytest.mark.parametrize(("left_ms", "slept"), [(60_000, 30.01), (1_000, 1 + OVERTIME_S), (0, OVERTIME_S)])
def test_nobody_works_long_after_nobody_waits(shop: Shop, left_ms: float, slept: float) -> None:
    """Overtime is bounded: five seconds after the deadline."""
    shop.do(Fault("slow", "", {"ms": 30_000}), left_ms=left_ms)

    assert [pytest.approx(slept)] == shop.slept


@pytest.mark.parametrize(("fault", "status"), [
    (Fault("error"), 500), (Fault("error", "", {"status": 503}), 503), (Fault("exception"), 500),
])  # fmt: skip
def test_work_that_fails_says_with_which_status(shop: Shop, fault: Fault, status: int) -> None:
    """After it took its time; step, span and measurement are those of a failure."""
    with pytest.raises(WorkFailed) as failed:
        shop.do(fault)

    assert (status, fault, [0.01]) == (failed.value.status, failed.value.fault, shop.slept)
    assert ("service2.work.bug", "ERROR", fault.kind) == (
        shop.step()["step"],
        shop.step()["severity"],
        shop.step()["attributes"]["carousel.bug"],
    )
    (span,) = shop.telemetry.spans.oldest(2)
    assert (False, fault.kind) == (span.status.is_ok, (span.attributes or {})["error.type"])
    assert ["error"] == [record["state"] for record in records_of(shop.telemetry) if record["type"] == "metric"]


def test_an_exception_is_recorded_once_with_its_stack(shop: Shop) -> None:
    """On the step; the span has its status, not the same again."""
    with pytest.raises(WorkFailed):
        shop.do(Fault("exception"))

    fields = shop.step()["attributes"]
    assert fields["exception.type"].endswith("InjectedError")
    assert 4 == fields["exception.stacktrace"].count("in _raise_deep")
    (span,) = shop.telemetry.spans.oldest(2)
    assert () == tuple(span.events)


def test_garbage_is_the_answers_fault_not_the_works(shop: Shop) -> None:
    """The work is finished; whoever answers sends rubbish."""
    done = shop.do(Fault("garbage"))

    assert Fault("garbage") == done.fault
    assert ("service2.work.bug", "ERROR") == (shop.step()["step"], shop.step()["severity"])


def test_a_hang_tells_that_it_strikes_and_leaves_no_answer(shop: Shop) -> None:
    """The step is logged first: nobody waits five seconds and more to see what is going on."""
    with pytest.raises(Silenced):
        shop.do(Fault("hang"), left_ms=3_000)

    assert (["waited 8 with 1 steps"], []) == (shop.deeds, shop.slept)
    assert ("service2.work.bug", "ERROR", "hang") == (
        shop.step()["step"],
        shop.step()["severity"],
        shop.step()["attributes"]["carousel.bug"],
    )
    assert "durationMs" not in shop.step()["http"]
    (span,) = shop.telemetry.spans.oldest(2)
    assert (False, "hang") == (span.status.is_ok, (span.attributes or {})["error.type"])


@pytest.mark.parametrize(
    "fault",
    [Fault("hang"), Fault("burn"), Fault("crash"), Fault("slow", "", {"ms": 1_001})],
    ids=lambda fault: fault.kind,
)
def test_a_bug_that_keeps_a_thread_too_many_is_an_error_at_once(shop: Shop, fault: Fault) -> None:
    """A node keeps threads for what is well, /readyz above all."""
    shop.become(threads=4)

    with pytest.raises(WorkFailed, match="could not show") as failed:
        shop.do(fault)

    assert (500, []) == (failed.value.status, shop.deeds)
    assert ("service2.work.bug", "ERROR") == (shop.step()["step"], shop.step()["severity"])


def test_a_bug_that_is_a_little_slow_needs_no_room(shop: Shop) -> None:
    """As long as it keeps its thread no longer than work does."""
    shop.become(threads=4)
    shop.do(Fault("slow", "", {"ms": 1_000}))
    assert shop.slept == [1.01]


def test_a_crash_works_a_while_tells_it_fatally_and_dies(shop: Shop) -> None:
    """Young as the node is, it first waits until it is old enough."""
    with pytest.raises(Silenced):
        shop.do(Fault("crash", "", {"ms": 50}))

    assert (["waited 2 with 0 steps", "died with 1 steps"], [0.05]) == (shop.deeds, shop.slept)
    assert ("service2.work.bug", "FATAL", "crash") == (
        shop.step()["step"],
        shop.step()["severity"],
        shop.step()["attributes"]["carousel.bug"],
    )


def test_what_cannot_crash_answers_an_error(shop: Shop) -> None:
    """An app that runs in somebody's own process leaves that alone."""
    shop.become(is_mortal=False)

    with pytest.raises(WorkFailed, match="could not show"):
        shop.do(Fault("crash"))

    assert ([], "ERROR") == (shop.deeds, shop.step()["severity"])


def test_a_leak_holds_memory_and_the_work_is_done_all_the_same(shop: Shop) -> None:
    """A warning: it served."""
    done = shop.do(Fault("leak", "", {"mb": 3, "s": 60}))

    assert (3 * MIB, "leak") == (shop.havoc.leak.held_bytes, done.fault and done.fault.kind)
    assert ("service2.work.bug", "WARN") == (shop.step()["step"], shop.step()["severity"])


def test_a_burn_is_done_all_the_same(shop: Shop) -> None:
    """A warning: it served."""
    done = shop.do(Fault("burn", "", {"ms": 0}))

    assert ("burn", [0.01]) == (done.fault and done.fault.kind, shop.slept)
    assert ("service2.work.bug", "WARN") == (shop.step()["step"], shop.step()["severity"])


@pytest.mark.parametrize("kind", BY_NAME)
def test_every_kind_is_counted_once_and_measured_once(shop: Shop, kind: str) -> None:
    """Whatever becomes of the request."""
    with contextlib.suppress(WorkFailed, Silenced):
        shop.do(Fault(kind, "", {"mb": 1, "ms": 0}))
    shop.telemetry.meter_provider.force_flush()

    assert 1.0 == shop.telemetry.registry.get_sample_value("carousel_bugs_total", {"carousel_bug": kind})
    assert 1 == len([record for record in records_of(shop.telemetry) if record["type"] == "metric"])
    assert 1 == len(shop.steps())


def test_a_bug_without_a_step_of_its_own_is_logged_as_done(shop: Shop) -> None:
    """Part 2 of service 1 has no place for one."""
    workshop = Workshop(shop.telemetry, sleep=shop.slept.append)
    trail = Trail(shop.telemetry.recorder, "j", "orders", "POST")

    workshop.do("work part2", (0, 0), trail, Deadline(1_000), steps.PART2_DONE)

    assert "service1.work.part2.done" == shop.step()["step"]


def test_bugs_are_counted_by_kind_from_zero(shop: Shop) -> None:
    """Every kind has its series before it ever shows."""
    shop.do(Fault("slow"))
    shop.telemetry.meter_provider.force_flush()

    value = shop.telemetry.registry.get_sample_value
    assert {kind.name: float(kind.name == "slow") for kind in KINDS} == {
        kind.name: value("carousel_bugs_total", {"carousel_bug": kind.name}) for kind in KINDS
    }


def test_the_duration_of_work_has_the_boundaries_of_the_conventions(shop: Shop) -> None:
    """And an error type only where it failed."""
    shop.do()
    with pytest.raises(WorkFailed):
        shop.do(Fault("error"))
    shop.telemetry.meter_provider.force_flush()

    value = shop.telemetry.registry.get_sample_value
    assert 1.0 == value("carousel_work_duration_seconds_bucket", {"carousel_work": "work", "le": "0.005"})
    assert 1.0 == value("carousel_work_duration_seconds_count", {"carousel_work": "work", "error_type": "error"})


@pytest.mark.parametrize(
    ("value", "expected"), [("20", (20, 20)), ("10-40", (10, 40)), ("0", (0, 0)), ("1.5-2", (1.5, 2))]
)
def test_a_range_is_one_number_or_two(value: str, expected: tuple[float, float]) -> None:
    """The least and the most milliseconds."""
    assert expected == parse_range(value)


@pytest.mark.parametrize("value", ["", "-", "40-10", "-5", "1-", "x", "1-2-3", "nan", "0-60001", "inf"])
def test_any_other_range_is_an_error(value: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r".+"):
        parse_range(value)
