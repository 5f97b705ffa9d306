"""Members that are added, drained, removed and taken back, and nodes that say themselves that they are about to end."""

import pytest

from apps.gateway.balancer import MAX_MEMBERS, Balancer
from apps.gateway.errors import BoundReached, NotFound
from apps.gateway.members import Cause, Change, Member, News, Seen, Source, State
from tests.fakes import FakeClock


class Scene:
    """A balancer of linked members ``a``, ``b``, … and what it told."""

    def __init__(self, names: str = "ab") -> None:
        self.clock = FakeClock()
        self.changes: list[Change] = []
        addresses = [f"{name}:1" for name in names]
        self.balancer = Balancer("service1", addresses, clock=self.clock, on_change=self.changes.append)
        for member in self.balancer.members():
            self.balancer.probed(member, f"node-{member.address[0]}")
        self.changes.clear()

    def __getitem__(self, name: str) -> Member:
        """Return the member at ``<name>:1``."""
        return self.balancer.find(f"{name}:1")

    def news(self) -> list[tuple[str, str]]:
        """Return what was told, by address."""
        return [(change.address[0], change.news.value) for change in self.changes]


def test_a_member_that_is_added_joins_when_its_readyz_names_it() -> None:
    """Until then it gets nothing."""
    scene = Scene("a")
    member, is_new = scene.balancer.add("c:1")
    assert (True, State.JOINING, Source.ADMIN, 1) == (is_new, member.state, member.source, len(scene.balancer))

    scene.balancer.probed(member, "node-c")

    assert (State.LINKED, 2) == (member.state, len(scene.balancer))
    assert [("c", "added"), ("c", "linked")] == scene.news()


def test_a_member_that_is_there_is_not_added_twice() -> None:
    """It is given back as it stands."""
    scene = Scene()

    assert (scene["a"], False) == scene.balancer.add("a:1")
    assert (2, []) == (len(scene.balancer), scene.changes)


def test_there_is_a_bound_to_the_members() -> None:
    """Whoever adds one more is told."""
    scene = Scene("")
    for number in range(MAX_MEMBERS):
        scene.balancer.add(f"n{number}:1")

    with pytest.raises(BoundReached, match="service1 has 256 members"):
        scene.balancer.add("one-more:1")
    assert MAX_MEMBERS == len(scene.balancer.members())


def test_a_draining_member_gets_nothing_new_and_works_off_what_it_has() -> None:
    """Then it is drained."""
    scene = Scene()
    assert scene.balancer.pick() is not None
    member = scene["a"]
    assert 1 == member.in_flight

    scene.balancer.drain(member)
    assert State.DRAINING is member.state
    assert ["node-b"] * 3 == [picked.member.node for _ in range(3) if (picked := scene.balancer.pick())]
    scene.balancer.ended(member)

    assert State.DRAINED is member.state
    assert [("a", "draining"), ("a", "drained")] == scene.news()


def test_an_idle_member_is_drained_at_once() -> None:
    """Both are told all the same."""
    scene = Scene()

    scene.balancer.drain(scene["a"])

    assert State.DRAINED is scene["a"].state
    assert [("a", "draining"), ("a", "drained")] == scene.news()


def test_a_good_probe_does_not_bring_back_what_was_ordered_to_drain() -> None:
    """It is alive, and that is not the question."""
    scene = Scene()
    scene.balancer.drain(scene["a"])

    scene.balancer.probed(scene["a"], "node-a")

    assert State.DRAINED is scene["a"].state


def test_draining_the_last_one_empties_the_ring() -> None:
    """An order is an order."""
    scene = Scene("a")

    scene.balancer.drain(scene["a"])

    assert scene.balancer.pick() is None


def test_a_drained_member_is_taken_back_by_adding_it_again() -> None:
    """It is linked by the next good probe, and forgiven what it did before."""
    scene = Scene()
    scene.balancer.drain(scene["a"])

    assert (scene["a"], False) == scene.balancer.add("a:1")
    assert State.JOINING is scene["a"].state
    scene.balancer.probed(scene["a"], "node-a")

    assert State.LINKED is scene["a"].state
    assert [("a", news) for news in ("draining", "drained", "added", "linked")] == scene.news()


def test_a_removed_member_is_gone_at_once_and_its_requests_end_by_themselves() -> None:
    """Nobody takes note of it any more."""
    scene = Scene()
    assert scene.balancer.pick() is not None
    member = scene["a"]

    scene.balancer.remove(member)
    scene.balancer.succeeded(member)
    scene.balancer.failed(member, "answered 500")
    scene.balancer.refused(member, "refused")
    scene.balancer.probed(member, "node-a")
    scene.balancer.drain(member)
    scene.balancer.ended(member)
    scene.balancer.remove(member)

    assert (State.REMOVED, 0) == (member.state, member.in_flight)
    assert ["node-b"] == [one.node for one in scene.balancer.members()]
    assert [("a", "removed")] == scene.news()


