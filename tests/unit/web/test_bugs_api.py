"""The admin API of a replica's bugs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.test import TestResponse

from apps.telemetry.setup import Telemetry
from apps.web.app import base_app
from apps.web.bugs_api import BugsApi
from apps.web.faults import FaultPlan, parse_rates
from apps.web.kinds import KINDS
from apps.web.node import NodeConfig
from tests.fakes import records_of, telemetry_of

TOKEN = "admin-token"
NODE = NodeConfig("service2", "service2-1")


@dataclass
class Node:
    """service2-1 with its admin API."""

    telemetry: Telemetry
    plan: FaultPlan
    token: str = TOKEN

    def __post_init__(self) -> None:
        api = BugsApi(NODE, self.plan, self.telemetry.recorder, self.token)
        app = base_app("node", NODE, self.telemetry, facts=api.facts)
        app.register_blueprint(api.blueprint())
        self.client = app.test_client()

    def ask(self, method: str, token: str = TOKEN, **options: Any) -> TestResponse:
        """Send a request with a token."""
        headers = {"Authorization": f"Bearer {token}"} | options.pop("headers", {})
        return self.client.open("/admin/bugs", method=method, headers=headers, **options)

    def put(self, rates: object) -> TestResponse:
        """Order *rates*."""
        return self.ask("PUT", json={"rates": rates})

    def ready(self) -> Any:
        """Return what /readyz says."""
        return self.client.get("/readyz").get_json()

    def told(self) -> list[dict[str, Any]]:
        """Return the attributes of the events of changes."""
        records = records_of(self.telemetry)
        return [record["attributes"] for record in records if record["event"] == "carousel.bugs.set"]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """Telemetry that keeps what it is given."""
    made = telemetry_of("service2")
    yield made
    made.meter_provider.shutdown()


@pytest.fixture
def node(telemetry: Telemetry) -> Node:
    """A node that was started with a bug."""
    return Node(telemetry, FaultPlan("service2", "service2-1", parse_rates("error=0.5")))


def test_it_shows_the_rates_and_every_kind_there_is(node: Node) -> None:
    """With defaults, limits and words for each."""
    shape = node.ask("GET").get_json()

    assert ("service2-1", "service2", "error=0.5", "environment") == (
        shape["node"], shape["service"], shape["rates"], shape["source"],
    )  # fmt: skip
    assert [kind.name for kind in KINDS] == [kind["kind"] for kind in shape["kinds"]]
    assert {
        "kind": "leak",
        "parameters": {"mb": 10, "s": 30},
        "limits": {"mb": 256, "s": 600},
        "words": "holds memory for a while, at most 256 MiB in all a node, and answers well",
    } in shape["kinds"]


def test_an_order_replaces_the_rates_and_answers_them_in_canonical_form(node: Node) -> None:
    """At once, for the next request."""
    answer = node.put(" hang = 1.0 ".replace(" = ", "="))

    assert (200, "hang=1", "admin") == (answer.status_code, answer.get_json()["rates"], answer.get_json()["source"])
    assert answer.get_json() == node.ask("GET").get_json()
    chosen = node.plan.choose("")
    assert chosen is not None
    assert "hang" == chosen.kind


def test_no_bugs_at_all_can_be_ordered_too(node: Node) -> None:
    """An empty string is an order, not the absence of one."""
    answer = node.put("").get_json()

    assert ("", "admin") == (answer["rates"], answer["source"])


def test_deleting_goes_back_to_what_the_node_was_started_with(node: Node) -> None:
    """Also a second time."""
    node.put("hang=1")

    for _ in range(2):
        answer = node.ask("DELETE")
        assert (200, "error=0.5", "environment") == (
            answer.status_code, answer.get_json()["rates"], answer.get_json()["source"],
        )  # fmt: skip


def test_readyz_tells_the_rates(node: Node) -> None:
    """So that whoever keeps orders sees a node that lost them."""
    assert "error=0.5" == node.ready()["bugs"]

    node.put("leak=0.10;mb=20")

    assert "leak=0.1;mb=20" == node.ready()["bugs"]


def test_readyz_tells_the_rates_of_a_node_that_is_not_ready_too(telemetry: Telemetry) -> None:
    """503 and 200 alike."""
    plan = FaultPlan("service2", "service2-1", parse_rates("hang=1"))
    facts = BugsApi(NODE, plan, telemetry.recorder, TOKEN).facts
    app = base_app("node", NODE, telemetry, checks=[lambda: "not yet"], facts=facts)

    answer = app.test_client().get("/readyz")

    assert (503, "hang=1", ["not yet"]) == (answer.status_code, answer.get_json()["bugs"], answer.get_json()["reasons"])


def test_a_change_is_an_event_with_who_what_and_before(node: Node) -> None:
    """A look changes nothing and is none."""
    node.ask("GET")
    node.ask("PUT", json={"rates": "hang=1"}, headers={"X-Carousel-Node": "gateway-1"})
    node.ask("DELETE")

    assert [("gateway-1", "hang=1", "error=0.5"), ("client", "error=0.5", "hang=1")] == [
        (told["carousel.peer"], told["carousel.bug.rates"], told["carousel.bug.rates_before"]) for told in node.told()
    ]
    assert {"127.0.0.1"} == {told["client.address"] for told in node.told()}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("token", ["", "service-token"])
def test_without_the_admins_token_nothing_is_told_or_changed(node: Node, method: str, token: str) -> None:
    """401 with problem details."""
    answer = node.ask(method, token, json={"rates": "hang=1"})

    assert (401, "application/problem+json") == (answer.status_code, answer.content_type)
    assert "error=0.5" == node.ready()["bugs"]


def test_a_node_that_has_no_token_takes_orders_from_nobody(telemetry: Telemetry) -> None:
    """Not from one without a token either."""
    node = Node(telemetry, FaultPlan("service2", "service2-1"), token="")

    answer = node.ask("PUT", "", json={"rates": "hang=1"})

    assert (403, "") == (answer.status_code, node.ready()["bugs"])
    assert "CAROUSEL_ADMIN_TOKEN_FILE" in answer.get_data(as_text=True)


@pytest.mark.parametrize(("body", "hint"), [
    (b"", "the body is not JSON"),
    (b"\xff", "the body is not JSON"),
    (b"[" * 60_000, "the body is not JSON"),
    (b"[]", 'expected {\\"rates\\"'),
    (b"{}", 'expected {\\"rates\\"'),
    (b'{"rates": 1}', 'expected {\\"rates\\"'),
    (b'{"rates": "", "node": ""}', 'expected {\\"rates\\"'),
    (b'{"rates": "fire=1"}', "there is no bug 'fire'; expected one of slow, error"),
    (b'{"rates": "leak=1;mb=1000"}', "leak;mb=1000: expected a whole number from 1 to 256"),
    (b'{"rates": "hang=0.6,crash=0.6"}', "add up to 1.2; expected at most 1"),
])  # fmt: skip
def test_an_order_that_will_not_do_is_a_400_and_changes_nothing(node: Node, body: bytes, hint: str) -> None:
    """What is wrong, and what is expected."""
    answer = node.ask("PUT", data=body, content_type="application/json")

    assert (400, "application/problem+json") == (answer.status_code, answer.content_type)
    assert hint in answer.get_data(as_text=True)
    assert ("error=0.5", []) == (node.ready()["bugs"], node.told())


def test_a_body_that_is_too_large_is_a_413(node: Node) -> None:
    """64 KiB are enough for 32 bugs."""
    assert 413 == node.ask("PUT", data=b" " * 70_000, content_type="application/json").status_code


def test_another_form_is_a_415(node: Node) -> None:
    """A page in a browser can send text to loopback; it cannot send JSON."""
    assert 415 == node.ask("PUT", data=b'{"rates": ""}', content_type="text/plain").status_code
