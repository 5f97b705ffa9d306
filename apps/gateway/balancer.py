"""Who is in the ring of a service, and why: health decides, the ring only turns.

Pure but for the clock it is given. A member is *joining* until its ``/readyz`` has named its node, then *linked*.
Consecutive bad answers, a refused connect or a failing ``/readyz`` make it *ejected*; it comes back on *probation*,
where the first failure ejects it again. Bad answers never unlink the last node: a node that answers badly is
better than none, while one that cannot be reached is not.

A member that just came or came back is warmed up: it has few requests in flight until it has answered some (ADR-0009).
One that drains gets nothing new; when nothing is in flight any more it is *drained*.
"""

import threading
import time
from collections.abc import Callable, Collection
from itertools import islice
from typing import Final

from apps.gateway.errors import BoundReached, NotFound
from apps.gateway.members import (
    IN_RING,
    LEAVING,
    Cause,
    Change,
    Member,
    News,
    Picked,
    Policy,
    Seen,
    Source,
    State,
)
from apps.gateway.ring import Ring

MAX_MEMBERS: Final = 256
"""Members that one ring may have, in the ring or out of it."""
PASSED_OVER: Final = 8
"""Members without room that one pick passes over."""
SHOWN_OUTSIDE: Final = 8
"""Members outside of the ring that a pick names."""
_ADDED_BY: Final = {
    Source.CONFIG: "it is configured",
    Source.DNS: "its address is in DNS",
    Source.ADMIN: "on order",
}
_NO_OTHER: Final = "; kept, because there is no other"


