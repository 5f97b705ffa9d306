"""The ring: a circular doubly linked list with a hand, held to a plain list that does the same."""

import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from apps.gateway.errors import RingError
from apps.gateway.ring import Ring


def links(ring: Ring[Any]) -> list[Any]:
    """Return the links of *ring* from its hand onward."""
    found: list[Any] = []
    link = ring._hand
    while link is not None and (not found or link is not found[0]):
        found.append(link)
        assert len(found) <= len(ring._links), "the links form no circle"
        link = link.after
    return found


class RingAgainstModel(RuleBasedStateMachine):
    """The model is a list of members in the order of their turns."""

    linked = Bundle("linked")

    def __init__(self) -> None:
        super().__init__()
        self.ring: Ring[int] = Ring()
        self.model: list[int] = []
        self.next = 0
        self.picks_of_a_steady_set: Counter[int] = Counter()

    @rule(target=linked)
    def insert(self) -> int:
        """A new member has its turn when all others have had theirs."""
        self.next += 1
        self.ring.insert(self.next)
        self.model.append(self.next)
        self.picks_of_a_steady_set.clear()
        return self.next

    @rule(member=consumes(linked))
    def unlink(self, member: int) -> None:
        """Any member may go, the one under the hand too; the order of the others stays."""
        self.ring.unlink(member)
        self.model.remove(member)
        self.picks_of_a_steady_set.clear()

    @rule(member=linked)
    def insert_again(self, member: int) -> None:
        """Nobody is in the ring twice."""
        with pytest.raises(RingError):
            self.ring.insert(member)

    @rule(member=st.integers(max_value=0))
    def unlink_a_stranger(self, member: int) -> None:
        """Nobody leaves who is not there."""
        with pytest.raises(RingError):
            self.ring.unlink(member)

    @rule()
    def pick(self) -> None:
        """The first in the model has its turn, and goes to the end."""
        pick = self.ring.pick()
        if not self.model:
            assert pick is None
            return
        assert pick is not None
        assert (self.model[0], len(self.model), ()) == (pick.member, pick.size, pick.skipped)
        self.model.append(self.model.pop(0))
        self.picks_of_a_steady_set[pick.member] += 1

    @rule(data=st.data())
    def pick_but(self, data: st.DataObject) -> None:
        """Those that were tried are passed over and lose this turn."""
        but = data.draw(st.sets(st.sampled_from(self.model))) if self.model else set()
        passed = next((n for n, member in enumerate(self.model) if member not in but), None)
        pick = self.ring.pick(but)
        if passed is None:
            assert pick is None
            return
        assert pick is not None
        assert (self.model[passed], tuple(self.model[:passed])) == (pick.member, pick.skipped)
        self.model = self.model[passed + 1 :] + self.model[: passed + 1]
        if passed:
            self.picks_of_a_steady_set.clear()
        else:
            self.picks_of_a_steady_set[pick.member] += 1

    @invariant()
    def iterates_in_the_order_of_turns(self) -> None:
        """The next one first."""
        assert self.model == list(self.ring)
        assert len(self.model) == len(self.ring)
        assert all(member in self.ring for member in self.model)

    @invariant()
    def is_linked_both_ways(self) -> None:
        """Forward and back lead through the same circle, and every link is known by its member."""
        found = links(self.ring)
        assert self.model == [link.member for link in found]
        for link in found:
            assert link.after.before is link
            assert link.before.after is link
            assert self.ring._links[link.member] is link

    @invariant()
    def is_fair(self) -> None:
        """With a steady set the picks of any two differ by one at the most."""
        picks = [self.picks_of_a_steady_set[member] for member in self.model]
        assert max(picks, default=0) - min(picks, default=0) <= 1


TestRingAgainstModel = RingAgainstModel.TestCase


@given(size=st.integers(1, 12), turned=st.integers(0, 30), picks=st.integers(0, 200))
def test_a_steady_set_is_picked_evenly_from_any_place(size: int, turned: int, picks: int) -> None:
    """Wherever the hand stands: counts differ by at most one."""
    ring = Ring(range(size))
    for _ in range(turned):
        ring.pick()

    counts = Counter(pick.member for _ in range(picks) if (pick := ring.pick()))

    assert picks == counts.total()
    assert max(counts[n] for n in range(size)) - min(counts[n] for n in range(size)) <= 1


class Counting(frozenset[int]):
    """Members to pass over, which counts how often a link asks for its own."""

    asked = 0

    def __contains__(self, member: object) -> bool:
        self.asked += 1
        return super().__contains__(member)


@pytest.mark.parametrize("size", [1, 10, 10_000])
@pytest.mark.parametrize("passed", [0, 1, 5])
def test_a_pick_looks_at_a_link_more_than_are_passed_over_whatever_the_size(size: int, passed: int) -> None:
    """O(1) in the size of the ring."""
    ring = Ring(range(size))
    but = Counting(range(passed))

    ring.pick(but)

    assert but.asked <= passed + 1


def test_an_empty_ring_has_nobody_to_pick() -> None:
    """None, not an error: an empty ring is an outcome."""
    assert Ring[str]().pick() is None


def test_the_last_one_may_leave_and_come_back() -> None:
    """An emptied ring is as good as a new one."""
    ring = Ring(["a"])
    ring.unlink("a")
    ring.insert("a")

    assert ("a", 1, ()) == ring.pick()
    assert ["a"] == list(ring)


def test_a_pick_that_finds_nobody_leaves_the_hand_where_it_was() -> None:
    """Nobody's turn is lost for it."""
    ring = Ring("abc")
    ring.pick()

    assert ring.pick("abc") is None
    assert ["b", "c", "a"] == list(ring)


def test_an_iteration_is_not_disturbed_by_changes() -> None:
    """It shows the ring as it was."""
    ring = Ring("abc")
    members = iter(ring)
    ring.unlink("b")

    assert ["a", "b", "c"] == list(members)


def test_many_threads_pick_evenly_and_nothing_is_lost() -> None:
    """Eight threads, a steady set: each pick counts once, counts stay within one."""
    ring = Ring(range(7))
    counts: list[Counter[int]] = []

    def picker() -> None:
        seen = [pick.member for _ in range(2_001) if (pick := ring.pick())]
        counts.append(Counter(seen))

    together(picker, 8)

    total = sum(counts, Counter[int]())
    assert 8 * 2_001 == total.total()
    assert max(total.values()) - min(total.values()) <= 1


def test_many_threads_insert_and_unlink_without_breaking_the_circle() -> None:
    """Members come and go under the hands of pickers; those that stay are all still there."""
    ring = Ring(range(4))
    names = iter(range(100, 200))
    mutex = threading.Lock()

    def churner() -> None:
        with mutex:
            mine = [next(names) for _ in range(3)]
        for _ in range(300):
            for member in mine:
                ring.insert(member)
            assert ring.pick() is not None
            for member in reversed(mine):
                ring.unlink(member)

    together(churner, 6)

    assert {0, 1, 2, 3} == set(ring)
    assert all(link.after.before is link and link.before.after is link for link in links(ring))


def together(work: Any, count: int) -> None:
    """Run *work* in *count* threads that begin at once, and pass on what went wrong."""
    start = threading.Barrier(count)
    errors: list[BaseException] = []

    def run() -> None:
        start.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == errors
