"""``carousel bugs``: listed, ordered, taken back, at every gateway."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from rich.text import Text

from apps.cli import bugs_view
from apps.cli.errors import FAILED, OK, UNREACHABLE, USAGE
from tests.unit.cli.conftest import Server
from tests.unit.cli.fake_gateway import FakeGateway

Carousel = Callable[..., Result]
RATES = "slow=0.1;ms=400,error=0.05"
BUGS: dict[str, Any] = {
    "orders": [{"target": "service2", "rates": RATES}, {"target": "service1-1", "rates": "exception=1"}],
    "nodes": [
        {"service": "service1", "node": "service1-1", "bugs": "exception=1"},
        {"service": "service1", "node": "service1-2", "bugs": ""},
        {"service": "service2", "node": "service2-1", "bugs": RATES},
        {"service": "service2", "node": "service2-2", "bugs": None},
    ],
}
SET: dict[str, Any] = {
    "target": "service2",
    "rates": RATES,
    "nodes": [
        {"node": "service2-1", "status": "set", "detail": None},
        {"node": "service2-2", "status": "unreachable", "detail": "connection refused"},
    ],
}


def test_looks_as_it_should_in_80_columns(golden: Callable[[str, list[Text]], None]) -> None:
    """Orders, then every node with what it has and who said so."""
    lines = [*bugs_view.draw(BUGS), Text(""), *bugs_view.draw({"orders": [], "nodes": []}), *bugs_view.changed(SET)]

    assert [] == [line.plain for line in lines if line.cell_len > 80]
    golden("bugs-80", lines)


@pytest.mark.parametrize("arguments", [["bugs"], ["bugs", "list"]])
def test_alone_it_lists(carousel: Carousel, live: FakeGateway, arguments: list[str]) -> None:
    """The short form and the long one are the same."""
    live.bugs = BUGS

    result = carousel(*arguments)

    assert OK == result.exit_code
    assert ["service2-1", RATES, "the", "order", "for", "service2"] in [
        line.split() for line in result.stdout.splitlines()
    ]


@pytest.mark.parametrize("arguments", [["bugs", "--json"], ["bugs", "list", "--json"], ["bugs", "--json", "list"]])
def test_json_is_what_each_gateway_tells(carousel: Carousel, live: FakeGateway, arguments: list[str]) -> None:
    """With its address; an option before the subcommand holds for it too."""
    live.bugs = BUGS

    assert {"gateways": [{"address": live.url, **BUGS}], "unavailable": []} == json.loads(carousel(*arguments).stdout)


def test_an_order_goes_to_every_gateway(carousel: Carousel, live: FakeGateway, other_live: FakeGateway) -> None:
    """Rates may be given in one word or in several."""
    live.answer_to_changes = other_live.answer_to_changes = (200, SET | {"nodes": SET["nodes"][:1]})

    result = carousel("bugs", "set", "service2", "slow=0.1;ms=400", "error=0.05")

    asked = [("PUT", "/admin/bugs/service2", {"rates": RATES})]
    assert (OK, asked, asked) == (result.exit_code, live.changes, other_live.changes)
    assert f"bugs of service2: {RATES}  1 node told\n" == result.stdout


def test_a_node_that_could_not_be_told_ends_in_1(carousel: Carousel, live: FakeGateway) -> None:
    """It is named, with the reason, and that it is told later."""
    live.answer_to_changes = (200, SET)

    result = carousel("bugs", "set", "service2", RATES)

    assert FAILED == result.exit_code
    assert "⊗ service2-2 unreachable: connection refused; it is told when it is back" in result.stdout


@pytest.mark.parametrize(("arguments", "path"), [(["service2"], "/admin/bugs/service2"), ([], "/admin/bugs")])
def test_orders_are_taken_back(carousel: Carousel, live: FakeGateway, arguments: list[str], path: str) -> None:
    """One, or all of them."""
    live.answer_to_changes = (200, {"target": arguments[0] if arguments else None, "rates": None, "nodes": []})

    result = carousel("bugs", "clear", *arguments)

    assert (OK, [("DELETE", path, None)]) == (result.exit_code, live.changes)
    assert "back to their own" in result.stdout


@pytest.mark.parametrize("rates", ["nonsense", "slow=2", "unicorn=0.1", "slow=0.1;colour=3", "slow=0.6,error=0.6"])
def test_rates_that_make_no_sense_are_refused_here(carousel: Carousel, live: FakeGateway, rates: str) -> None:
    """Before anybody is asked, with where the kinds are listed."""
    result = carousel("bugs", "set", "service2", rates)

    assert (USAGE, []) == (result.exit_code, live.changes)
    assert "carousel bugs kinds" in result.stderr


def test_an_error_of_the_api_is_one_line(carousel: Carousel, live: FakeGateway) -> None:
    """In the gateway's own words."""
    live.answer_to_changes = (404, {"title": "Not Found", "detail": "there is no node service9-1; expected service1"})

    result = carousel("bugs", "set", "service9-1", "error=1")

    assert FAILED == result.exit_code
    assert "carousel: gateway answered 404: there is no node service9-1; expected service1\n" == result.stderr


def test_one_gateway_of_two_ends_in_1(carousel: Carousel, live: FakeGateway, other_gateway: Server) -> None:
    """Orders would differ: that is said."""
    live.answer_to_changes = (200, SET | {"nodes": []})
    other_gateway.says(503, {"detail": "it drains"})

    result = carousel("bugs", "set", "service2", "error=1", "--gateway", live.url)
    both = carousel("bugs", "set", "service2", "error=1")

    assert (OK, FAILED) == (result.exit_code, both.exit_code)
    assert f"done without the gateway at {other_gateway.url}" in both.stderr


def test_no_gateway_ends_in_3(carousel: Carousel, closed_port: str) -> None:
    """As everywhere."""
    assert UNREACHABLE == carousel("bugs", "--gateway", closed_port).exit_code


def test_kinds_are_listed_with_their_parameters(carousel: Carousel) -> None:
    """All that the grammar knows; nobody is asked."""
    result = carousel("bugs", "kinds")
    shape = json.loads(carousel("bugs", "kinds", "--json").stdout)

    kinds = [one["kind"] for one in shape["kinds"]]
    assert {"slow", "error", "exception", "garbage"} <= set(kinds)
    assert kinds == [kind for kind in kinds if f"\n{kind}" in result.stdout]
    assert "ms=1000" in result.stdout
