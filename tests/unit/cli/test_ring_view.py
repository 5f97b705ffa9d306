"""The picture of the rings: every node once, the hand at the next, never wider than asked."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from apps.cli import ring_view, rings
from tests.unit.cli import samples

Golden = Callable[[str, list[Text]], None]
STATES = ("linked", "probation", "ejected", "joining", "draining", "drained", "something new")


def member(service: str, number: int, state: str = "linked", **changes: Any) -> dict[str, Any]:
    """Return a member as the gateway tells it."""
    return {
        "address": f"127.0.0.1:{8100 + number}", "node": f"{service}-{number}", "service": service, "state": state,
        "reason": None, "picks": 100, "inFlight": 1, "source": "config", "ejectedForS": None, "ejections": 0,
    } | changes  # fmt: skip


def answer(service1: list[dict[str, Any]], service2: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a gateway's rings of these members."""
    pairs = (("service1", service1), ("service2", service2))
    return {
        "gateway": "gateway-1",
        "rings": [{"service": name, "size": len(members), "members": members} for name, members in pairs],
    }


def turning(service: str, count: int, first: int = 1) -> list[dict[str, Any]]:
    """Return *count* members in the ring, the turn of number *first* being next."""
    numbers = [*range(first, count + 1), *range(1, first)]
    return [member(service, number) for number in numbers]


OUT = [
    member("service2", 5, "ejected", reason="the connection was refused", ejectedForS=3.2, picks=40),
    member("service2", 6, "joining", node=None, reason="its /readyz has not answered yet", picks=0),
    member("service2", 7, "draining", inFlight=2),
]
PICTURES = {
    "one-and-two": answer(turning("service1", 1), turning("service2", 2, 2)),
    "three-and-four": answer(
        turning("service1", 3, 3), [member("service2", 2, "probation"), *turning("service2", 4)[2:], *OUT]
    ),
    "twelve-and-none": answer(turning("service1", 12, 7), OUT[:1]),
    "thirteen": answer(turning("service1", 13, 4), turning("service2", 1)),
}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", PICTURES)
def test_looks_as_it_should(name: str, width: int, golden: Golden) -> None:
    """One above the other in 80 columns, side by side in 120."""
    lines = ring_view.draw(rings.decode(PICTURES[name]), width)

    assert [] == [line.plain for line in lines if line.cell_len > width]
    golden(f"ring-{name}-{width}", lines)


@given(st.lists(st.sampled_from(STATES), max_size=20), st.integers(0, 40), st.integers(60, 160), st.integers(0, 10**12))
def test_every_node_is_drawn_once(states: list[str], first: int, width: int, picks: int) -> None:
    """Whatever the states, and whoever is next; no line is too long."""
    members = [member("service1", number, state, picks=picks) for number, state in enumerate(states)]
    shift = first % len(members) if members else 0

    lines = ring_view.draw(rings.decode(answer(members[shift:] + members[:shift], [])), width)

    words = " ".join(line.plain for line in lines[3:]).replace("▸", " ").replace("◂", " ").replace("●", " ").split()
    assert [] == [one["node"] for one in members if words.count(one["node"]) != 1]
    assert [] == [line.plain for line in lines if line.cell_len > width]


@pytest.mark.parametrize("count", range(1, 13))
def test_the_hand_is_at_the_next(count: int) -> None:
    """One hand, and its row is the row of the node whose turn it is."""
    for first in range(1, count + 1):
        lines = ring_view.picture(rings.decode(answer(turning("service1", count, first), [])).rings[0], 80)
        hands = [line.plain for line in lines[3:-1] if "──▸" in line.plain or "◂──" in line.plain]

        assert 1 == len(hands)
        side = hands[0].split("●")[-1 if "▸" in hands[0] else 0]
        assert f"service1-{first}" == side.split()[0]


def test_the_picture_stands_still_while_the_hand_goes_round() -> None:
    """Nodes keep their places whoever is next."""
    pictures = []
    for first in (1, 2, 3):
        lines = ring_view.picture(rings.decode(answer(turning("service1", 3, first), [])).rings[0], 80)
        pictures.append([[word for word in line.plain.split() if word.startswith("service1")] for line in lines[3:]])

    assert pictures[0] == pictures[1] == pictures[2]


def test_a_pick_moves_the_hand_on_and_is_counted() -> None:
    """The one that was picked is last, whoever it was: the next skips those that were passed over."""
    ring = rings.decode(answer(turning("service1", 3), [])).rings[0]

    assert "service1-2" == ring.stepped("service1-1").next_name
    assert "service1-3" == ring.stepped("service1-2").next_name
    assert 101 == ring.stepped("service1-1").turning[-1].picks
    assert ring == ring.stepped("service1-9")


def test_hostile_names_draw_no_escape_sequence() -> None:
    """What a gateway tells is data."""
    shape = answer([member("service1", 1, node="\x1b[31mred", reason="\x1b]0;title\x07", state="ejected")], [])

    assert not any("\x1b" in line.plain for line in ring_view.draw(rings.decode(shape), 80))


def test_an_answer_of_another_shape_is_an_empty_picture() -> None:
    """Nothing is never drawn as nothing."""
    lines = [line.plain for line in ring_view.draw(rings.decode({"rings": "none"}), 80)]

    assert ["gateway", "", "It has no rings."] == lines


def test_the_sample_of_the_nodes_is_drawn_too(golden: Golden) -> None:
    """A member without a name, and one whose seconds are known."""
    golden("ring-sample-80", ring_view.draw(rings.decode(samples.RINGS), 80))
