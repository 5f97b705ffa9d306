"""Who ought to be a member: configuration, DNS and orders, less what was removed."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.members import Source
from apps.gateway.membership import Membership, Orders, parse_address, parse_members


@pytest.mark.parametrize(("text", "address"), [
    ("127.0.0.1:8101", "127.0.0.1:8101"),
    (" Service1-2:08101 ", "service1-2:8101"),
    ("[::1]:80", "[::1]:80"),
    ("a.b-c.example.:1", "a.b-c.example.:1"),
    ("my_service:65535", "my_service:65535"),
])  # fmt: skip
def test_an_address_has_one_form(text: str, address: str) -> None:
    """Lower case, no leading zeros."""
    assert address == parse_address(text)


@pytest.mark.parametrize("text", [
    "", ":", "a", "a:", ":1", "a:0", "a:65536", "a:1x", "a:-1", "a:٣", "a b:1", "http://a:1", "a/b:1", "a:1/x",
    "a..b:1", "-a:1", "a-:1", "[::1:1", "::1:1", "[fe80::1%eth0]:1", "[]:1", "a@b:1", "a\r\nb:1",
    f"{'a' * 64}:1", f"{'a.' * 130}a:1",
])  # fmt: skip
def test_anything_else_is_no_address(text: str) -> None:
    """It would end up in a request target."""
    with pytest.raises(ValueError, match="is not host:port"):
        parse_address(text)


@given(st.text(max_size=40))
def test_whatever_is_no_address_is_refused_with_words(text: str) -> None:
    """Never another error than ValueError, and what passes passes again."""
    with suppress(ValueError):
        address = parse_address(text)
        assert address == parse_address(address)


def test_a_setting_lists_addresses_and_names() -> None:
    """Each once, without blanks."""
    assert ("a:1", "dns+b:2") == parse_members(" a:1,, dns+b:2 ,A:01")
    with pytest.raises(ValueError, match="'srv b:2' is not host:port"):
        parse_members("a:1,srv b:2")


def members(membership: Membership) -> dict[str, str]:
    """Return who is wanted, with the source of each."""
    return {address: source.value for address, source in membership.wanted().items()}


def test_a_name_has_no_members_until_dns_has_answered() -> None:
    """Then those it has now."""
    membership = Membership(("a:1", "dns+b:2"))
    assert {"a:1": "config"} == members(membership)

    membership.resolved("b:2", ["10.0.0.1:2", "10.0.0.2:2"])
    assert {"10.0.0.1:2": "dns", "10.0.0.2:2": "dns", "a:1": "config"} == members(membership)
    membership.resolved("b:2", ["10.0.0.2:2"])

    assert {"10.0.0.2:2": "dns", "a:1": "config"} == members(membership)


@pytest.mark.parametrize("address", ["a:1", "10.0.0.1:2"])
def test_what_was_removed_stays_away_until_it_is_added_again(address: str) -> None:
    """Also where configuration or DNS names it again."""
    membership = Membership(("a:1", "dns+b:2"))
    membership.resolved("b:2", ["10.0.0.1:2"])
    before = members(membership)

    membership.remove(address)
    membership.resolved("b:2", ["10.0.0.1:2"])
    assert address not in members(membership)
    membership.add(address)

    assert before == members(membership)
    assert Orders() == membership.orders


def test_a_removed_address_that_dns_names_no_more_is_free_for_the_next_node() -> None:
    """Also after a restart, once every name was answered; what is configured stays away."""
    before = Membership(("a:1", "dns+b:2", "dns+c:3"))
    before.resolved("b:2", ["10.0.0.1:2"])
    for address in ("a:1", "10.0.0.1:2"):
        before.remove(address)
    after = Membership(before.items)
    after.restore(before.orders)

    after.resolved("c:3", [])
    assert Orders(removed=("a:1", "10.0.0.1:2")) == after.orders
    after.resolved("b:2", ["10.0.0.2:2"])
    assert Orders(removed=("a:1",)) == after.orders
    after.resolved("b:2", ["10.0.0.1:2"])

    assert {"10.0.0.1:2": "dns"} == members(after)


def test_what_was_added_and_removed_leaves_no_trace() -> None:
    """Nothing would name it again."""
    membership = Membership(("a:1",))
    membership.add("c:3")
    assert {"c:3": Source.ADMIN, "a:1": Source.CONFIG} == membership.wanted()

    membership.remove("c:3")

    assert Orders() == membership.orders


def test_adding_ends_a_drain() -> None:
    """And so does removing."""
    membership = Membership(("a:1", "b:1"))
    for address in ("a:1", "b:1"):
        membership.drain(address)
    membership.add("a:1")
    membership.remove("b:1")

    assert Orders(removed=("b:1",)) == membership.orders


ACTS = st.lists(st.tuples(st.sampled_from(["add", "remove", "drain"]), st.sampled_from(["a:1", "b:1", "c:1"])))


@given(ACTS, st.sets(st.sampled_from(["b:1", "c:1"])))
def test_the_last_order_counts_and_outlives_a_restart(acts: list[tuple[str, str]], resolved: set[str]) -> None:
    """Whatever was ordered in whatever order."""
    membership = Membership(("a:1", "dns+n:1"))
    membership.resolved("n:1", resolved)
    last: dict[str, str] = {}
    for act, address in acts:
        getattr(membership, act)(address)
        if act != "drain" or address in membership.wanted():
            # Nobody drains who is no member.
            last[address] = act
    again = Membership(("a:1", "dns+n:1"))
    again.restore(membership.orders)
    again.resolved("n:1", resolved)

    assert membership.wanted() == again.wanted()
    for address, act in last.items():
        assert (act != "remove") is (address in again.wanted())
        assert (act == "drain") is again.is_draining(address)
