"""The rings as a gateway tells them, and what its events change in them. Pure values, safe to print."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from apps.cli import shape
from apps.cli.quantities import parse_time
from apps.cli.shape import Object

IN_RING: Final = ("linked", "probation")
"""States in which a member gets requests in its turn."""


@dataclass(frozen=True, slots=True)
class Member:
    """A replica as a ring knows it.

    *node* is empty until its name is known. *since* is when it came into this state, *ejected_for_s* how long until it
    may be tried again. *picks* and *in_flight* are counted by the gateway that told of them.
    """

    service: str
    address: str
    node: str
    state: str
    reason: str = ""
    since: datetime | None = None
    picks: int = 0
    in_flight: int | None = None
    source: str = ""
    ejected_for_s: float | None = None
    ejections: int = 0
    bugs: str = ""

    @property
    def name(self) -> str:
        """Return what to call it: its node's name, else its address."""
        return self.node or self.address

    @property
    def is_in_ring(self) -> bool:
        """Tell whether it gets requests in its turn."""
        return self.state in IN_RING


@dataclass(frozen=True, slots=True)
class Ring:
    """The ring of one service: *turning* in the order of their turns, the next one first; *others* get nothing."""

    service: str
    turning: tuple[Member, ...] = ()
    others: tuple[Member, ...] = ()

    @property
    def members(self) -> tuple[Member, ...]:
        """Return all members."""
        return self.turning + self.others

    @property
    def next_name(self) -> str:
        """Return the name of the member whose turn is next; empty for an empty ring."""
        return self.turning[0].name if self.turning else ""

    def placed(self) -> tuple[Member, ...]:
        """Return those in the ring in the order of their turns, but always from the same one on.

        So a picture of them stands still while the hand goes round.
        """
        if not self.turning:
            return ()
        first = min(range(len(self.turning)), key=lambda n: _natural(self.turning[n].name))
        return self.turning[first:] + self.turning[:first]

    def stepped(self, node: str) -> "Ring":
        """Return the ring after a pick of *node*: its turn is over, and whoever follows it is next."""
        names = [member.name for member in self.turning]
        if node not in names:
            return self
        n = names.index(node)
        picked = replace(self.turning[n], picks=self.turning[n].picks + 1)
        return replace(self, turning=(*self.turning[n + 1 :], *self.turning[:n], picked))


@dataclass(frozen=True, slots=True)
class Rings:
    """The rings of one gateway."""

    gateway: str
    rings: tuple[Ring, ...]

    def stepped(self, service: str, node: str) -> "Rings":
        """Return the rings after a pick of *node* of *service*."""
        return replace(
            self, rings=tuple(ring.stepped(node) if ring.service == service else ring for ring in self.rings)
        )


def decode(answer: Object) -> Rings:
    """Return the rings in the gateway's answer."""
    return Rings(shape.text(answer, "gateway"), tuple(_ring(one) for one in shape.children(answer, "rings")))


def _ring(one: Object) -> Ring:
    service = shape.text(one, "service")
    members = [_member(service, member) for member in shape.children(one, "members")]
    return Ring(
        service,
        tuple(member for member in members if member.is_in_ring),
        tuple(member for member in members if not member.is_in_ring),
    )


def _member(service: str, one: Object) -> Member:
    in_flight = shape.number(one, "inFlight")
    return Member(
        service,
        shape.text(one, "address"),
        shape.text(one, "node"),
        shape.text(one, "state", "unknown"),
        shape.text(one, "reason"),
        parse_time(shape.text(one, "since")),
        shape.whole(one, "picks"),
        None if in_flight is None else int(in_flight),
        shape.text(one, "source"),
        shape.number(one, "ejectedForS"),
        shape.whole(one, "ejections"),
        shape.text(one, "bugs"),
    )


def _natural(name: str) -> tuple[str, int, str]:
    """Return what to sort names by: service1-2 before service1-10."""
    head, _, tail = name.rpartition("-")
    is_number = tail.isascii() and tail.isdigit() and len(tail) < 9
    return (head if is_number else name, int(tail) if is_number else -1, name)
