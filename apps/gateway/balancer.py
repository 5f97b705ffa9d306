"""Who is in the ring of a service, and why: health decides, the ring only turns.

Pure but for the clock it is given. A member is *joining* until its ``/readyz`` has named its node, then *linked*.
Consecutive bad answers, a refused connect or a failing ``/readyz`` make it *ejected*; it comes back on *probation*,
where the first failure ejects it again. Bad answers never unlink the last node: a node that answers badly is
better than none, while one that cannot be reached is not.
"""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.gateway.ring import Ring


class State(StrEnum):
    """Where a member stands."""

    JOINING = "joining"
    LINKED = "linked"
    PROBATION = "probation"
    EJECTED = "ejected"


IN_RING: Final = (State.LINKED, State.PROBATION)


class Cause(StrEnum):
    """Why a member was ejected."""

    FAILURES = "failures"
    REFUSED = "refused"
    NOT_READY = "not_ready"


@dataclass(frozen=True, slots=True)
class Policy:
    """When a member is ejected and when it may come back."""

    failures: int = 5
    """Consecutive failed requests that eject a member."""
    probe_failures: int = 2
    """Consecutive failed probes that eject a member."""
    ejection_s: float = 2.0
    """Seconds that a member which answered badly stays out; doubled with each ejection in a row."""
    max_ejection_s: float = 30.0
    """The longest that it stays out, in seconds."""
    probation_successes: int = 3
    """Good answers that end probation."""


@dataclass(eq=False)
class Member:
    """A replica at an address. Compared by identity; only the balancer changes it."""

    address: str
    node: str = ""
    state: State = State.JOINING
    reason: str = "its /readyz has not answered yet"
    since: float = field(default_factory=time.time)
    picks: int = 0
    failures: int = 0
    probe_failures: int = 0
    successes: int = 0
    ejections: int = 0
    out_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """A member went into the ring or out of it."""

    service: str
    node: str
    address: str
    state: State
    before: State
    reason: str
    ring_size: int
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Picked:
    """The member that a request goes to, the size of the ring, and the nodes passed over with the reason."""

    member: Member
    ring_size: int
    skipped: tuple[str, ...]


class Balancer:
    """The ring of one service with the health of its members. Safe to use from any number of threads.

    Args:
        service: whose replicas these are.
        addresses: ``host:port`` of each.
        policy: when to eject.
        clock: monotonic seconds.
        on_change: called, outside of any lock, with each change of the ring.
    """

    def __init__(
        self,
        service: str,
        addresses: Collection[str],
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

    def __len__(self) -> int:
        """Return how many members are in the ring."""
        return len(self._ring)

    def members(self) -> list[Member]:
        """Return all members: those in the ring in the order of their turns, then the others."""
        turning = list(self._ring)
        return turning + [member for member in self._members.values() if member not in turning]

    def pick(self, but: Collection[Member] = ()) -> Picked | None:
        """Return the next member that is not one of *but*; None if the ring has no other."""
        pick = self._ring.pick(but)
        if pick is None:
            return None
        with self._lock:
            pick.member.picks += 1
        skipped = [f"{member.node}: tried" for member in pick.skipped]
        skipped += [
            f"{member.node or member.address}: {member.reason}"
            for member in self._members.values()
            if member.state not in IN_RING
        ]
        return Picked(pick.member, pick.size, tuple(skipped))

    def has_other(self, than: Collection[Member]) -> bool:
        """Tell whether the ring has a member that is not one of *than*."""
        return any(member not in than for member in self._ring)

    def succeeded(self, member: Member) -> None:
        """Count a good answer of *member*."""
        with self._lock:
            member.failures = 0
            if member.state is not State.PROBATION:
                return
            member.successes += 1
            if member.successes >= self._policy.probation_successes:
                member.state, member.reason, member.ejections = State.LINKED, "", 0

    def failed(self, member: Member, reason: str) -> None:
        """Count a bad answer, a broken connection or a deadline that *member* let pass."""
        with self._lock:
            member.failures += 1
            limit = 1 if member.state is State.PROBATION else self._policy.failures
            due = member.failures >= limit and member.state in IN_RING and len(self._ring) > 1
            change = (
                self._eject(member, Cause.FAILURES, f"{member.failures} failed in a row: {reason}") if due else None
            )
        self._tell(change)

    def refused(self, member: Member, reason: str) -> None:
        """Take *member* out of the ring at once: it cannot be reached."""
        with self._lock:
            change = self._eject(member, Cause.REFUSED, reason) if member.state in IN_RING else None
        self._tell(change)

    def probed(self, member: Member, node: str | None, reason: str = "") -> None:
        """Take note of a probe: *node* is the name that ``/readyz`` gave, None if it failed for *reason*."""
        with self._lock:
            change = self._ready(member, node) if node else self._not_ready(member, reason)
        self._tell(change)

    def _ready(self, member: Member, node: str) -> Change | None:
        member.probe_failures = 0
        if member.state in IN_RING or self._clock() < member.out_until:
            return None
        before = member.state
        member.node, member.failures, member.successes = node, 0, 0
        member.state = State.LINKED if before is State.JOINING else State.PROBATION
        member.reason = "" if before is State.JOINING else "came back; the first failure ejects it again"
        member.since = time.time()
        self._ring.insert(member)
        return self._changed(member, before, "ready")

    def _not_ready(self, member: Member, reason: str) -> Change | None:
        member.probe_failures += 1
        if member.state is State.JOINING:
            member.reason = reason
        if member.state in IN_RING and member.probe_failures >= self._policy.probe_failures:
            return self._eject(member, Cause.NOT_READY, reason)
        return None

    def _eject(self, member: Member, cause: Cause, reason: str) -> Change:
        before = member.state
        self._ring.unlink(member)
        member.state, member.reason, member.since = State.EJECTED, reason, time.time()
        if cause is Cause.FAILURES:
            # It answers its probes: only time can tell. One that was unreachable is back when it is reachable.
            out_s = min(self._policy.ejection_s * 2 ** min(member.ejections, 32), self._policy.max_ejection_s)
            member.out_until = self._clock() + out_s
            member.ejections += 1
        return self._changed(member, before, reason, cause)

    def _changed(self, member: Member, before: State, reason: str, cause: Cause | None = None) -> Change:
        return Change(self.service, member.node, member.address, member.state, before, reason, len(self._ring), cause)

    def _tell(self, change: Change | None) -> None:
        if change is not None:
            self._on_change(change)
