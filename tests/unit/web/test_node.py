"""Who a node is, where it listens, and the one table of ports."""

import itertools
import socket
from pathlib import Path

import pytest

from apps.web.node import NodeConfig
from apps.web.ports import MAX_REPLICAS, PORTS, port
from apps.web.settings import SettingError


def test_an_empty_environment_gives_the_defaults() -> None:
    """Loopback, the usual port, a name after the machine."""
    node = NodeConfig.from_env("service1", {})

    assert NodeConfig("service1", f"service1-{socket.gethostname()}", port=8101) == node


def test_every_setting_is_read() -> None:
    """Each variable ends in its field."""
    node = NodeConfig.from_env("service1", {
        "CAROUSEL_NODE": "service1-2", "CAROUSEL_HOST": "::", "CAROUSEL_PORT": "9", "CAROUSEL_THREADS": "3",
        "CAROUSEL_ALLOWED_HOSTS": "a,b", "CAROUSEL_ENVIRONMENT": "test", "CAROUSEL_RUN_DIR": "/run/c",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "CAROUSEL_ECHO": "0", "CAROUSEL_DRAIN_S": "0.25",
    })  # fmt: skip

    assert NodeConfig(
        "service1", "service1-2", "::", 9, 3, ("a", "b"), "test", "http://collector:4318", Path("/run/c"), False,
        0.25,
    ) == node  # fmt: skip


def test_telemetry_is_told_who_the_node_is_and_where_to_send() -> None:
    """service.name, service.instance.id, environment, endpoint."""
    config = NodeConfig("service1", "service1-2", environment="test", otlp_endpoint="http://c:1").telemetry()

    assert ("service1", "service1-2", "test", "http://c:1") == (
        config.service, config.node, config.environment, config.endpoint,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "offset", "replica", "expected"), [
    ("gateway", 0, 1, 8080), ("service1", 0, 1, 8101), ("service1", 0, 3, 8103), ("service2", 1000, 2, 9202),
    ("prometheus", 20_000, 1, 29_090),
])  # fmt: skip
def test_a_port_is_moved_by_offset_and_replica(name: str, offset: int, replica: int, expected: int) -> None:
    """service1-k listens on 8100 + k."""
    assert expected == port(name, offset, replica)


@pytest.mark.parametrize(("name", "offset", "replica"), [
    ("service1", 0, 0), ("service1", 0, MAX_REPLICAS + 1), ("gateway", 60_000, 1), ("gateway", -8_080, 1),
])  # fmt: skip
def test_a_port_out_of_range_is_an_error(name: str, offset: int, replica: int) -> None:
    """Rather than somebody else's port."""
    with pytest.raises(ValueError, match=r"expected 1 to|leaves 1 to"):
        port(name, offset, replica)


def test_replicas_never_reach_into_the_next_services_ports() -> None:
    """Ninety-nine of each fit."""
    ranges = {
        name: range(first, first + (MAX_REPLICAS if name in ("service1", "service2") else 1))
        for name, first in PORTS.items()
    }

    for one, two in itertools.combinations(ranges, 2):
        assert not set(ranges[one]) & set(ranges[two]), (one, two)


def test_an_offset_that_leaves_no_port_is_an_error() -> None:
    """Before anything listens."""
    with pytest.raises(SettingError, match="CAROUSEL_PORT_OFFSET='50001'"):
        NodeConfig.from_env("gateway", {"CAROUSEL_PORT_OFFSET": "50001"})


@pytest.mark.parametrize(("known_as", "node"), [
    ("carousel-service1-2.carousel_default", "service1-2"),
    ("my-stack-service1-12", "service1-12"),
    ("my_stack_service1_3.net", "service1-3"),
    ("service1-4", "service1-4"),
    ("carousel-service2-2", None), ("service1", None), ("service1-2-old", None), ("laptop.example", None), (None, None),
])  # fmt: skip
def test_a_replica_is_called_as_the_network_knows_it(known_as: str | None, node: str | None) -> None:
    """Compose answers <project>-<service>-<number>; of any other name nobody can tell the replica."""
    config = NodeConfig.from_env("service1", {"CAROUSEL_HOST": "0.0.0.0"}, known_as=lambda: known_as)

    assert (node or f"service1-{socket.gethostname()}") == config.node


@pytest.mark.parametrize("env", [{}, {"CAROUSEL_HOST": "::1"}, {"CAROUSEL_HOST": "0.0.0.0", "CAROUSEL_NODE": "n-1"}])
def test_the_network_is_asked_only_by_a_node_that_it_can_reach_and_that_has_no_name(env: dict[str, str]) -> None:
    """A start on a laptop asks no name server."""

    def asked() -> str | None:
        raise AssertionError("the network was asked")

    assert NodeConfig.from_env("service1", env, known_as=asked).node


def test_a_network_among_the_hosts_is_checked_at_the_start() -> None:
    """Not at the first request."""
    with pytest.raises(SettingError, match=r"CAROUSEL_ALLOWED_HOSTS='172.16.0.0/99'"):
        NodeConfig.from_env("gateway", {"CAROUSEL_ALLOWED_HOSTS": "172.16.0.0/99"})
