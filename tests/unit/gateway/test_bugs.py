"""Orders for bugs: whose count, what a node must be told, and how telling the nodes goes."""

import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import requests

from apps.gateway.balancer import Balancer
from apps.gateway.bugfan import BugFan, Told
from apps.gateway.bugs import BugOrders, Wish, is_same
from apps.gateway.errors import BoundReached, NotFound
from apps.gateway.members import Seen
from tests.fakes import Network, Reply, refuse, too_late


def test_the_order_for_a_node_wins_over_that_for_its_service() -> None:
    """Whichever came last."""
    orders = BugOrders()
    orders.put("service2-1", "error=0.5")
    orders.put("service2", "slow=0.1")

    assert "error=0.5" == orders.rates_for("service2", "service2-1")
    assert "slow=0.1" == orders.rates_for("service2", "service2-2")
    assert orders.rates_for("service1", "service1-1") is None
    assert orders.clear("service2-1")
    assert "slow=0.1" == orders.rates_for("service2", "service2-1")
    assert not orders.clear("service2-1")


@pytest.mark.parametrize(("has", "wish"), [
    ("slow=0.1;ms=400", None),
    ("slow=0.10;ms=400.0", None),
    ("slow=0.1", Wish("slow=0.1;ms=400")),
    ("", Wish("slow=0.1;ms=400")),
    ("nonsense", Wish("slow=0.1;ms=400")),
    (None, None),
])  # fmt: skip
def test_a_node_is_told_what_it_has_not(has: str | None, wish: Wish | None) -> None:
    """Two forms of the same rates are the same; a node that tells no bugs takes no orders."""
    orders = BugOrders()
    orders.put("service2", "slow=0.1;ms=400")

    assert wish == orders.wish("service2", "service2-1", has)


def test_a_node_that_calls_the_rates_by_another_name_is_not_told_without_end() -> None:
    """What it answered to the order is what it is expected to tell."""
    orders = BugOrders()
    orders.put("service2", "slow=0.1")
    orders.told("service2", "service2-1", Wish("slow=0.1"), "slow=0.1;ms=1000")

    assert orders.wish("service2", "service2-1", "slow=0.1;ms=1000") is None
    assert Wish("slow=0.1") == orders.wish("service2", "service2-1", "slow=0.2")


def test_a_node_that_could_not_be_told_to_go_back_is_told_later() -> None:
    """Once."""
    orders = BugOrders()
    orders.must_clear("service2-1")
    assert Wish(None) == orders.wish("service2", "service2-1", "slow=0.1")

    orders.told("service2", "service2-1", Wish(None), "")

    assert orders.wish("service2", "service2-1", "slow=0.1") is None


def test_kept_orders_that_no_longer_parse_are_left_out() -> None:
    """And named."""
    orders = BugOrders()

    assert ["service1"] == orders.restore({"service1": "nonsense=1", "service2": "slow=0.1"})
    assert {"service2": "slow=0.1"} == orders.all()


def test_there_is_a_bound_to_the_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there can be changed all the same."""
    monkeypatch.setattr("apps.gateway.bugs.MAX_ORDERS", 1)
    orders = BugOrders()

    assert [True, False, True] == [orders.put("a", ""), orders.put("b", ""), orders.put("a", "slow=1")]


def test_rates_that_do_not_parse_are_the_same_as_themselves_only() -> None:
    """No error for what a stranger tells."""
    assert is_same("nonsense", "nonsense")
    assert not is_same("nonsense", "slow=0.1")


class Node:
    """A replica that keeps the rates it is told, or answers with *status*."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.rates = "environment"
        self.asked: list[str] = []

    def __call__(self, request: requests.PreparedRequest) -> Reply:
        """Answer /admin/bugs."""
        assert "Bearer admin-token" == request.headers["Authorization"]
        assert (request.url or "").endswith("/admin/bugs")
        self.asked.append(request.method or "")
        if self.status == 200:
            self.rates = json.loads(request.body or b"")["rates"] if request.method == "PUT" else "environment"
        return Reply(self.status, json.dumps({"rates": self.rates}).encode())


