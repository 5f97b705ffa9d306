"""The balancer when anything may happen to any member at any time, held to a model of what must not happen."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apps.gateway.balancer import Balancer
from apps.gateway.members import IN_RING, LEAVING, Cause, Change, Member, News, Picked, Policy, Seen, State
from tests.fakes import FakeClock

WHICH = st.integers(0, 9)


@dataclass
class Known:
    """What the model knows of a member."""

    told: State = State.JOINING
    """Where it stands by the changes that were told."""
    held: bool = False
    good: int = 0
    names: set[str] = field(default_factory=set)


class CountingLinks:
    """Stands in for the members to pass over, and counts the links that a pick looks at."""

    def __init__(self, but: set[Member]) -> None:
        self.but = but
        self.looked_at = 0

    def __contains__(self, member: object) -> bool:
        self.looked_at += 1
        return member in self.but


class BalancerUnderFire(RuleBasedStateMachine):
    """Picks, answers, failures, refusals, probes, joins, drains, removals and returns in any order."""

    @initialize(count=st.integers(0, 4), failures=st.integers(1, 3), warm_up=st.integers(0, 4))
    def begin(self, count: int, failures: int, warm_up: int) -> None:
        """A balancer with no member linked yet."""
        self.clock = FakeClock()
        self.changes: list[Change] = []
        self.policy = Policy(failures=failures, warm_up=warm_up)
        addresses = [f"host-{n}:1" for n in range(count)]
        self.balancer = Balancer("service1", addresses, self.policy, clock=self.clock, on_change=self._hear)
        self.known: dict[Member, Known] = {member: Known() for member in self.balancer.members()}
        self.gone: set[Member] = set()
        self.in_flight: list[Member] = []
        self.next = count
        self.fair: Counter[Member] = Counter()
        self._watch_links()

    def _watch_links(self) -> None:
        pick = self.balancer._ring.pick

        def watched(but: object = ()) -> object:
            counting = CountingLinks(set(but))  # type: ignore[call-overload]
            found = pick(counting)  # type: ignore[arg-type]
            assert counting.looked_at <= len(counting.but) + 1
            return found

        self.balancer._ring.pick = watched  # type: ignore[method-assign,assignment]

    def _hear(self, change: Change) -> None:
        self.changes.append(change)

    def _take_note(self) -> None:
        """Follow the changes that were told since the last time."""
        by_address = {member.address: member for member in self.known}
        for change in self.changes:
            if change.news is News.ADDED and change.before is State.REMOVED:
                continue
            known = self.known[by_address[change.address]]
            assert known.told is change.before
            known.told = change.state
            if change.state in IN_RING and change.before not in IN_RING:
                known.good = 0
            self.fair.clear()
        self.changes.clear()

    def _member(self, which: int) -> Member | None:
        members = list(self.known)
        return members[which % len(members)] if members else None

    @rule(again=st.booleans(), which=WHICH)
    def is_added(self, again: bool, which: int) -> None:
        """A new address, or one that is there: draining, it is taken back."""
        old = self._member(which)
        if again and old is not None:
            was_leaving = old.state in LEAVING
            member, is_new = self.balancer.add(old.address)
            assert (old, False) == (member, is_new)
            assert old.state is State.JOINING or not was_leaving
            self.known[old].held &= not was_leaving
        else:
            self.next += 1
            member, is_new = self.balancer.add(f"host-{self.next}:1")
            assert is_new
            self.known[member] = Known()
        self._take_note()

    @rule(which=WHICH)
    def is_drained(self, which: int) -> None:
        """It gets nothing new until it is added again, whatever its probes say."""
        member = self._member(which)
        if member is not None:
            self.balancer.drain(member)
            self.known[member].held = True
            self._take_note()
            assert member.state in LEAVING

    @rule(which=WHICH)
    def is_removed(self, which: int) -> None:
        """It is no member any more; its requests in flight still end."""
        member = self._member(which)
        if member is not None:
            self.balancer.remove(member)
            self._take_note()
            del self.known[member]
            self.gone.add(member)

    @rule(which=WHICH, twin=st.booleans())
    def is_ready(self, which: int, twin: bool) -> None:
        """A good probe; *twin*: with the name that all others of its kind give too."""
        member = self._member(which)
        if member is not None:
            node = "node-twin" if twin else f"node-{member.address}"
            self.balancer.saw(member, Seen(node))
            self.known[member].names.add(node)
            self._take_note()

    @rule(which=WHICH, is_draining=st.booleans())
    def is_not_ready(self, which: int, is_draining: bool) -> None:
        """A bad probe, or one that says the node is about to end: that counts at once."""
        member = self._member(which)
        if member is not None:
            self.balancer.saw(member, Seen(reason="not ready", is_draining=is_draining))
            self._take_note()
            assert member.state in LEAVING or not is_draining

    @rule(which=WHICH, times=st.integers(1, 6))
    def answers_badly(self, which: int, times: int) -> None:
        """Bad answers shrink the ring, but never empty it."""
        before = len(self.balancer)
        member = self._member(which)
        for _ in range(times if member else 0):
            assert member is not None
            self.balancer.failed(member, "answered 500")
        self._take_note()
        assert len(self.balancer) >= min(before, 1)

    @rule(which=WHICH)
    def refuses(self, which: int) -> None:
        """A refused connect takes it out, whoever else is there."""
        member = self._member(which)
        if member is not None:
            self.balancer.refused(member, "refused")
            self._take_note()
            assert member.state not in IN_RING

    @rule(which=WHICH)
    def answers_well(self, which: int) -> None:
        """A good answer never takes anybody out."""
        before = len(self.balancer)
        member = self._member(which)
        if member is not None:
            self.balancer.succeeded(member)
            self.known[member].good += 1
            self._take_note()
        assert before == len(self.balancer)

    @rule(seconds=st.floats(0.1, 60))
    def waits(self, seconds: float) -> None:
        """Time alone changes no state."""
        self.clock.advance(seconds)

    @rule(tried=st.integers(0, 4))
    def picks(self, tried: int) -> None:
        """A pick is in the ring, has named its node, has room if anybody has, and was not tried before."""
        but = list(self.known)[:tried]
        with_room = [
            member
            for member in self.known
            if member.state in IN_RING and member not in but and not self._is_full(member)
        ]
        picked = self.balancer.pick(but)
        if picked is None:
            assert not self.balancer.has_other(but)
            return
        member = picked.member
        assert member.state in IN_RING
        assert not self.known[member].held
        assert member.node in self.known[member].names
        assert member not in but
        assert len(self.balancer) == picked.ring_size
        assert member in with_room or not with_room
        self._count(picked)
        self.in_flight.append(member)

    def _is_full(self, member: Member) -> bool:
        """Tell by the model's own counts whether a member may have no other request in flight."""
        good = self.known[member].good
        limit = 1 if member.state is State.PROBATION else 1 + good
        is_warm = member.state is State.LINKED and good >= self.policy.warm_up
        return not is_warm and self.in_flight.count(member) >= limit

    def _count(self, picked: Picked) -> None:
        """Count a pick of a steady set: one where nobody was passed over."""
        ring = {member for member in self.known if member.state in IN_RING}
        words = [words for words in picked.skipped if words.endswith((": tried", ": warming up"))]
        if words:
            self.fair.clear()
            return
        self.fair[picked.member] += 1
        counts = [self.fair[member] for member in ring]
        assert max(counts) - min(counts) <= 1

    @precondition(lambda self: getattr(self, "in_flight", None))
    @rule(which=WHICH)
    def ends(self, which: int) -> None:
        """A request is over, also one of a member that is gone by now."""
        member = self.in_flight.pop(which % len(self.in_flight))
        self.balancer.ended(member)
        self._take_note()

    @invariant()
    def state_and_ring_agree(self) -> None:
        """In the ring are those whose state says so, each once; nobody is lost."""
        if not hasattr(self, "known"):
            return
        inside = {member for member in self.known if member.state in IN_RING}
        shown = self.balancer.members()
        assert len(inside) == len(self.balancer)
        assert inside == set(shown[: len(inside)])
        assert len(self.known) == len(shown)
        assert self.known.keys() == set(shown)
        assert all(member.state is State.REMOVED for member in self.gone)

    @invariant()
    def every_change_was_told(self) -> None:
        """Whoever follows the changes knows where everybody stands."""
        if hasattr(self, "known"):
            assert [(m.address, k.told) for m, k in self.known.items()] == [(m.address, m.state) for m in self.known]

    @invariant()
    def in_flight_is_what_was_picked_and_has_not_ended(self) -> None:
        """Never less than nothing; a member is drained if and only if nothing of its is in flight."""
        if not hasattr(self, "known"):
            return
        for member in [*self.known, *self.gone]:
            assert self.in_flight.count(member) == member.in_flight
        for member in self.known:
            if member.state in LEAVING:
                assert (member.state is State.DRAINED) is (member.in_flight == 0)

    @invariant()
    def no_two_in_the_ring_have_one_name(self) -> None:
        """A name is one node."""
        if hasattr(self, "known"):
            names = [member.node for member in self.known if member.state in IN_RING]
            assert len(names) == len(set(names))