class Balancer:
    """The ring of one service with the health of its members. Safe to use from any number of threads.

    Args:
        service: whose replicas these are.
        addresses: ``host:port`` of each that is there from the start.
        policy: when to eject, and how to warm up.
        clock: monotonic seconds.
        on_change: called, outside of any lock, with each change of a member.
    """

    def __init__(
        self,
        service: str,
        addresses: Collection[str] = (),
        policy: Policy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[Change], None] = lambda change: None,
    ) -> None:
        self.service = service
        self._policy = policy or Policy()
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._ring: Ring[Member] = Ring()
        self._members = {address: Member(address) for address in addresses}
        self._outside = dict.fromkeys(self._members.values())
        self._full: set[Member] = set()
        """Members of the ring with no room for another request."""

    def __len__(self) -> int:
        """Return how many members are in the ring."""
        return len(self._ring)

    def members(self) -> list[Member]:
        """Return all members: those in the ring in the order of their turns, then the others."""
        with self._lock:
            return [*self._ring, *self._outside]

    def find(self, name: str) -> Member:
        """Return the member of that node name or address; of two with one name, the one in the ring.

        Raises:
            NotFound: there is none.
        """
        members = self.members()
        for member in members:
            if name in (member.node, member.address):
                return member
        raise NotFound(f"member of {self.service}", name, {member.name for member in members})

    def out_for_s(self, member: Member) -> float | None:
        """Return the seconds until an ejected *member* may be tried again, 0 if its next good probe brings it back.

        None if it is not ejected.
        """
        return max(member.out_until - self._clock(), 0.0) if member.state is State.EJECTED else None

    # --- requests ---

    def pick(self, but: Collection[Member] = ()) -> Picked | None:
        """Return the next member that is not one of *but*; None if the ring has no other.

        Members without room are passed over as long as there is another, up to `PASSED_OVER` of them: a pick takes no
        longer the more members warm up. The request counts as in flight until `ended` is called, which whoever picks
        must do.
        """
        with self._lock:
            full = self._full if len(self._full) <= PASSED_OVER else set(islice(self._full, PASSED_OVER))
            pick = self._ring.pick(full.union(but)) if full else self._ring.pick(but)
            if pick is None and full:
                pick = self._ring.pick(but)
            if pick is None:
                return None
            member = pick.member
            member.picks += 1
            member.in_flight += 1
            self._note_room(member)
            skipped = [f"{one.node}: {'tried' if one in but else 'warming up'}" for one in pick.skipped]
            skipped += self._those_outside()
            entry = member.entries
        return Picked(member, pick.size, tuple(skipped), entry)

    def _those_outside(self) -> list[str]:
        """Return who is not in the ring and why, up to a number: this is said with every pick."""
        shown = [
            f"{one.name}: {one.state if one.state in LEAVING else one.reason}"
            for one in islice(self._outside, SHOWN_OUTSIDE)
        ]
        more = len(self._outside) - len(shown)
        return [*shown, f"and {more} more"] if more else shown

    def ended(self, member: Member) -> None:
        """Take note that a request which *member* was picked for is over, however it went."""
        with self._lock:
            member.in_flight = max(member.in_flight - 1, 0)
            self._note_room(member)
            change = self._drained(member)
        self._tell(change)

    def has_other(self, than: Collection[Member]) -> bool:
        """Tell whether the ring has a member that is not one of *than*."""
        return any(member not in than for member in self._ring)

    def succeeded(self, member: Member, entry: int | None = None) -> None:
        """Count a good answer of *member*, unless it came into the ring anew since the pick with *entry*."""
        with self._lock:
            if self._is_outdated(member, entry):
                return
            member.failures = 0
            member.good += 1
            change = self._recovered(member) if member.state is State.PROBATION else None
            self._note_room(member)
        self._tell(change)

    def failed(self, member: Member, reason: str, entry: int | None = None) -> None:
        """Count a bad answer, a broken connection or a deadline that *member* let pass.

        What began before it came into the ring anew (*entry* is that of the pick) is not held against it: a node that
        hung once would else be ejected again and again by the requests it had then.
        """
        with self._lock:
            if self._is_outdated(member, entry):
                return
            member.failures += 1
            limit = 1 if member.state is State.PROBATION else self._policy.failures
            change = None
            if member.state in IN_RING and member.failures >= limit:
                change = self._ejected_or_spared(member, limit, f"{member.failures} failed in a row: {reason}")
        self._tell(change)

    def refused(self, member: Member, reason: str) -> None:
        """Take *member* out of the ring at once: it cannot be reached."""
        with self._lock:
            change = self._eject(member, Cause.REFUSED, reason) if member.state in IN_RING else None
        self._tell(change)

    # --- probes ---

    def probed(self, member: Member, node: str | None, reason: str = "") -> None:
        """Take note of a probe: *node* is the name that ``/readyz`` gave, None if it failed for *reason*."""
        self.saw(member, Seen(node, reason))

    def saw(self, member: Member, seen: Seen, *, is_warm: bool = False) -> None:
        """Take note of what a look at ``/readyz`` found.

        *is_warm*: the member was there before this gateway was, and needs no warming up.
        """
        with self._lock:
            if member.state is State.REMOVED:
                return
            if seen.bugs is not None:
                member.bugs = seen.bugs
            if seen.is_draining:
                changes = self._drain(member, "draining", Cause.NOT_READY)
            elif seen.node:
                changes = self._ready(member, seen.node, is_warm)
            else:
                changes = [self._not_ready(member, seen.reason)]
        self._tell(*changes)

    # --- members that come and go ---

    def add(self, address: str, source: Source = Source.ADMIN) -> tuple[Member, bool]:
        """Return the member at *address* and whether it is new. One that drains is taken back.

        Raises:
            BoundReached: there are `MAX_MEMBERS` already.
        """
        with self._lock:
            member = self._members.get(address)
            is_new = member is None
            change = None
            if member is None:
                if len(self._members) >= MAX_MEMBERS:
                    raise BoundReached(f"{self.service} has {MAX_MEMBERS} members, which is the most it may have.")
                member = self._members[address] = Member(address, source=source)
                self._outside[member] = None
                change = self._changed(member, State.REMOVED, _ADDED_BY[source], News.ADDED)
            elif member.state in LEAVING:
                change = self._taken_back(member)
            member.source = source
        self._tell(change)
        return member, is_new

    def drain(self, member: Member, reason: str = "on order") -> None:
        """Let *member* get nothing new until it is added again or removed."""
        with self._lock:
            changes = self._drain(member, reason) if member.state is not State.REMOVED else []
            member.is_held = True
        self._tell(*changes)

    def remove(self, member: Member, reason: str = "on order") -> None:
        """Let *member* be none any more. Its requests in flight end by themselves."""
        with self._lock:
            if member.state is State.REMOVED:
                return
            before = member.state
            del self._members[member.address]
            self._stand(member, State.REMOVED, reason)
            self._outside.pop(member, None)
            change = self._changed(member, before, reason, News.REMOVED)
        self._tell(change)

    # --- with the lock held ---

    def _stand(self, member: Member, state: State, reason: str) -> None:
        """Move *member* to *state*, and into the ring or out of it accordingly."""
        was_in, is_in = member.state in IN_RING, state in IN_RING
        member.state, member.reason, member.since = state, reason, time.time()
        if is_in and not was_in:
            member.entries += 1
            del self._outside[member]
            self._ring.insert(member)
        elif was_in and not is_in:
            self._ring.unlink(member)
            self._outside[member] = None
        self._note_room(member)

    def _is_outdated(self, member: Member, entry: int | None) -> bool:
        return entry is not None and entry != member.entries

    def _note_room(self, member: Member) -> None:
        room = member.room(self._policy) if member.state in IN_RING else None
        if room is not None and member.in_flight >= room:
            self._full.add(member)
        elif self._full:
            self._full.discard(member)

    def _ready(self, member: Member, node: str, is_warm: bool) -> list[Change | None]:
        member.probe_failures = 0
        changes: list[Change | None] = []
        if member.state in IN_RING and member.node != node:
            changes.append(self._eject(member, Cause.NOT_READY, f"{node} answers at its address now"))
        if member.is_held and not member.node and self._carrier(member, node) is None:
            # After a restart of the gateway: it stays out of the ring, but has its name.
            member.node = node
        if member.state in IN_RING or member.is_held or self._clock() < member.out_until:
            return changes
        other = self._carrier(member, node)
        if other is not None:
            member.reason = f"{other.address} is {node} already"
            return changes
        return [*changes, self._link(member, node, is_warm)]

    def _carrier(self, member: Member, node: str) -> Member | None:
        """Return another member that is *node* and was not found dead since."""
        return next(
            (
                other
                for other in self._members.values()
                if other is not member
                and other.node == node
                and (other.state in IN_RING or (other.probe_failures == 0 and other.state is not State.JOINING))
            ),
            None,
        )

    def _link(self, member: Member, node: str, is_warm: bool) -> Change:
        before = member.state
        member.node, member.failures, member.successes = node, 0, 0
        member.good = self._policy.warm_up if is_warm else 0
        if before is State.EJECTED:
            self._stand(member, State.PROBATION, "came back; the first failure ejects it again")
            return self._changed(member, before, "ready", News.RETURNED)
        self._stand(member, State.LINKED, "")
        return self._changed(member, before, "ready", News.LINKED)

    def _not_ready(self, member: Member, reason: str) -> Change | None:
        member.probe_failures += 1
        if member.state is State.JOINING:
            member.reason = reason
        elif member.state in LEAVING and not member.is_held:
            member.reason = f"it drained; {reason}"
        if member.state in IN_RING and member.probe_failures >= self._policy.probe_failures:
            return self._eject(member, Cause.NOT_READY, reason)
        return None

    def _recovered(self, member: Member) -> Change | None:
        member.successes += 1
        if member.successes < self._policy.probation_successes:
            return None
        member.ejections = 0
        self._stand(member, State.LINKED, "")
        reason = f"{member.successes} good answers on probation"
        return self._changed(member, State.PROBATION, reason, News.RECOVERED)

    def _ejected_or_spared(self, member: Member, limit: int, reason: str) -> Change | None:
        if len(self._ring) > 1:
            return self._eject(member, Cause.FAILURES, reason)
        # Told once, not with each failure that follows.
        is_first = member.failures == limit
        return self._changed(member, member.state, reason + _NO_OTHER, News.SPARED) if is_first else None

    def _eject(self, member: Member, cause: Cause, reason: str) -> Change:
        before = member.state
        member.ejected += 1
        if cause is Cause.FAILURES:
            # It answers its probes: only time can tell. One that was unreachable is back when it is reachable.
            out_s = min(self._policy.ejection_s * 2 ** min(member.ejections, 32), self._policy.max_ejection_s)
            member.out_until = self._clock() + out_s
            member.ejections += 1
        self._stand(member, State.EJECTED, reason)
        return self._changed(member, before, reason, News.EJECTED, cause)

    def _drain(self, member: Member, reason: str, cause: Cause | None = None) -> list[Change | None]:
        if member.state in LEAVING:
            return []
        before = member.state
        # It ends, or is told to: whatever it did before is no longer held against it.
        member.probe_failures = member.ejections = 0
        member.out_until = 0.0
        self._stand(member, State.DRAINING, reason)
        return [self._changed(member, before, reason, News.DRAINING, cause), self._drained(member)]

    def _drained(self, member: Member) -> Change | None:
        if member.state is not State.DRAINING or member.in_flight:
            return None
        self._stand(member, State.DRAINED, member.reason)
        return self._changed(member, State.DRAINING, "nothing is in flight any more", News.DRAINED)

    def _taken_back(self, member: Member) -> Change:
        before, member.is_held = member.state, False
        self._stand(member, State.JOINING, "taken back; its /readyz has not answered since")
        return self._changed(member, before, "taken back", News.ADDED)

    def _changed(self, member: Member, before: State, reason: str, news: News, cause: Cause | None = None) -> Change:
        return Change(
            self.service, member.node, member.address, member.state, before, reason, len(self._ring), cause, news
        )

    def _tell(self, *changes: Change | None) -> None:
        for change in changes:
            if change is not None:
                self._on_change(change)
