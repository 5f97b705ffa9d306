"""The trail of a request: journey and attempts, laid at the entrance and taken up by each hop."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace import format_span_id

from apps.telemetry import names, steps
from apps.telemetry.steps import Leg
from apps.telemetry.trail import CLIENT_MEMBERS, Recorder, Trail, without_our_baggage
from tests.fakes import records_of, telemetry_of


def over_the_wire(current: Context) -> Context:
    """Return what the next hop makes of the baggage in *current*."""
    fields: dict[str, str] = {}
    W3CBaggagePropagator().inject(fields, current)
    return W3CBaggagePropagator().extract(fields, Context())


def taken_up(recorder: Recorder, carried: Context, leg: Leg) -> Trail:
    """Return the trail that a hop finds in *carried*."""
    token = context.attach(carried)
    try:
        return recorder.trail("orders", "POST", leg)
    finally:
        context.detach(token)


@given(attempt=st.integers(1, 999), attempt2=st.integers(1, 999), synthetic=st.sampled_from([None, "test", "bot"]))
def test_a_trail_survives_the_wire_on_both_legs(attempt: int, attempt2: int, synthetic: str | None) -> None:
    """Journey, attempts and the mark of a test are what they were."""
    recorder = telemetry_of("gateway").recorder
    trail = Trail(recorder, "00f067aa0ba902b7", "orders", "POST", attempt, attempt2, synthetic)

    outer = taken_up(recorder, over_the_wire(trail.baggage(Leg.SERVICE1)), Leg.SERVICE1)
    inner = taken_up(recorder, over_the_wire(trail.baggage(Leg.SERVICE2)), Leg.SERVICE2)

    assert ("00f067aa0ba902b7", attempt, synthetic) == (outer.journey_id, outer.attempt, outer.synthetic)
    assert ("00f067aa0ba902b7", attempt, attempt2, synthetic) == (
        inner.journey_id,
        inner.attempt,
        inner.attempt2,
        inner.synthetic,
    )


@pytest.mark.parametrize("value", ["", "0x1", "-1", "1.5", "one", "12345", "²"])
def test_an_attempt_that_is_no_count_is_the_first(value: str) -> None:
    """Somebody called the node directly, with baggage of their own."""
    recorder = telemetry_of("service1").recorder
    carried = baggage.set_baggage(names.BAGGAGE_ATTEMPT, value, Context())

    assert 1 == taken_up(recorder, carried, Leg.SERVICE1).attempt


def test_a_trail_without_baggage_is_named_after_the_span() -> None:
    """A node that is called directly still has a journey."""
    telemetry = telemetry_of("service1")
    with telemetry.tracer.start_as_current_span("POST") as span:
        trail = telemetry.recorder.trail("orders", "POST", Leg.SERVICE1)

    assert format_span_id(span.get_span_context().span_id) == trail.journey_id


@pytest.mark.parametrize("leg", [Leg.SERVICE1, Leg.SERVICE2])
def test_the_span_that_takes_a_trail_up_is_marked_with_it(leg: Leg) -> None:
    """A SERVER span gets its journey here, where it is known to be ours."""
    telemetry = telemetry_of("service1")
    carried = baggage.set_baggage(names.BAGGAGE_JOURNEY, "00f067aa0ba902b7", Context())
    carried = baggage.set_baggage(names.BAGGAGE_SYNTHETIC, "test", carried)
    token = context.attach(carried)
    with telemetry.tracer.start_as_current_span("POST"):
        telemetry.recorder.trail("orders", "POST", leg)
    context.detach(token)

    (span,) = telemetry.spans.oldest(1)
    assert {names.JOURNEY_ID: "00f067aa0ba902b7", names.SYNTHETIC_TYPE: "test"} == dict(span.attributes or {})


def test_the_entrance_names_the_journey_after_its_span() -> None:
    """And marks the span with journey and entity."""
    telemetry = telemetry_of("gateway")
    with telemetry.tracer.start_as_current_span("POST") as span:
        trail = telemetry.recorder.entrance("orders", "POST", "test")

    assert format_span_id(span.get_span_context().span_id) == trail.journey_id
    (ended,) = telemetry.spans.oldest(1)
    assert {names.JOURNEY_ID: trail.journey_id, names.ENTITY: "orders", names.SYNTHETIC_TYPE: "test"} == dict(
        ended.attributes or {}
    )


@pytest.mark.parametrize(("step", "expected"), [
    (steps.CLIENT_RECEIVED, {names.ATTEMPT: 1}),
    (steps.SERVICE1_SENT, {names.ATTEMPT: 2}),
    (steps.SERVICE2_SENT, {names.ATTEMPT: 3, names.PARENT_ATTEMPT: 2}),
    (steps.CALLBACK_FORWARDED, {names.ATTEMPT: 2}),
    (steps.CLIENT_ANSWERED, {names.ATTEMPT: 1}),
])  # fmt: skip
def test_a_step_counts_its_attempt_on_its_own_leg(step: steps.Step, expected: dict[str, int]) -> None:
    """A retry repeats the steps of one leg only."""
    telemetry = telemetry_of("gateway")
    Trail(telemetry.recorder, "00f067aa0ba902b7", "orders", "POST", 2, 3).step(step, {names.PEER: "x"})

    (record,) = records_of(telemetry)
    attempts = {
        key: record["attributes"][key] for key in (names.ATTEMPT, names.PARENT_ATTEMPT) if key in record["attributes"]
    }
    assert expected == attempts
    assert (step.name, step.event, step.text, "x") == (
        record["step"],
        record["event"],
        record["message"],
        record["http"]["peer"],
    )


def test_another_attempt_is_another_trail() -> None:
    """The one before stays what it was."""
    trail = Trail(telemetry_of("gateway").recorder, "j", "orders", "POST")
    later = trail.at(attempt=2).at(attempt2=3)

    assert ((1, 1), (2, 3)) == ((trail.attempt, trail.attempt2), (later.attempt, later.attempt2))


@given(st.dictionaries(st.text("abc.=, é", min_size=1, max_size=20), st.text(max_size=300), max_size=100))
def test_a_clients_baggage_leaves_room_for_ours(members: dict[str, str]) -> None:
    """What is left of it arrives with ours, whole."""
    carried = baggage.set_baggage("carousel.journey.id", "mine", Context())
    for name, value in members.items():
        carried = baggage.set_baggage(name, value, carried)
    token = context.attach(without_our_baggage(carried))
    trail = Trail(telemetry_of("gateway").recorder, "00f067aa0ba902b7", "orders", "POST", 2, 3, "test")
    arrived: dict[str, Any] = dict(baggage.get_all(over_the_wire(trail.baggage(Leg.SERVICE2))))
    context.detach(token)

    assert ("00f067aa0ba902b7", "3", "2", "test") == tuple(
        arrived.get(name)
        for name in (
            names.BAGGAGE_JOURNEY,
            names.BAGGAGE_ATTEMPT,
            names.BAGGAGE_PARENT_ATTEMPT,
            names.BAGGAGE_SYNTHETIC,
        )
    )


def test_as_much_of_a_clients_baggage_goes_on_as_there_is_room_for() -> None:
    """The first ones; more than the specification asks a propagator to carry would be lost later anyway."""
    carried = Context()
    for number in range(100):
        carried = baggage.set_baggage(f"m{number}", "v", carried)

    assert [f"m{number}" for number in range(CLIENT_MEMBERS)] == list(baggage.get_all(without_our_baggage(carried)))


def test_work_is_measured_with_what_the_process_uses() -> None:
    """Memory and processor time; ERROR where it failed."""
    telemetry = telemetry_of("service2")
    trail = Trail(telemetry.recorder, "j", "orders", "POST")
    trail.measured("work", 0.0125)
    trail.measured("work", 0.5, failed=True)

    well, badly = records_of(telemetry)
    assert ("metric", "orders", 12.5, "ok", "error") == (
        well["type"], well["entity"], well["durationMs"], well["state"], badly["state"],
    )  # fmt: skip
    assert well["memoryBytes"] > 1_000_000
