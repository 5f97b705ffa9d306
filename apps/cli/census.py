"""The nodes of a stack: who is in the rings, who was seen by storage, and how each does. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from apps.cli import rings, shape, vitals
from apps.cli.quantities import parse_time
from apps.cli.rings import Member
from apps.cli.shape import Object
from apps.cli.vitals import Vitals

APPS = ("gateway", "service1", "service2", "storage", "console")
"""The order that apps are listed in; others follow by name."""
_WORST_FIRST: Final = ("ejected", "joining", "draining", "drained", "probation", "linked")


@dataclass(frozen=True, slots=True)
class Seen:
    """A node as storage knows it, by what arrived from it."""

    logs: int
    spans: int
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Node:
    """A node with what the rings and storage know of it. *name* is its address while nobody knows its name."""

    name: str
    app: str
    member: Member | None
    seen: Seen | None
    vitals: Vitals = vitals.NOTHING


def join(answers: Sequence[Object], stored: Object | None, known: Mapping[str, Vitals] | None = None) -> list[Node]:
    """Return the nodes in the order of a request's way.

    Args:
        answers: the rings of each gateway.
        stored: storage's list of nodes; None if it did not answer.
        known: how nodes do, by name.
    """
    known = known or {}
    members: dict[str, Member] = {}
    for answer in answers:
        for ring in rings.decode(answer).rings:
            for member in ring.members:
                members[member.name] = _both(members[member.name], member) if member.name in members else member
    seen: dict[str, tuple[str, Seen]] = {}
    for one in shape.children(stored or {}, "nodes"):
        seen[shape.text(one, "node")] = (shape.text(one, "app"), _seen(one))
    nodes = []
    for name in dict.fromkeys([*members, *seen]):
        app = seen[name][0] if name in seen else members[name].service
        nodes.append(
            Node(name, app, members.get(name), seen[name][1] if name in seen else None, known.get(name, vitals.NOTHING))
        )
    return sorted(nodes, key=_place)


def _both(one: Member, other: Member) -> Member:
    """Return a member as two gateways tell of it: in the worse of the two states, with what both sent it."""
    worse = min((one, other), key=_badness)
    counts = [member.in_flight for member in (one, other) if member.in_flight is not None]
    return replace(worse, picks=one.picks + other.picks, in_flight=sum(counts) if counts else None)


def _badness(member: Member) -> int:
    return _WORST_FIRST.index(member.state) if member.state in _WORST_FIRST else -1


def _place(node: Node) -> tuple[int, str, bool, int, str]:
    """Return what to sort *node* by: the way of a request, then numbers as numbers, nameless ones last."""
    place = APPS.index(node.app) if node.app in APPS else len(APPS)
    number = node.name.rsplit("-", 1)[-1]
    is_numbered = number.isascii() and number.isdigit() and len(number) < 9
    return place, node.app, not is_numbered, int(number) if is_numbered else 0, node.name


def _seen(one: Object) -> Seen:
    return Seen(shape.whole(one, "logs"), shape.whole(one, "spans"), parse_time(shape.text(one, "lastSeen")))


def as_json(
    answers: Sequence[Object], stored: Object | None, known: Mapping[str, Vitals] | None = None
) -> list[dict[str, Any]]:
    """Return the joined nodes for ``--json``.

    Under *ring* is what the first gateway that knows the node said, under *rings* what each did; under *seen* what
    storage said; null where a side is silent.
    """
    raw_members: dict[str, list[dict[str, Any]]] = {}
    for answer in answers:
        for ring in shape.children(answer, "rings"):
            for one in shape.children(ring, "members"):
                name = shape.text(one, "node") or shape.text(one, "address")
                told = {"service": ring.get("service"), **one}
                raw_members.setdefault(name, []).append({"gateway": answer.get("gateway"), **told})
    raw_seen = {shape.text(one, "node"): dict(one) for one in shape.children(stored or {}, "nodes")}
    return [
        {
            "node": node.name,
            "app": node.app,
            "ring": next(iter(raw_members.get(node.name, ())), None),
            "rings": raw_members.get(node.name, []),
            "seen": raw_seen.get(node.name),
            "vitals": node.vitals.as_json(),
        }
        for node in join(answers, stored, known)
    ]
