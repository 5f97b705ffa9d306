"""The nodes of a stack: who is in the rings joined with who was seen by storage. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.cli import shape
from apps.cli.quantities import parse_time
from apps.cli.shape import Object

APPS = ("gateway", "service1", "service2", "storage", "console")
"""The order that apps are listed in; others follow by name."""


@dataclass(frozen=True, slots=True)
class Member:
    """A node as its ring knows it. *since* is when it came into this state."""

    service: str
    address: str
    state: str
    reason: str
    picks: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A node as storage knows it, by what arrived from it."""

    logs: int
    spans: int
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Node:
    """A node with what the ring and storage know of it. *name* is its address while nobody knows its name."""

    name: str
    app: str
    member: Member | None
    seen: Seen | None


def join(rings: Object | None, stored: Object | None) -> list[Node]:
    """Return the nodes that the gateway's rings and storage's list name, in the order of the request's way."""
    members: dict[str, tuple[str, Member]] = {}
    for ring in shape.children(rings or {}, "rings"):
        service = shape.text(ring, "service")
        for one in shape.children(ring, "members"):
            member = _member(service, one)
            members.setdefault(shape.text(one, "node") or member.address, (service, member))
    seen: dict[str, tuple[str, Seen]] = {}
    for one in shape.children(stored or {}, "nodes"):
        seen[shape.text(one, "node")] = (shape.text(one, "app"), _seen(one))
    nodes = []
    for name in dict.fromkeys([*members, *seen]):
        app = seen[name][0] if name in seen else members[name][0]
        nodes.append(
            Node(name, app, members[name][1] if name in members else None, seen[name][1] if name in seen else None)
        )
    return sorted(nodes, key=_place)


def _place(node: Node) -> tuple[int, str, bool, int, str]:
    """Return what to sort *node* by: the way of a request, then numbers as numbers, nameless ones last."""
    place = APPS.index(node.app) if node.app in APPS else len(APPS)
    number = node.name.rsplit("-", 1)[-1]
    is_numbered = number.isascii() and number.isdigit() and len(number) < 9
    return place, node.app, not is_numbered, int(number) if is_numbered else 0, node.name


def _member(service: str, one: Object) -> Member:
    return Member(
        service,
        shape.text(one, "address"),
        shape.text(one, "state", "unknown"),
        shape.text(one, "reason"),
        shape.whole(one, "picks"),
        parse_time(shape.text(one, "since")),
    )


def _seen(one: Object) -> Seen:
    return Seen(shape.whole(one, "logs"), shape.whole(one, "spans"), parse_time(shape.text(one, "lastSeen")))


def as_json(rings: Object | None, stored: Object | None) -> list[dict[str, Any]]:
    """Return the joined nodes for ``--json``: under *ring* and *seen* what each side said, null where it is silent."""
    raw_members: dict[str, dict[str, Any]] = {}
    for ring in shape.children(rings or {}, "rings"):
        for one in shape.children(ring, "members"):
            name = shape.text(one, "node") or shape.text(one, "address")
            raw_members.setdefault(name, {"service": ring.get("service"), **one})
    raw_seen = {shape.text(one, "node"): dict(one) for one in shape.children(stored or {}, "nodes")}
    return [
        {"node": node.name, "app": node.app, "ring": raw_members.get(node.name), "seen": raw_seen.get(node.name)}
        for node in join(rings, stored)
    ]
