"""The balancer: each rule of its docstring, on a clock that passes when told to."""

import pytest

from apps.gateway.balancer import PASSED_OVER, Balancer
from apps.gateway.members import Cause, Change, Member, Picked, Policy, State
from tests.fakes import FakeClock

ADDRESSES = ("a:1", "b:1", "c:1")


class Scene:
    """A balancer, its clock, and the changes it told of."""

    def __init__(
        self, addresses: tuple[str, ...] = ADDRESSES, *, ready: bool = True, policy: Policy | None = None
    ) -> None:
        self.clock = FakeClock()
        self.changes: list[Change] = []
        self.balancer = Balancer("service1", addresses, policy, clock=self.clock, on_change=self.changes.append)
        self.member = {member.address: member for member in self.balancer.members()}
        if ready:
            for address in addresses:
                self.balancer.probed(self.member[address], f"node-{address[0]}")
            self.changes.clear()

    def fail(self, address: str, times: int = 5) -> Member:
        """Let a member answer badly."""
        for _ in range(times):
            self.balancer.failed(self.member[address], "answered 500")
        return self.member[address]

    def state(self, address: str = "a:1") -> State:
        """Return where a member stands now."""
        return self.member[address].state

    def picked(self) -> str:
        """Return the address that is picked next."""
        picked = self.balancer.pick()
        assert picked is not None
        return picked.member.address


def test_a_member_joins_when_its_readyz_has_named_its_node() -> None:
    """Until then it is joining, and is not picked."""
    scene = Scene(("a:1",), ready=False)
    assert (scene.balancer.pick(), scene.member["a:1"].state) == (None, State.JOINING)

    scene.balancer.probed(scene.member["a:1"], "service1-7")

    picked = scene.balancer.pick()
    assert picked is not None
    assert ("service1-7", State.LINKED, 1) == (picked.member.node, picked.member.state, picked.ring_size)
    assert [("service1-7", State.JOINING, State.LINKED, 1)] == [
        (change.node, change.before, change.state, change.ring_size) for change in scene.changes
    ]


def test_a_member_that_is_not_ready_yet_says_why() -> None:
    """The reason of the last probe is shown beside it."""
    scene = Scene(("a:1",), ready=False)

    scene.balancer.probed(scene.member["a:1"], None, "/readyz answered 503")

    assert (State.JOINING, "/readyz answered 503") == (scene.member["a:1"].state, scene.member["a:1"].reason)
    assert [] == scene.changes


def test_consecutive_bad_answers_eject() -> None:
    """The fifth in a row does."""
    scene = Scene()
    scene.fail("a:1", 4)
    assert State.LINKED is scene.state()

    scene.fail("a:1", 1)

    assert State.EJECTED is scene.state()
    assert "a:1" not in {scene.picked() for _ in range(6)}
    assert [(State.EJECTED, Cause.FAILURES, 2)] == [(c.state, c.cause, c.ring_size) for c in scene.changes]


def test_a_good_answer_in_between_starts_the_count_again() -> None:
    """Consecutive means in a row."""
    scene = Scene()
    scene.fail("a:1", 4)
    scene.balancer.succeeded(scene.member["a:1"])

    assert State.LINKED is scene.fail("a:1", 4).state


@pytest.mark.parametrize("left", [1, 2, 3])
def test_bad_answers_never_unlink_the_last_node(left: int) -> None:
    """A node that answers badly is better than none."""
    scene = Scene(ADDRESSES[:left])

    for address in ADDRESSES[:left]:
        scene.fail(address, 50)

    assert 1 == len(scene.balancer)
    assert scene.balancer.pick() is not None


def test_a_last_node_that_answers_badly_goes_once_another_is_there() -> None:
    """It was kept for want of a better one only."""
    scene = Scene(("a:1", "b:1"), ready=False)
    scene.balancer.probed(scene.member["a:1"], "node-a")
    scene.fail("a:1", 10)
    scene.balancer.probed(scene.member["b:1"], "node-b")

    assert State.EJECTED is scene.fail("a:1", 1).state


