"""How the rings turn, told to telemetry."""

import pytest

from apps.gateway.balancer import Balancer
from apps.gateway.members import Cause, Change, State
from apps.gateway.ringlog import RingLog
from tests.fakes import records_of, telemetry_of


def change(state: State, cause: Cause | None = None) -> Change:
    """Return a change of service1-1."""
    return Change("service1", "service1-1", "127.0.0.1:8101", state, State.LINKED, "why", 1, cause)


@pytest.mark.parametrize(("state", "event", "severity"), [
    (State.LINKED, "carousel.node.linked", "INFO"),
    (State.PROBATION, "carousel.node.returned", "INFO"),
    (State.EJECTED, "carousel.node.ejected", "WARN"),
])  # fmt: skip
def test_each_change_of_a_ring_is_an_event(state: State, event: str, severity: str) -> None:
    """With node, address, reason and the size of the ring afterwards."""
    telemetry = telemetry_of("gateway")

    RingLog(telemetry, ("service1",)).changed(change(state))

    (record,) = records_of(telemetry)
    assert (event, severity) == (record["event"], record["severity"])
    assert ("service1-1", "why", 1, "127.0.0.1:8101") == tuple(
        record["attributes"][name]
        for name in ("carousel.peer", "carousel.reason", "carousel.ring.size", "server.address")
    )


def test_ejections_are_counted_by_cause_from_zero() -> None:
    """A rate over a series that begins at 1 would miss the first."""
    telemetry = telemetry_of("gateway")
    ring_log = RingLog(telemetry, ("service1", "service2"))
    ring_log.changed(change(State.EJECTED, Cause.REFUSED))

    telemetry.meter_provider.force_flush()

    value = telemetry.registry.get_sample_value
    counted = {
        (service, cause): value(
            "carousel_balancer_ejections_total", {"carousel_service": service, "carousel_reason": cause}
        )
        for service in ("service1", "service2")
        for cause in ("failures", "refused", "not_ready")
    }
    assert {key: float(key == ("service1", "refused")) for key in counted} == counted


def test_members_are_counted_by_state() -> None:
    """Every state has its series, also an empty one."""
    telemetry = telemetry_of("gateway")
    balancer = Balancer("service1", ("a:1", "b:1", "c:1"))
    balancer.probed(balancer.members()[0], "service1-1")
    RingLog(telemetry, ("service1",)).watch((balancer,))

    telemetry.meter_provider.force_flush()

    counted = {
        state.value: telemetry.registry.get_sample_value(
            "carousel_ring_nodes", {"carousel_service": "service1", "carousel_state": state.value}
        )
        for state in State
    }
    assert {"joining": 2.0, "linked": 1.0, "probation": 0.0, "ejected": 0.0} == counted
