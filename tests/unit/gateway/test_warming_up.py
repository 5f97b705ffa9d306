"""A member that just came or came back proves itself by answers before it gets many requests at once."""

import pytest

from apps.gateway.balancer import Balancer
from apps.gateway.members import Member, Policy, Seen, State
from tests.fakes import FakeClock


class Scene:
    """A warm member ``old`` and one that has just been linked, ``new``."""

    def __init__(self, warm_up: int = 3) -> None:
        self.clock = FakeClock()
        self.balancer = Balancer("service1", ("old:1", "new:1"), Policy(warm_up=warm_up), clock=self.clock)
        self.old, self.new = self.balancer.members()
        self.balancer.saw(self.old, Seen("old"), is_warm=True)
        self.balancer.saw(self.new, Seen("new"))

    def picks(self, count: int) -> list[str]:
        """Pick without an end of any request, and return who was picked."""
        return [picked.member.node for _ in range(count) if (picked := self.balancer.pick())]

    def answer(self, member: Member, count: int = 1) -> None:
        """Let requests of *member* that are in flight be answered well."""
        for _ in range(count):
            self.balancer.succeeded(member)
            self.balancer.ended(member)


def test_one_request_at_first() -> None:
    """The second waits for the first one's answer; the warm member gets the rest."""
    assert ["old", "new", "old", "old", "old"] == Scene().picks(5)


def test_one_more_with_each_good_answer() -> None:
    """1, 2, 3 in flight, then any number."""
    scene = Scene(warm_up=3)
    most = []
    for _ in range(4):
        scene.picks(20)
        most.append(scene.new.in_flight)
        scene.answer(scene.new, 1)
        while scene.new.in_flight:
            scene.balancer.ended(scene.new)

    assert [1, 2, 3] == most[:3]
    assert most[3] >= 9


def test_a_bad_answer_earns_nothing() -> None:
    """However many requests it has had."""
    scene = Scene()
    scene.picks(2)
    scene.balancer.failed(scene.new, "answered 500")
    scene.balancer.ended(scene.new)
    scene.picks(4)

    assert 1 == scene.new.in_flight


def test_requests_one_after_the_other_are_shared_evenly_all_the_same() -> None:
    """Warming up limits what is in flight, not what is picked."""
    scene = Scene()
    for _ in range(7):
        picked = scene.balancer.pick()
        assert picked is not None
        scene.answer(picked.member)

    assert [4, 3] == [scene.old.picks, scene.new.picks]


def test_it_is_named_as_passed_over() -> None:
    """With the reason, in its turn."""
    scene = Scene()
    scene.picks(3)

    picked = scene.balancer.pick()

    assert picked is not None
    assert ("old", ("new: warming up",)) == (picked.member.node, picked.skipped)


def test_where_nobody_has_room_the_next_one_is_picked_all_the_same() -> None:
    """A request that waits is worse than a member that is pressed."""
    balancer = Balancer("service1", ("a:1", "b:1"))
    for member in balancer.members():
        balancer.probed(member, member.address)

    picks = [picked.member.address for _ in range(6) if (picked := balancer.pick())]

    assert ["a:1", "b:1"] * 3 == picks


def test_one_without_room_is_picked_where_the_others_were_tried() -> None:
    """A retry goes to whoever is left."""
    scene = Scene()
    scene.picks(2)

    picked = scene.balancer.pick([scene.old])

    assert picked is not None
    assert "new" == picked.member.node


def test_one_on_probation_has_one_request_in_flight_until_it_is_over() -> None:
    """Good answers before the end of it change nothing."""
    scene = Scene()
    scene.balancer.refused(scene.new, "refused")
    scene.balancer.probed(scene.new, "new")
    most = []
    for _ in range(3):
        scene.picks(4)
        most.append((scene.new.state, scene.new.in_flight))
        scene.answer(scene.new)

    assert [(State.PROBATION, 1)] * 3 == most
    assert State.LINKED is scene.new.state


def test_one_that_comes_back_warms_up_again() -> None:
    """What it answered before it was away does not count."""
    scene = Scene()
    scene.picks(2)
    scene.answer(scene.new, 1)
    for _ in range(10):
        scene.balancer.succeeded(scene.new)
    scene.balancer.refused(scene.new, "refused")
    scene.balancer.probed(scene.new, "new")

    assert 0 == scene.new.good


def test_without_a_warm_up_it_gets_its_turns_at_once() -> None:
    """CAROUSEL_WARM_UP=0."""
    assert ["old", "new", "old", "new"] == Scene(warm_up=0).picks(4)


@pytest.mark.parametrize("is_warm", [True, False])
def test_one_that_was_there_before_the_gateway_is_warm(is_warm: bool) -> None:
    """A gateway that takes over from another one does not begin with the nodes anew."""
    balancer = Balancer("service1", ("a:1",))
    (member,) = balancer.members()

    balancer.saw(member, Seen("a"), is_warm=is_warm)

    assert is_warm is (member.room(Policy()) is None)
