"""What Prometheus is told to scrape."""

from apps.gateway.balancer import Balancer
from apps.gateway.targets import Targets
from tests.fakes import FakeClock


def scene() -> tuple[Balancer, Targets, FakeClock]:
    """Two nodes, one member that has no name yet."""
    clock = FakeClock()
    targets = Targets(clock)
    balancer = Balancer("service1", ("a:1", "b:1", "c:1"), on_change=targets.changed)
    for member in balancer.members()[:2]:
        balancer.probed(member, f"service1-{member.address[0]}")
    return balancer, targets, clock


def group(address: str, node: str) -> dict[str, object]:
    """Return the target group of a node."""
    return {"targets": [address], "labels": {"job": "carousel/service1", "instance": node}}


BOTH = [group("a:1", "service1-a"), group("b:1", "service1-b")]


def test_every_member_with_a_name_is_a_target() -> None:
    """Whatever its state: that it is down is for Prometheus to see."""
    balancer, targets, _ = scene()
    balancer.refused(balancer.find("a:1"), "refused")
    balancer.drain(balancer.find("b:1"))

    assert BOTH == targets.shape([balancer])


def test_one_that_vanished_is_listed_ten_minutes_more() -> None:
    """Otherwise nobody would learn that it is down."""
    balancer, targets, clock = scene()
    balancer.remove(balancer.find("b:1"))
    balancer.remove(balancer.find("c:1"))

    clock.advance(599)
    assert BOTH == targets.shape([balancer])
    clock.advance(1)

    assert BOTH[:1] == targets.shape([balancer])


def test_one_that_came_back_elsewhere_is_listed_once() -> None:
    """Where it is now: two targets of one instance would be mixed up."""
    balancer, targets, _ = scene()
    balancer.remove(balancer.find("b:1"))
    member, _ = balancer.add("d:1")
    balancer.probed(member, "service1-b")

    assert [group("a:1", "service1-a"), group("d:1", "service1-b")] == targets.shape([balancer])