class Scene:
    """Two nodes of service 2, one of service 1, and what was kept and told."""

    def __init__(self) -> None:
        self.nodes = {name: Node() for name in ("service1-1", "service2-1", "service2-2")}
        self.network = Network({f"{name}:1": node for name, node in self.nodes.items()})
        self.balancers = [
            Balancer("service1", ["service1-1:1"]),
            Balancer("service2", ["service2-1:1", "service2-2:1", "joining:1"]),
        ]
        for balancer in self.balancers:
            for member in balancer.members():
                if member.address != "joining:1":
                    balancer.probed(member, member.address.removesuffix(":1"))
        self.kept: list[Mapping[str, str]] = []
        self.told: list[tuple[str, str | None]] = []
        self.fan = BugFan(
            BugOrders(),
            self.balancers,
            self.network.session(),
            "admin-token",
            keep=self.kept.append,
            on_order=lambda target, rates: self.told.append((target, rates)),
        )

    def rates(self) -> list[str]:
        """Return what each node has."""
        return [node.rates for node in self.nodes.values()]

    def notice(self, name: str, has: str | None) -> None:
        """Let the prober see a node that tells *has*."""
        balancer = self.balancers[int(name[7]) - 1]
        self.fan.notice(balancer.service, balancer.find(name), Seen(name, bugs=has))


def test_an_order_for_a_service_reaches_each_of_its_nodes() -> None:
    """Those without a name yet get it when they have one."""
    scene = Scene()

    told = scene.fan.put("service2", "slow=0.1")

    assert [Told("service2-1", None), Told("service2-2", None)] == told
    assert ["environment", "slow=0.1", "slow=0.1"] == scene.rates()
    assert ([{"service2": "slow=0.1"}], [("service2", "slow=0.1")]) == (scene.kept, scene.told)


def test_an_order_for_a_service_leaves_a_node_with_its_own_order_alone() -> None:
    """It is told that again."""
    scene = Scene()
    scene.fan.put("service2-1", "error=1")
    scene.fan.put("service2", "slow=0.1")
    assert ["environment", "error=1", "slow=0.1"] == scene.rates()

    scene.fan.clear("service2-1")

    assert ["environment", "slow=0.1", "slow=0.1"] == scene.rates()


def test_taking_all_back_sends_every_node_to_its_environment() -> None:
    """Each order that ends is told."""
    scene = Scene()
    scene.fan.put("service1-1", "error=1")
    scene.fan.put("service2", "slow=0.1")

    told = scene.fan.clear()

    assert ["environment"] * 3 == scene.rates()
    assert 3 == len(told)
    assert [("service1-1", None), ("service2", None)] == scene.told[2:]
    assert {} == scene.kept[-1]


def test_a_node_that_cannot_be_reached_is_named_and_put_right_later(caplog: pytest.LogCaptureFixture) -> None:
    """The order is kept all the same; that it lasts is said once, and that it is over."""
    caplog.set_level("INFO")
    scene = Scene()
    scene.network.scripts["service2-1:1"] = refuse

    one, two = scene.fan.put("service2", "slow=0.1")
    assert (None, {"service2": "slow=0.1"}) == (two.detail, scene.kept[-1])
    assert one.detail is not None
    assert one.detail.startswith("no connection")
    scene.notice("service2-1", "")
    scene.notice("service2-1", "")
    scene.network.scripts["service2-1:1"] = scene.nodes["service2-1"]
    scene.notice("service2-1", "")
    scene.notice("service2-1", "slow=0.1")

    assert ["PUT"] == scene.nodes["service2-1"].asked
    failing, right = caplog.messages
    assert failing.startswith("the bugs of service2-1 cannot be put right: no connection")
    assert "the bugs of service2-1 were put right: set to slow=0.1" == right


def test_a_node_that_was_away_when_its_order_ended_is_sent_back_later() -> None:
    """By the prober."""
    scene = Scene()
    scene.fan.put("service2", "slow=0.1")
    scene.network.scripts["service2-1:1"] = too_late
    scene.fan.clear("service2")
    assert "slow=0.1" == scene.nodes["service2-1"].rates

    scene.network.scripts["service2-1:1"] = scene.nodes["service2-1"]
    scene.notice("service2-1", "slow=0.1")
    scene.notice("service2-1", "environment")

    assert "environment" == scene.nodes["service2-1"].rates
    assert ["PUT", "DELETE"] == scene.nodes["service2-1"].asked


