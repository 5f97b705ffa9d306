"""A circular doubly linked list with a hand that goes round it.

Pure: it knows nothing of nodes, health or time. Insert, unlink and pick take a constant number of steps whatever the
size, so members that must not be picked are unlinked, not stepped over. With a steady set of members the number of
picks of any two of them differs by one at the most.
"""

import threading
from collections.abc import Collection, Hashable, Iterator
from typing import Generic, NamedTuple, TypeVar

from apps.gateway.errors import RingError

Member = TypeVar("Member", bound=Hashable)


class _Link(Generic[Member]):
    __slots__ = ("after", "before", "member")

    def __init__(self, member: Member) -> None:
        self.member = member
        self.before: _Link[Member] = self
        self.after: _Link[Member] = self


class Pick(NamedTuple, Generic[Member]):
    """The member whose turn it was, the size of the ring, and who was passed over for it."""

    member: Member
    size: int
    skipped: tuple[Member, ...]


class Ring(Generic[Member]):
    """Members in a circle. Safe to use from any number of threads."""

    def __init__(self, members: Collection[Member] = ()) -> None:
        self._lock = threading.Lock()
        self._links: dict[Member, _Link[Member]] = {}
        self._hand: _Link[Member] | None = None
        for member in members:
            self.insert(member)

    def __len__(self) -> int:
        """Return how many members there are."""
        return len(self._links)

    def __contains__(self, member: object) -> bool:
        """Tell whether *member* is linked."""
        return member in self._links

    def __iter__(self) -> Iterator[Member]:
        """Return the members in the order of their turns, the next one first, as they are now."""
        with self._lock:
            members: list[Member] = []
            link = self._hand
            while link is not None and len(members) < len(self._links):
                members.append(link.member)
                link = link.after
        return iter(members)

    def insert(self, member: Member) -> None:
        """Link *member* right behind the hand: its turn comes when all others have had theirs.

        Raises:
            RingError: it is linked already.
        """
        with self._lock:
            if member in self._links:
                raise RingError(f"{member} is in the ring already")
            link = self._links[member] = _Link(member)
            if self._hand is None:
                self._hand = link
                return
            link.after, link.before = self._hand, self._hand.before
            link.before.after = link.after.before = link

    def unlink(self, member: Member) -> None:
        """Take *member* out; a hand that points at it moves on.

        Raises:
            RingError: it is not linked.
        """
        with self._lock:
            link = self._links.pop(member, None)
            if link is None:
                raise RingError(f"{member} is not in the ring")
            link.before.after, link.after.before = link.after, link.before
            if self._hand is link:
                self._hand = link.after if self._links else None

    def pick(self, but: Collection[Member] = ()) -> Pick[Member] | None:
        """Return the member whose turn it is and move the hand past it; None if there is none.

        Members in *but* (those that one request has tried) are passed over and lose this turn. At most
        ``len(but) + 1`` links are looked at.
        """
        with self._lock:
            if self._hand is None:
                return None
            skipped: list[Member] = []
            link = self._hand
            while link.member in but:
                skipped.append(link.member)
                link = link.after
                if link is self._hand:
                    return None
            self._hand = link.after
            return Pick(link.member, len(self._links), tuple(skipped))
