"""How the rings turn, told to telemetry."""

import pytest

from apps.gateway.balancer import Balancer
from apps.gateway.members import SHOWN, Cause, Change, News, State
from apps.gateway.ringlog import RingLog
from tests.fakes import records_of, telemetry_of


def change(news: News, cause: Cause | None = None, node: str = "service1-1") -> Change:
    """Return a change of service1-1."""
    return Change("service1", node, "127.0.0.1:8101", State.EJECTED, State.LINKED, "why", 1, cause, news)


@pytest.mark.parametrize("news", News)
def test_whatever_happens_to_a_member_is_an_event(news: News) -> None:
    """With node, address, reason and the size of the ring afterwards; what is wrong is a warning."""
    telemetry = telemetry_of("gateway")

    RingLog(telemetry, ("service1",)).changed(change(news))

    (record,) = records_of(telemetry)
    severity = "WARN" if news in (News.EJECTED, News.SPARED) else "INFO"
    assert (f"carousel.node.{news}", severity) == (record["event"], record["severity"])
    assert ("service1-1", "why", 1, "127.0.0.1:8101") == tuple(
        record["attributes"][name]
        for name in ("carousel.peer", "carousel.reason", "carousel.ring.size", "server.address")
    )


def test_a_member_without_a_name_is_told_by_its_address() -> None:
    """One that was added and never answered has none."""
    telemetry = telemetry_of("gateway")

    RingLog(telemetry, ("service1",)).changed(change(News.REMOVED, node=""))

    (record,) = records_of(telemetry)
    assert ("127.0.0.1:8101 removed: why", "127.0.0.1:8101") == (
        record["message"],
        record["attributes"]["carousel.peer"],
    )


def test_an_order_for_bugs_is_an_event() -> None:
    """With target and rates; none where it was taken back."""
    telemetry = telemetry_of("gateway")
    ring_log = RingLog(telemetry, ("service1",))

    ring_log.bugs_ordered("service2", "slow=0.1")
    ring_log.bugs_ordered("service2", None)

    assert [
        ("carousel.bugs.set", "the bugs of service2 are set to slow=0.1", "slow=0.1"),
        ("carousel.bugs.set", "the bugs of service2 are back to their environment's", ""),
    ] == [
        (record["event"], record["message"], record["attributes"]["carousel.bug.rates"])
        for record in records_of(telemetry)
    ]


def test_events_that_a_reader_was_too_slow_for_are_counted_from_zero() -> None:
    """A stream that loses something says so in the metrics too."""
    telemetry = telemetry_of("gateway")
    ring_log = RingLog(telemetry, ("service1",))
    telemetry.meter_provider.force_flush()
    value = telemetry.registry.get_sample_value
    assert 0 == value("carousel_streams_dropped_total")

    ring_log.dropped()
    telemetry.meter_provider.force_flush()

    assert 1 == value("carousel_streams_dropped_total")


def test_ejections_are_counted_by_cause_from_zero() -> None:
    """A rate over a series that begins at 1 would miss the first."""
    telemetry = telemetry_of("gateway")
    ring_log = RingLog(telemetry, ("service1", "service2"))
    ring_log.changed(change(News.EJECTED, Cause.REFUSED))
    # A node that says it drains leaves the ring for its health, and is no fault.
    ring_log.changed(change(News.DRAINING, Cause.NOT_READY))

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
        for state in SHOWN
    }
    others = dict.fromkeys(("probation", "ejected", "draining", "drained"), 0.0)
    assert {"joining": 2.0, "linked": 1.0, **others} == counted
