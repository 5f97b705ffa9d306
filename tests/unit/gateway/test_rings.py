"""The rings and the orders they follow: a person's, those of DNS, and those that were kept."""

import logging

import pytest

from apps.gateway import balancer as balancers
from apps.gateway.balancer import Balancer
from apps.gateway.errors import BoundReached, NotFound
from apps.gateway.members import Change
from apps.gateway.membership import Membership, Orders
from apps.gateway.rings import GONE_FROM_DNS, Rings


class Scene:
    """One service with configured member ``a:1`` and the name ``n:1``."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.kept: list[Orders] = []
        membership = Membership(("a:1", "dns+n:1"))
        self.balancer = Balancer("service1", tuple(membership.wanted()), on_change=self.changes.append)
        self.rings = Rings(
            (self.balancer,), {"service1": membership}, lambda orders: self.kept.append(orders["service1"])
        )
        self.probe()

    def probe(self) -> None:
        """Let every member be ready."""
        for member in self.balancer.members():
            self.balancer.probed(member, f"node-{member.address}")

    def resolved(self, *addresses: str) -> None:
        """Let the name have *addresses*."""
        self.rings.resolved("service1", "n:1", addresses)

    def states(self) -> dict[str, tuple[str, str]]:
        """Return source and state by address."""
        return {one.address: (one.source.value, one.state.value) for one in self.balancer.members()}


def test_addresses_of_a_name_are_members() -> None:
    """Those that are new are added, and linked when they are ready."""
    scene = Scene()
    scene.resolved("10.0.0.1:1")
    assert {"a:1": ("config", "linked"), "10.0.0.1:1": ("dns", "joining")} == scene.states()

    scene.probe()

    assert ("dns", "linked") == scene.states()["10.0.0.1:1"]


def test_an_address_that_is_gone_is_drained_and_then_removed() -> None:
    """Its requests in flight are not cut off."""
    scene = Scene()
    scene.resolved("10.0.0.1:1")
    scene.probe()
    gone = scene.balancer.find("10.0.0.1:1")
    gone.in_flight = 1

    scene.resolved()
    assert ("dns", "draining") == scene.states()["10.0.0.1:1"]
    scene.balancer.ended(gone)
    scene.rings.settle("service1")

    assert {"a:1": ("config", "linked")} == scene.states()
    assert GONE_FROM_DNS == scene.changes[-1].reason


def test_an_address_that_is_back_before_it_has_drained_is_taken_back() -> None:
    """It was missing from one answer."""
    scene = Scene()
    scene.resolved("10.0.0.1:1")
    scene.probe()
    scene.balancer.find("10.0.0.1:1").in_flight = 1
    scene.resolved()

    scene.resolved("10.0.0.1:1")
    scene.probe()

    assert ("dns", "linked") == scene.states()["10.0.0.1:1"]


def test_a_member_that_was_removed_stays_away_though_dns_names_it() -> None:
    """Until it is added again, as what it was."""
    scene = Scene()
    scene.resolved("10.0.0.1:1")
    scene.rings.remove("service1", "10.0.0.1:1")
    scene.resolved("10.0.0.1:1")
    assert {"a:1": ("config", "linked")} == scene.states()

    member, is_new = scene.rings.add("service1", "10.0.0.1:1")

    assert (True, "dns") == (is_new, member.source.value)


def test_an_order_to_drain_outlives_look_ups_until_the_address_is_gone() -> None:
    """Whoever gets the address next is another node."""
    scene = Scene()
    scene.resolved("10.0.0.1:1")
    scene.probe()
    scene.rings.drain("service1", "node-10.0.0.1:1")
    scene.resolved("10.0.0.1:1")
    scene.probe()
    assert ("dns", "drained") == scene.states()["10.0.0.1:1"]

    scene.resolved()
    assert "10.0.0.1:1" not in scene.states()
    assert Orders() == scene.kept[-1]
    scene.resolved("10.0.0.1:1")
    scene.probe()

    assert ("dns", "linked") == scene.states()["10.0.0.1:1"]


def test_each_order_is_kept() -> None:
    """Added, drained, removed, added again."""
    scene = Scene()
    scene.rings.add("service1", "c:1")
    scene.rings.drain("service1", "c:1")
    scene.rings.remove("service1", "a:1")
    scene.rings.add("service1", "a:1")

    assert [
        Orders(("c:1",)),
        Orders(("c:1",), (), ("c:1",)),
        Orders(("c:1",), ("a:1",), ("c:1",)),
        Orders(("c:1",), (), ("c:1",)),
    ] == scene.kept


def test_orders_that_were_kept_are_followed_again() -> None:
    """Also those for addresses that DNS is still to name; those for services there are no more are not."""
    scene = Scene()
    scene.rings.restore(
        {"service1": Orders(("c:1", "d:1"), ("a:1", "10.0.0.1:1"), ("d:1", "10.0.0.2:1")), "service9": Orders(("x:1",))}
    )
    scene.resolved("10.0.0.1:1", "10.0.0.2:1")
    scene.probe()

    assert {
        "c:1": ("admin", "linked"), "d:1": ("admin", "drained"), "10.0.0.2:1": ("dns", "drained"),
    } == scene.states()  # fmt: skip


def test_more_addresses_than_there_is_room_for_are_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, not with every look-up."""
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr("apps.gateway.rings.MAX_MEMBERS", 3)
    monkeypatch.setattr(balancers, "MAX_MEMBERS", 3)
    scene = Scene()
    for _ in range(3):
        scene.resolved(*(f"10.0.0.{n}:1" for n in range(5)))

    assert 3 == len(scene.states())
    assert ["service1 has room for 3 members; 3 are left out"] == caplog.messages
    with pytest.raises(BoundReached):
        scene.rings.add("service1", "c:1")
    assert [] == scene.kept


def test_an_unknown_service_or_member_names_those_there_are() -> None:
    """Nothing is changed or kept."""
    scene = Scene()

    with pytest.raises(NotFound, match="no service 'service9'; expected one of service1"):
        scene.rings.add("service9", "c:1")
    for order in (scene.rings.drain, scene.rings.remove):
        with pytest.raises(NotFound, match="no member of service1 'c:1'; expected one of node-a:1"):
            order("service1", "c:1")
    assert [] == scene.kept