def test_an_order_that_ends_while_a_node_is_put_right_leaves_no_bug() -> None:
    """Whoever began first does not have the last word."""
    scene = Scene()
    scene.fan.orders.put("service2", "slow=0.1")
    node, clears = scene.nodes["service2-1"], ThreadPoolExecutor(1)
    cleared: list[Future[list[Told]]] = []

    def clear_meanwhile(request: requests.PreparedRequest) -> Reply:
        scene.network.scripts["service2-1:1"] = node
        cleared.append(clears.submit(scene.fan.clear, "service2"))
        give_up_at = time.monotonic() + 0.5
        while not node.asked and time.monotonic() < give_up_at:
            threading.Event().wait(0.005)
        return node(request)

    scene.network.scripts["service2-1:1"] = clear_meanwhile
    with clears:
        scene.notice("service2-1", "")

    assert [None, None] == [told.detail for told in cleared[0].result()]
    assert (["PUT", "DELETE"], "environment") == (node.asked, node.rates)


def test_an_order_that_ended_while_a_node_was_told_is_taken_back_later() -> None:
    """Also where the node could not be reached to be told so."""
    orders = BugOrders()
    orders.must_clear("service2-1")
    orders.told("service2", "service2-1", Wish("slow=0.1"), "slow=0.1")

    assert Wish(None) == orders.wish("service2", "service2-1", "slow=0.1")


def test_a_node_that_another_order_is_told_is_looked_at_again_later() -> None:
    """The prober has no time to wait."""
    scene = Scene()
    scene.fan.orders.put("service2", "slow=0.1")

    def notice_meanwhile(request: requests.PreparedRequest) -> Reply:
        scene.network.scripts["service2-1:1"] = scene.nodes["service2-1"]
        scene.notice("service2-1", "")
        return scene.nodes["service2-1"](request)

    scene.network.scripts["service2-1:1"] = notice_meanwhile
    scene.fan.put("service2-1", "error=1")

    assert (["PUT"], "error=1") == (scene.nodes["service2-1"].asked, scene.nodes["service2-1"].rates)


def test_nothing_is_remembered_of_a_node_that_is_gone() -> None:
    """Whoever has its name next is another one; a node that only moved is the same."""
    scene = Scene()
    scene.fan.orders.must_clear("service2-1")
    scene.fan.forget("service2-1")
    assert Wish(None) == scene.fan.orders.wish("service2", "service2-1", "slow=0.1")

    scene.balancers[1].remove(scene.balancers[1].find("service2-1"))
    scene.fan.forget("service2-1")

    assert scene.fan.orders.wish("service2", "service2-1", "slow=0.1") is None


def test_a_node_without_an_order_is_left_alone() -> None:
    """Whatever bugs it has are its environment's."""
    scene = Scene()

    scene.notice("service1-1", "slow=0.5")

    assert [] == scene.nodes["service1-1"].asked


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_node_that_refuses_an_order_is_named_with_its_answer(status: int) -> None:
    """It may be of a version that knows no orders."""
    scene = Scene()
    scene.nodes["service2-2"].status = status

    assert Told("service2-2", f"it answered {status}") == scene.fan.put("service2", "slow=0.1")[1]


def test_an_unknown_target_names_those_there_are() -> None:
    """Services and nodes; an order for one that is gone can be taken back."""
    scene = Scene()
    known = "service1, service1-1, service2, service2-1, service2-2"
    for order in (lambda: scene.fan.put("nobody", ""), lambda: scene.fan.clear("nobody")):
        with pytest.raises(NotFound, match=f"no target 'nobody'; expected one of {known}"):
            order()
    assert ([], []) == (scene.kept, scene.told)
    scene.fan.put("service2-2", "slow=0.1")
    scene.balancers[1].remove(scene.balancers[1].find("service2-2"))

    assert [] == scene.fan.clear("service2-2")


def test_too_many_orders_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With words, before anything is told."""
    monkeypatch.setattr("apps.gateway.bugs.MAX_ORDERS", 0)
    scene = Scene()

    with pytest.raises(BoundReached, match="as many orders"):
        scene.fan.put("service2", "slow=0.1")
    assert [] == scene.told