@pytest.mark.parametrize("count", [1, 2])
def test_a_refused_connect_unlinks_at_once_also_the_last(count: int) -> None:
    """A node that cannot be reached is no better than none."""
    scene = Scene(ADDRESSES[:count])

    for address in ADDRESSES[:count]:
        scene.balancer.refused(scene.member[address], "the connection was refused")

    assert (0, None) == (len(scene.balancer), scene.balancer.pick())
    assert [Cause.REFUSED] * count == [change.cause for change in scene.changes]


def test_a_failing_readyz_unlinks_also_the_last() -> None:
    """After two in a row; one that fails once may have been busy."""
    scene = Scene(("a:1",))
    scene.balancer.probed(scene.member["a:1"], None, "/readyz answered 503")
    assert 1 == len(scene.balancer)

    scene.balancer.probed(scene.member["a:1"], None, "/readyz answered 503")

    assert 0 == len(scene.balancer)
    assert [Cause.NOT_READY] == [change.cause for change in scene.changes]


def test_a_good_probe_in_between_starts_the_count_of_probes_again() -> None:
    """Consecutive, here too."""
    scene = Scene(("a:1",))
    for node in (None, "node-a", None):
        scene.balancer.probed(scene.member["a:1"], node, "why")

    assert 1 == len(scene.balancer)


def test_one_that_was_refused_is_back_with_the_next_good_probe() -> None:
    """On probation, without a wait: it is reachable, which is all that was wrong."""
    scene = Scene()
    scene.balancer.refused(scene.member["a:1"], "the connection was refused")

    scene.balancer.probed(scene.member["a:1"], "node-a")

    assert State.PROBATION is scene.member["a:1"].state
    assert 3 == len(scene.balancer)


def test_one_that_answered_badly_stays_out_for_its_time_although_its_probes_are_good() -> None:
    """Two seconds at first."""
    scene = Scene()
    member = scene.fail("a:1")
    scene.clock.advance(1.99)
    scene.balancer.probed(member, "node-a")
    assert State.EJECTED is scene.state()

    scene.clock.advance(0.01)
    scene.balancer.probed(member, "node-a")

    assert State.PROBATION is scene.state()


def test_the_first_failure_on_probation_ejects_again_for_twice_the_time() -> None:
    """2, 4, 8, 16, 30, 30 seconds: doubled up to the most."""
    scene = Scene()
    member = scene.fail("a:1")

    waits = []
    for _ in range(6):
        start = scene.clock()
        while scene.state() is State.EJECTED:
            scene.clock.advance(0.5)
            scene.balancer.probed(member, "node-a")
        waits.append(scene.clock() - start)
        scene.fail("a:1", 1)

    assert [2, 4, 8, 16, 30, 30] == waits


def test_a_node_that_was_ejected_without_end_is_still_ejected() -> None:
    """Doubling must not outgrow a float: a night of bad answers is a few thousand ejections."""
    scene = Scene(policy=Policy(ejection_s=0.1, max_ejection_s=1.0))
    member = scene.member["a:1"]

    for _ in range(1_200):
        scene.fail("a:1")
        scene.clock.advance(1.0)
        scene.balancer.probed(member, "node-a")

    assert State.PROBATION is scene.state()


def test_a_pick_passes_over_a_bounded_number_of_members_without_room() -> None:
    """However many warm up at once: eight are named, and then somebody is taken."""
    scene = Scene(tuple(f"n{number}:1" for number in range(100)), ready=False)
    for number in range(100):
        scene.balancer.probed(scene.member[f"n{number}:1"], f"node-{number}")
    for _ in range(100):
        assert scene.balancer.pick()

    for _ in range(100):
        picked = scene.balancer.pick()
        assert picked is not None
        assert len(picked.skipped) <= PASSED_OVER


