"""Which header fields a gateway hands on (RFC 9110 §7.6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.fields import HOP_BY_HOP, NOT_FROM_CLIENT, NOT_FROM_REPLICA, for_client, for_replica


def mixed(name: str) -> str:
    """Return *name* in a case that nobody would write."""
    return "".join(letter.upper() if place % 2 else letter for place, letter in enumerate(name))


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP | NOT_FROM_CLIENT))
def test_what_is_for_one_connection_or_ours_to_say_does_not_reach_a_replica(name: str) -> None:
    """In any case of letters."""
    assert [("Via", "1.1 gateway-1")] == for_replica([(mixed(name), "x")], "gateway-1")


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP | NOT_FROM_REPLICA))
def test_what_is_for_one_connection_or_ours_to_say_does_not_reach_a_client(name: str) -> None:
    """A replica's own Date, Server or length would be wrong by then."""
    assert [("Via", "1.1 gateway-1")] == for_client([(mixed(name), "x")], "gateway-1")


@pytest.mark.parametrize("hand_on", [for_replica, for_client])
def test_fields_that_connection_nominates_are_dropped(hand_on: object) -> None:
    """RFC 9110 §7.6.1: a proxy must remove them, in however many Connection fields they are named."""
    fields = [
        ("Connection", "close, X-One"), ("X-One", "1"), ("x-two", "2"), ("X-Three", "3"), ("connection", "x-TWO,,"),
    ]  # fmt: skip

    assert [("X-Three", "3"), ("Via", "1.1 gateway-1")] == hand_on(fields, "gateway-1")  # type: ignore[operator]


@pytest.mark.parametrize("hand_on", [for_replica, for_client])
@pytest.mark.parametrize("name", ["X-Carousel-Fault", "x-carousel-deadline-ms", "X-CAROUSEL-ERROR-NODE"])
def test_fields_of_ours_are_made_anew_at_each_hop(hand_on: object, name: str) -> None:
    """Neither a client's nor a replica's own get through."""
    assert [("Via", "1.1 gateway-1")] == hand_on([(name, "x")], "gateway-1")  # type: ignore[operator]


@pytest.mark.parametrize("hand_on", [for_replica, for_client])
def test_via_is_a_chain(hand_on: object) -> None:
    """RFC 9110 §7.6.3: each appends itself, several fields are one list."""
    fields = [("Via", "1.0 fred"), ("Accept", "*/*"), ("via", "1.1 p.example")]

    assert [("Accept", "*/*"), ("Via", "1.0 fred, 1.1 p.example, 1.1 gateway-1")] == hand_on(  # type: ignore[operator]
        fields, "gateway-1"
    )


def test_everything_else_goes_through_as_it_is() -> None:
    """Unknown fields too: that is how the web grows."""
    fields = [("Accept", "application/json"), ("X-Request-Id", "7"), ("Cookie", "a=b"), ("User-Agent", "curl")]

    assert [*fields, ("Via", "1.1 gateway-1")] == for_replica(fields, "gateway-1")


TOKENS = st.text("abcXYZ-", min_size=1, max_size=12)


@given(st.lists(st.tuples(TOKENS | st.sampled_from(sorted(HOP_BY_HOP)), st.text("abc, ", max_size=8))))
def test_what_comes_out_came_in_and_is_end_to_end(fields: list[tuple[str, str]]) -> None:
    """Nothing is invented but Via, the order stays, nothing of one connection is left."""
    *out, via = for_replica(fields, "gateway-1")

    remaining = iter(fields)
    assert all(field in remaining for field in out)
    assert not {name.lower() for name, _ in out} & HOP_BY_HOP
    assert "Via" == via[0]