TestBalancerUnderFire = BalancerUnderFire.TestCase


def test_threads_that_pick_add_drain_and_remove_at_once_leave_it_whole() -> None:
    """Members come and go under the hands of those who pick; those that stay are all there, with nothing in flight."""
    told: Counter[News] = Counter()
    balancer = Balancer("service1", [f"steady-{n}:1" for n in range(3)], on_change=lambda c: told.update([c.news]))
    for member in balancer.members():
        balancer.saw(member, Seen(member.address), is_warm=True)
    errors: list[BaseException] = []
    start = threading.Barrier(8)

    def guarded(work: object) -> None:
        start.wait()
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    def sends() -> None:
        for _ in range(1_500):
            picked = balancer.pick()
            assert picked is not None
            balancer.succeeded(picked.member)
            balancer.ended(picked.member)

    def churns() -> None:
        name = threading.get_ident()
        for turn in range(200):
            member, _ = balancer.add(f"{name}-{turn}:1")
            balancer.saw(member, Seen(member.address))
            balancer.drain(member)
            balancer.remove(member)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in [sends] * 5 + [churns] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == errors
    assert [("linked", 0)] * 3 == [(member.state.value, member.in_flight) for member in balancer.members()]
    assert (600, 600, 600) == (told[News.ADDED], told[News.DRAINING], told[News.REMOVED])


def test_a_cause_is_told_with_each_ejection_only() -> None:
    """What is counted as an ejection has one."""
    changes: list[Change] = []
    balancer = Balancer("service1", ["a:1"], on_change=changes.append)
    (member,) = balancer.members()
    balancer.probed(member, "node-a")
    balancer.refused(member, "refused")
    balancer.probed(member, "node-a")

    assert [None, Cause.REFUSED, None] == [change.cause for change in changes]