def test_what_began_before_an_ejection_tells_nothing_of_the_node_that_came_back() -> None:
    """Requests that hung with it end one after the other: each would eject it anew, and for longer each time."""
    scene = Scene()
    before = scene.balancer.pick()
    assert before is not None
    member, address = before.member, before.member.address
    scene.fail(address)
    scene.clock.advance(2)
    scene.balancer.probed(member, member.node)
    assert State.PROBATION is scene.state(address)

    scene.balancer.failed(member, "timeout", before.entry)
    for _ in range(3):
        scene.balancer.succeeded(member, before.entry)

    assert State.PROBATION is scene.state(address)
    scene.balancer.failed(member, "timeout", member.entries)
    assert State.EJECTED is scene.state(address)


def test_good_answers_end_probation_and_forget_the_ejections() -> None:
    """Three of them; the next ejection is a first one again."""
    scene = Scene()
    member = scene.fail("a:1")
    scene.clock.advance(2)
    scene.balancer.probed(member, "node-a")
    for _ in range(2):
        scene.balancer.succeeded(member)
    assert State.PROBATION is scene.state()

    scene.balancer.succeeded(member)

    assert (State.LINKED, "") == (member.state, member.reason)
    assert State.LINKED is scene.fail("a:1", 4).state
    scene.fail("a:1", 1)
    assert scene.clock() + 2 == member.out_until


def test_a_member_that_comes_back_takes_the_name_it_gives_then() -> None:
    """Another node may have taken its address."""
    scene = Scene()
    scene.balancer.refused(scene.member["a:1"], "the connection was refused")

    scene.balancer.probed(scene.member["a:1"], "service1-9")

    assert "service1-9" == scene.member["a:1"].node


def test_late_news_of_a_member_that_is_out_changes_nothing() -> None:
    """Requests that were under way when it was ejected still end."""
    scene = Scene()
    member = scene.fail("a:1")
    scene.changes.clear()

    scene.balancer.failed(member, "answered 500")
    scene.balancer.refused(member, "the connection was refused")
    scene.balancer.succeeded(member)

    assert (State.EJECTED, 2, []) == (member.state, len(scene.balancer), scene.changes)


def test_a_pick_tells_who_was_passed_over_and_why() -> None:
    """Those tried by this request, and those out of the ring."""
    scene = Scene()
    scene.balancer.refused(scene.member["c:1"], "the connection was refused")

    picked = scene.balancer.pick([scene.member["a:1"]])

    assert isinstance(picked, Picked)
    assert ("b:1", 2) == (picked.member.address, picked.ring_size)
    assert ("node-a: tried", "node-c: the connection was refused") == picked.skipped


def test_a_pick_names_a_member_that_never_joined_by_its_address() -> None:
    """It has no other name yet."""
    scene = Scene(("a:1", "b:1"), ready=False)
    scene.balancer.probed(scene.member["a:1"], "node-a")

    picked = scene.balancer.pick()

    assert picked is not None
    assert ("b:1: its /readyz has not answered yet",) == picked.skipped


def test_there_is_another_only_as_long_as_somebody_was_not_tried() -> None:
    """A retry needs somebody to ask."""
    scene = Scene(("a:1", "b:1"))
    one, two = scene.member["a:1"], scene.member["b:1"]

    assert [True, True, False] == [scene.balancer.has_other(tried) for tried in ([], [one], [one, two])]


def test_members_are_shown_in_the_order_of_their_turns_then_the_others() -> None:
    """As the console turns them."""
    scene = Scene()
    scene.balancer.refused(scene.member["b:1"], "the connection was refused")
    scene.balancer.pick()

    assert ["c:1", "a:1", "b:1"] == [member.address for member in scene.balancer.members()]


def test_picks_are_counted() -> None:
    """Each pick once."""
    scene = Scene()
    for _ in range(7):
        scene.balancer.pick()

    assert [3, 2, 2] == sorted((member.picks for member in scene.member.values()), reverse=True)


def test_a_change_is_told_outside_of_the_lock() -> None:
    """Whoever is told may look at the balancer, or change it."""
    seen: list[int] = []
    balancer: Balancer

    def look(change: Change) -> None:
        balancer.failed(balancer.members()[0], "looked")
        seen.append(len(balancer))

    balancer = Balancer("service1", ("a:1",), on_change=look)
    balancer.probed(balancer.members()[0], "node-a")

    assert [1] == seen