def test_a_node_that_says_it_drains_leaves_at_the_first_such_probe() -> None:
    """It is no fault: nothing is held against it."""
    scene = Scene()

    scene.balancer.saw(scene["a"], Seen(reason="draining", is_draining=True))

    member = scene["a"]
    assert (State.DRAINED, "draining", 0, 0) == (member.state, member.reason, member.ejected, member.failures)
    assert [(News.DRAINING, Cause.NOT_READY), (News.DRAINED, None)] == [(c.news, c.cause) for c in scene.changes]


def test_a_node_that_drained_by_itself_is_linked_again_when_it_is_ready_again() -> None:
    """It started anew: it warms up, but is on no probation."""
    scene = Scene()
    scene.balancer.saw(scene["a"], Seen(reason="draining", is_draining=True))
    scene.balancer.probed(scene["a"], None, "/readyz cannot be reached")
    scene.balancer.probed(scene["a"], None, "/readyz cannot be reached")
    assert (State.DRAINED, "it drained; /readyz cannot be reached") == (scene["a"].state, scene["a"].reason)

    scene.balancer.probed(scene["a"], "node-a")

    assert (State.LINKED, 0) == (scene["a"].state, scene["a"].good)


def test_the_second_member_of_one_name_is_not_linked() -> None:
    """Its reason says whose the name is."""
    scene = Scene()
    member, _ = scene.balancer.add("c:1")

    scene.balancer.probed(member, "node-a")

    assert (State.JOINING, "a:1 is node-a already") == (member.state, member.reason)


def test_an_ejected_node_does_not_come_in_again_under_another_address() -> None:
    """It answers its probes, so it is the same node."""
    scene = Scene()
    for _ in range(5):
        scene.balancer.failed(scene["a"], "answered 500")
    member, _ = scene.balancer.add("c:1")

    scene.balancer.probed(member, "node-a")

    assert State.JOINING is member.state


def test_a_node_that_moved_to_another_address_is_linked_when_the_old_one_is_dead() -> None:
    """Its name is free then."""
    scene = Scene()
    member, _ = scene.balancer.add("c:1")
    for _ in range(2):
        scene.balancer.probed(scene["a"], None, "/readyz cannot be reached")

    scene.balancer.probed(member, "node-a")

    assert (State.LINKED, "node-a") == (member.state, member.node)


def test_another_node_at_the_address_of_a_linked_one_takes_its_place() -> None:
    """Under its own name, on probation."""
    scene = Scene()

    scene.balancer.probed(scene["a"], "node-z")

    assert ("node-z", State.PROBATION) == (scene["a"].node, scene["a"].state)
    assert [("a", "ejected"), ("a", "returned")] == scene.news()


def test_the_last_node_is_told_to_be_spared_once() -> None:
    """Not with each failure that follows."""
    scene = Scene("a")

    for _ in range(20):
        scene.balancer.failed(scene["a"], "answered 500")

    (change,) = scene.changes
    assert (News.SPARED, "5 failed in a row: answered 500; kept, because there is no other") == (
        change.news,
        change.reason,
    )


def test_passing_probation_is_told() -> None:
    """With what it was passed by."""
    scene = Scene()
    scene.balancer.refused(scene["a"], "refused")
    scene.balancer.probed(scene["a"], "node-a")
    for _ in range(3):
        scene.balancer.succeeded(scene["a"])

    assert [("a", "ejected"), ("a", "returned"), ("a", "recovered")] == scene.news()
    assert "3 good answers on probation" == scene.changes[-1].reason


def test_how_long_an_ejected_member_is_out_is_told() -> None:
    """0 where its next good probe brings it back, None where it is not ejected."""
    scene = Scene()
    for _ in range(5):
        scene.balancer.failed(scene["a"], "answered 500")
    scene.clock.advance(0.5)
    scene.balancer.refused(scene["b"], "refused")

    assert (1.5, 0) == (scene.balancer.out_for_s(scene["a"]), scene.balancer.out_for_s(scene["b"]))
    scene.balancer.drain(scene["a"])
    assert scene.balancer.out_for_s(scene["a"]) is None


def test_a_member_is_found_by_its_node_or_its_address() -> None:
    """Nobody else is: the error names those there are."""
    scene = Scene()
    assert scene["a"] is scene.balancer.find("node-a")

    with pytest.raises(NotFound, match="no member of service1 'c'; expected one of node-a, node-b"):
        scene.balancer.find("c")


def test_a_held_member_gets_its_name_without_being_linked() -> None:
    """After a restart of the gateway it drains on, and is shown by its name."""
    scene = Scene("")
    member, _ = scene.balancer.add("c:1")
    scene.balancer.drain(member)

    scene.balancer.probed(member, "node-c")

    assert ("node-c", State.DRAINED) == (member.node, member.state)


def test_the_bugs_that_a_node_tells_are_kept() -> None:
    """Also while it is not ready; a probe that tells none changes nothing."""
    scene = Scene()
    scene.balancer.saw(scene["a"], Seen("node-a", bugs="slow=0.1"))
    scene.balancer.saw(scene["a"], Seen(reason="/readyz cannot be reached"))

    assert "slow=0.1" == scene["a"].bugs
