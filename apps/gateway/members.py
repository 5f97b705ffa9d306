"""The members of a ring: where one stands, how it did, and what is told when that changes. Pure."""

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a member stands."""

    JOINING = "joining"
    """Added; its ``/readyz`` has not named it yet."""
    LINKED = "linked"
    PROBATION = "probation"
    """Came back; the first failure ejects it again."""
    EJECTED = "ejected"
    DRAINING = "draining"
    """Gets nothing new and works off what it has."""
    DRAINED = "drained"
    """Draining, and nothing is in flight any more."""
    REMOVED = "removed"
    """No member any more: told in a change, never shown."""


IN_RING: Final = (State.LINKED, State.PROBATION)
LEAVING: Final = (State.DRAINING, State.DRAINED)
SHOWN: Final = tuple(state for state in State if state is not State.REMOVED)


class Source(StrEnum):
    """Where a member comes from."""

    CONFIG = "config"
    DNS = "dns"
    ADMIN = "admin"


class Cause(StrEnum):
    """Why a member was taken out of the ring."""

    FAILURES = "failures"
    REFUSED = "refused"
    NOT_READY = "not_ready"


class News(StrEnum):
    """What happened to a member."""

    ADDED = "added"
    LINKED = "linked"
    EJECTED = "ejected"
    RETURNED = "returned"
    """Came back, on probation."""
    RECOVERED = "recovered"
    """Passed its probation."""
    SPARED = "spared"
    """Ought to be ejected for its failures, and is kept because it is the last one."""
    DRAINING = "draining"
    DRAINED = "drained"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Policy:
    """When a member is ejected, when it may come back, and how it is warmed up."""

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
    warm_up: int = 10
    """Good answers until a member that came or came back may have any number of requests in flight."""


@dataclass(eq=False)
class Member:
    """A replica at an address. Compared by identity; only the balancer changes it."""

    address: str
    node: str = ""
    state: State = State.JOINING
    reason: str = "its /readyz has not answered yet"
    since: float = field(default_factory=time.time)
    source: Source = Source.CONFIG
    picks: int = 0
    in_flight: int = 0
    good: int = 0
    """Good answers since it was linked last."""
    entries: int = 0
    """Times that it came into the ring: the answer to a request from before its last one tells nothing of it now."""
    failures: int = 0
    probe_failures: int = 0
    successes: int = 0
    ejections: int = 0
    """Times in a row that it was ejected for bad answers: each doubles the time it stays out."""
    ejected: int = 0
    """Times that it was ejected at all, for whatever cause."""
    out_until: float = 0.0
    is_held: bool = False
    """Drains because it was ordered to, not because it says so itself: a good probe does not bring it back."""
    bugs: str | None = None
    """Rates of the bugs that its ``/readyz`` told last."""

    @property
    def name(self) -> str:
        """The node's name; its address as long as it has told none."""
        return self.node or self.address

    def room(self, policy: Policy) -> int | None:
        """Return how many requests it may have in flight; None for any number.

        One that is new may be slow at first, or fail all it is given. It proves itself by answers, not by time: a
        member that answers nothing gets nothing more.
        """
        if self.state is State.PROBATION:
            return 1
        return None if self.good >= policy.warm_up else 1 + self.good


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to a member. *cause* is why it left the ring, where health was the reason."""

    service: str
    node: str
    address: str
    state: State
    before: State
    reason: str
    ring_size: int
    cause: Cause | None
    news: News


@dataclass(frozen=True, slots=True)
class Picked:
    """The member that a request goes to, the size of the ring, and the nodes passed over with the reason."""

    member: Member
    ring_size: int
    skipped: tuple[str, ...]
    entry: int = 0
    """The member's `Member.entries` when it was picked."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at ``/readyz`` found: the node's name, or why it may not get requests.

    *bugs* are the rates that it told. *is_draining*: it says itself that it is about to end.
    """

    node: str | None = None
    reason: str = ""
    bugs: str | None = None
    is_draining: bool = False
