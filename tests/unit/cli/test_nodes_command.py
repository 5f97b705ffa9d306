"""``carousel nodes``: the rings and storage joined, or what one of them knows."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from click.testing import Result
from rich.text import Text

from apps.cli import census, nodes_view, vitals
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


@pytest.mark.parametrize(("width", "is_wide"), [(80, False), (120, True)])
def test_looks_as_it_should(golden: Callable[[str, list[Text]], None], width: int, is_wide: bool) -> None:
    """In the order of a request's way, with the reason under a node that is out, in no more columns than there are."""
    nodes = census.join([samples.RINGS], samples.NODES, vitals.from_prometheus(samples.PROMETHEUS))

    lines = [*nodes_view.draw(nodes, nodes_view.Known(NOW), is_wide=is_wide), nodes_view.rings_line(nodes)]

    assert [] == [line.plain for line in lines if line.cell_len > width]
    golden(f"nodes-{width}", lines)


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
    result = carousel("nodes", "--wide", "--gateway", closed_port)

    assert OK == result.exit_code
    assert "without state and picks: cannot reach the gateway" in result.stderr
    row = result.stdout.splitlines()[2].split()
    assert ["service1-1", "?", "?", "?", "350", "200"] == [*row[:2], *row[7:11]]


def test_without_storage_the_rings_are_shown(carousel: Carousel, stack: None, closed_port: str) -> None:
    """The same the other way round."""
    result = carousel("nodes", "--wide", "--storage", closed_port)

    assert OK == result.exit_code
    assert "without logs, spans and last seen: cannot reach storage" in result.stderr
    row = result.stdout.splitlines()[1].split()
    assert ["service1-1", "linked", "2", "50", "?", "?", "?"] == [*row[:2], *row[7:]]


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


def test_a_pipe_of_80_columns_says_what_is_left_out(carousel: Carousel, stack: None) -> None:
    """Columns go, words do not."""
    output = carousel("nodes").stdout

    assert "not shown: picks, logs, spans, last seen; --wide shows them" in output
    assert [] == [line for line in output.splitlines() if len(line) > 80]


def test_prometheus_tells_how_the_nodes_do(carousel: Carousel, stack: None, prometheus: Server) -> None:
    """Over the last minute, by the label `instance`."""
    prometheus.answer = samples.prometheus_answer

    result = carousel("nodes")

    assert ["service1-1", "linked", "20.0", "0.6", "88.0", "9.0", "55", "2"] == result.stdout.splitlines()[2].split()
    assert "" == result.stderr


def test_without_prometheus_storage_tells_what_it_can(carousel: Carousel, stack: None, storage: Server) -> None:
    """Errors and p95 since the start; it is said once what is not known."""
    storage.knows({"/api/v1/nodes": samples.NODES, "/api/v1/metrics": samples.METRICS})

    result = carousel("nodes")

    assert ["service1-1", "linked", "-", "10.0", "100.0", "-", "-", "2"] == result.stdout.splitlines()[2].split()
    assert 1 == result.stderr.count("without rate, processor and memory")
    assert "no Prometheus is known" in result.stderr


def test_two_gateways_are_one_table(carousel: Carousel, stack: None, other_gateway: Server) -> None:
    """What they sent is summed up, and a node that one of them ejected is ejected."""
    other = json.loads(json.dumps(samples.RINGS))
    other["rings"][0]["members"][0] |= {"state": "ejected", "reason": "its /readyz cannot be reached"}
    other_gateway.knows({"/admin/rings": other})

    rows = carousel("nodes", "--wide").stdout.splitlines()
    row = next(line for line in rows if line.startswith("service1-1")).split()

    assert ["⊘", "ejected", "4", "100"] == [*row[1:3], *row[8:10]]
