"""Chaos: planned by seed, bounded, and put back whatever way it ends."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.admin import Admin, AdminError
from tests.load.chaos import (
    BUGS,
    CALM_S,
    LEDGER,
    SCALES_FROM_S,
    SCALING_TAKES_S,
    Chaos,
    Ledger,
    LedgerTaken,
    planned,
)
from tests.unit.load.fake_stack import ADDRESSES, NODES, TOKEN, running


def ring(service, count=2, state="linked"):
    """Return the members of a ring."""
    return [{"node": f"{service}-{n}", "address": f"127.0.0.1:{n}", "state": state} for n in range(1, count + 1)]


COUNTS = {"service1": 2, "service2": 2}
MEMBERS = {"service1": ring("service1"), "service2": ring("service2")}


class Gateway:
    """Keeps what chaos does; *refuses* names what it does not do now."""

    def __init__(self, orders=None):
        self.ordered = dict(orders or {})
        self.drained = set()
        self.refuses = set()

    def members(self):
        return MEMBERS

    def orders(self):
        return dict(self.ordered)

    def _may(self, what):
        if what in self.refuses:
            raise AdminError(f"{what} refused")

    def order(self, target, rates):
        self._may("order")
        self.ordered[target] = rates

    def withdraw(self, target):
        self._may("withdraw")
        self.ordered.pop(target, None)

    def drain(self, service, name):
        self._may("drain")
        self.drained.add(name)

    def take_back(self, service, address):
        self._may("take_back")
        self.drained = {name for name in self.drained if not address.endswith(name[-1])}


class Nodes:
    """A native stack that is scaled; without *counts* there is none."""

    def __init__(self, counts=None):
        self.now = dict(COUNTS if counts is None else counts)
        self.most = dict(self.now)

    def counts(self):
        return dict(self.now)

    def scale(self, service, count):
        self.now[service] = count
        self.most[service] = max(self.most[service], count)


class Clock:
    """Seconds that pass by `sleep`; *then* is called at each of them."""

    def __init__(self, then=lambda: None):
        self.now = 0.0
        self.then = then

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += max(seconds, 0.001)
        self.then()


@pytest.fixture
def make(tmp_path):
    """Makes chaos over a gateway; ledgers are let go."""
    made = []

    def make(gateway):
        made.append(Chaos(gateway, Nodes(), Ledger(tmp_path), lambda words: None))
        return made[-1]

    yield make
    for chaos in made:
        chaos.close()


@given(st.integers(0, 2**32), st.floats(5, 3600))
def test_a_plan_is_bounded_and_ends_before_the_run(seed, seconds):
    """One order for bugs and one drained node at a time; the first and the last second are calm."""
    plan = planned(seed, seconds, MEMBERS)

    assert {deed.kind for deed in plan} == {"bug", "drain"}
    for deed in plan:
        assert CALM_S <= deed.begin < deed.end <= seconds - CALM_S
    for kind in ("bug", "drain"):
        for one, other in itertools.pairwise(deed for deed in plan if deed.kind == kind):
            assert one.end < other.begin


@given(st.integers(0, 2**32), st.floats(5, 3600))
def test_services_are_scaled_up_and_back_one_after_the_other(seed, seconds):
    """Where a native stack runs and the run is long enough; there is time left to come back."""
    plan = [deed for deed in planned(seed, seconds, MEMBERS, COUNTS) if deed.kind == "scale"]

    assert bool(plan) is (seconds >= SCALES_FROM_S)
    for deed in plan:
        before, after = deed.counts
        assert before == COUNTS[deed.service] < after <= before + 2
        assert deed.end <= seconds - SCALING_TAKES_S
    for one, other in itertools.pairwise(plan):
        assert one.end < other.begin
    assert planned(seed, seconds, MEMBERS, {}) == planned(seed, seconds, MEMBERS)


@given(st.integers(0, 2**32))
def test_the_same_seed_is_the_same_chaos(seed):
    """So that a run can be repeated."""
    assert planned(seed, 60, MEMBERS) == planned(seed, 60, dict(reversed(MEMBERS.items())))


def test_the_last_node_of_a_ring_is_never_drained():
    """Nor one that is not in the ring now."""
    members = {"service1": ring("service1", 1), "service2": ring("service2", 1) + ring("service2", 2, "ejected")[1:]}
    assert [deed for deed in planned(1, 600, members) if deed.kind == "drain"] == []


def test_chaos_orders_no_crash():
    """The last records of a node that dies may be lost; a hole would say nothing about the stack."""
    assert "crash" not in BUGS


def test_a_whole_run_leaves_everything_as_it_was(make, tmp_path):
    """Bugs that were ordered before are ordered again."""
    gateway = Gateway({"service2": "slow=0.1;ms=100"})
    chaos, clock = make(gateway), Clock()
    plan = chaos.begin(7, 60)
    chaos.run(plan, clock, clock.sleep)

    assert chaos.done["bug"] > 1
    assert chaos.done["drain"] > 1
    assert chaos.done["scale"] > 0
    assert (gateway.ordered, gateway.drained) == ({"service2": "slow=0.1;ms=100"}, set())
    assert chaos.restore(clock, clock.sleep) == []
    assert not (tmp_path / LEDGER).exists()


@given(stop_at=st.floats(0, 30))
def test_whenever_it_is_stopped_everything_is_put_back(tmp_path_factory, stop_at):
    """In the middle of a deed, too."""
    gateway = Gateway({"service1-1": "error=0.1"})
    nodes = Nodes()
    chaos = Chaos(gateway, nodes, Ledger(tmp_path_factory.mktemp("run")), lambda words: None)
    clock = Clock(lambda: chaos.stop() if clock.now > stop_at else None)
    chaos.run(chaos.begin(3, 30), clock, clock.sleep)

    assert chaos.restore(clock, clock.sleep) == []
    assert (gateway.ordered, gateway.drained) == ({"service1-1": "error=0.1"}, set())
    assert nodes.now == COUNTS
    chaos.close()


def test_a_gateway_that_is_away_for_a_moment_is_asked_again(make):
    """It may be in the middle of a restart."""
    gateway = Gateway()
    chaos = make(gateway)
    clock = Clock(lambda: gateway.refuses.clear() if clock.now > 63 else None)
    plan = chaos.begin(7, 60)
    gateway.refuses |= {"withdraw", "take_back"}
    chaos.run(plan, clock, clock.sleep)
    assert gateway.ordered
    assert chaos.restore(clock, clock.sleep) == []
    assert (gateway.ordered, gateway.drained) == ({}, set())


def test_what_cannot_be_put_back_is_said_and_left_for_the_next_run(make):
    """Who killed the run, or the gateway, finds it put back at the next one."""
    gateway = Gateway()
    chaos, clock = make(gateway), Clock()
    plan = chaos.begin(7, 60)
    gateway.refuses |= {"withdraw", "take_back"}
    chaos.run(plan, clock, clock.sleep)
    left = chaos.restore(clock, clock.sleep)
    assert any("back to those of its environment" in words for words in left)
    assert any("back into the ring of" in words for words in left)
    chaos.close()

    gateway.refuses.clear()
    make(gateway).begin(7, 60)
    assert (gateway.ordered, gateway.drained) == ({}, set())


def test_a_deed_that_is_refused_is_no_end(make):
    """The others are done."""
    gateway = Gateway()
    gateway.refuses = {"drain"}
    chaos, clock = make(gateway), Clock()
    chaos.run(chaos.begin(7, 60), clock, clock.sleep)
    assert chaos.done["drain"] == 0
    assert chaos.done["bug"] > 1


def test_one_run_of_chaos_at_a_time(make, tmp_path):
    """Two would undo each other's deeds."""
    make(Gateway())
    with pytest.raises(LedgerTaken, match="another run of chaos"):
        Ledger(tmp_path)


def test_a_ledger_that_cannot_be_read_is_named(make, tmp_path):
    """It is not passed over: something may still be changed."""
    chaos = make(Gateway())
    (tmp_path / LEDGER).write_text("[{")
    with pytest.raises(AdminError, match="cannot be read"):
        chaos.begin(1, 60)


def test_the_admin_api_is_asked_as_it_wants_to_be():
    """By a gateway that keeps what it was asked."""
    with running() as fake:
        api = Admin([fake.url], TOKEN)
        assert set(api.members()) == set(NODES)
        api.order("service2", "error=0.3")
        assert api.orders() == {"service2": "error=0.3"}
        api.drain("service1", "service1-2")
        api.withdraw("service2")
        api.take_back("service1", ADDRESSES["service1-2"])
        assert fake.is_as_before
        assert fake.deeds == ["PUT service2", "drain service1-2", "DELETE service2", "add service1-2"]
        with pytest.raises(AdminError, match="401"):
            Admin([fake.url], "wrong").members()
    with pytest.raises(AdminError, match="/admin/rings"):
        api.members()
