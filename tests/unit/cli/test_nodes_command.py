"""``carousel nodes``: the rings and storage joined, or what one of them knows."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from click.testing import Result
from rich.text import Text

from apps.cli import census, nodes_view
from apps.cli.errors import OK, UNREACHABLE
from tests.unit.cli import samples
from tests.unit.cli.conftest import Server

Carousel = Callable[..., Result]
NOW = datetime(2026, 11, 23, 11, 52, 59, tzinfo=UTC)


@pytest.fixture
def stack(gateway: Server, storage: Server) -> None:
    """A stack that knows its nodes."""
    gateway.knows({"/admin/rings": samples.RINGS})
    storage.knows({"/api/v1/nodes": samples.NODES})


def test_looks_as_it_should_in_80_columns(golden: Callable[[str, list[Text]], None]) -> None:
    """In the order of a request's way, with the reason under a node that is out."""
    nodes = census.join(samples.RINGS, samples.NODES)

    golden(
        "nodes-80", [*nodes_view.draw(nodes, NOW, knows_ring=True, knows_storage=True), nodes_view.rings_line(nodes)]
    )


def test_joins_the_rings_with_storage(carousel: Carousel, gateway: Server, stack: None) -> None:
    """The rings are asked for with the admin token of the run directory."""
    result = carousel("nodes")

    assert OK == result.exit_code
    assert "Bearer the-admin-token" == gateway.asked[0].headers["authorization"]
    assert "⊘ ejected" in result.output
    assert "the connection was refused" in result.output


def test_json_has_both_sides_of_each_node(carousel: Carousel, stack: None) -> None:
    """As each part told it, null where it is silent."""
    shape = json.loads(carousel("nodes", "--json").stdout)
    by_name = {node["node"]: node for node in shape["nodes"]}

    assert [] == shape["unavailable"]
    assert ("ejected", 104) == (by_name["service2-2"]["ring"]["state"], by_name["service2-2"]["seen"]["logs"])
    assert (None, "joining") == (by_name["127.0.0.1:8203"]["seen"], by_name["127.0.0.1:8203"]["ring"]["state"])
    assert by_name["gateway-1"]["ring"] is None


def test_without_the_gateway_storage_is_shown(carousel: Carousel, stack: None, closed_port: str) -> None:
    """What is unknown is a question mark, not a zero."""
    result = carousel("nodes", "--gateway", closed_port)

    assert OK == result.exit_code
    assert "without state and picks: cannot reach the gateway" in result.stderr
    assert ["service1-1", "service1", "?", "?", "350", "200"] == result.stdout.splitlines()[2].split()[:6]


def test_without_storage_the_rings_are_shown(carousel: Carousel, stack: None, closed_port: str) -> None:
    """The same the other way round."""
    result = carousel("nodes", "--storage", closed_port)

    assert OK == result.exit_code
    assert "without logs, spans and last seen: cannot reach storage" in result.stderr
    assert ["service1-1", "service1", "linked", "50", "?", "?", "?"] == result.stdout.splitlines()[1].split()


def test_a_refused_token_is_explained(carousel: Carousel, gateway: Server, stack: None) -> None:
    """Where it is read from is what people need to know."""
    gateway.says(401, {"detail": "A bearer token is needed."})

    result = carousel("nodes")

    assert OK == result.exit_code
    assert "CAROUSEL_RUN_DIR" in result.stderr


def test_without_both_there_is_nothing_to_show(carousel: Carousel, closed_port: str) -> None:
    """One message for both, exit code 3."""
    result = carousel("nodes", "--gateway", closed_port, "--storage", closed_port)

    assert (UNREACHABLE, "") == (result.exit_code, result.stdout)
    assert "nor storage at" in result.stderr
