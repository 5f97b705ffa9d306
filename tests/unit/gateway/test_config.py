"""The gateway's settings: defaults, and errors that name key, value and expectation."""

from pathlib import Path

import pytest

from apps.gateway.config import GatewayConfig
from apps.web.settings import SettingError


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A state directory with both tokens."""
    (tmp_path / "secrets").mkdir()
    for name in ("admin", "service"):
        (tmp_path / "secrets" / name).write_text(f"{name}-token\n")
    return tmp_path


def read(run_dir: Path, **environ: str) -> GatewayConfig:
    """Return the settings that *environ* gives."""
    return GatewayConfig.from_env({"CAROUSEL_RUN_DIR": str(run_dir), **environ})


def test_an_empty_environment_gives_the_defaults(run_dir: Path) -> None:
    """One replica of each service at its usual port."""
    config = read(run_dir, CAROUSEL_NODE="gateway-1")

    assert (8080, "127.0.0.1", 32, "gateway") == (
        config.node.port,
        config.node.host,
        config.node.threads,
        config.node.service,
    )
    assert (("127.0.0.1:8101",), ("127.0.0.1:8201",)) == (config.service1_members, config.service2_members)
    assert (("orders", "payments", "deliveries"), 5_000, False, 0.5) == (
        config.entities,
        config.deadline_ms,
        config.fault_headers,
        config.probe_interval_s,
    )
    assert ("service-token", "admin-token") == (config.service_token, config.admin_token)


def test_the_offset_moves_all_ports(run_dir: Path) -> None:
    """Its own, and those it expects the replicas at."""
    config = read(run_dir, CAROUSEL_PORT_OFFSET="1000")

    assert (9080, ("127.0.0.1:9101",), ("127.0.0.1:9201",), "http://127.0.0.1:5318") == (
        config.node.port,
        config.service1_members,
        config.service2_members,
        config.node.otlp_endpoint,
    )


def test_members_are_listed_once_each(run_dir: Path) -> None:
    """In the order given, without blanks; IPv6 in brackets."""
    config = read(run_dir, CAROUSEL_SERVICE1_MEMBERS="b:1, a:2,,b:1,[::1]:3")

    assert ("b:1", "a:2", "[::1]:3") == config.service1_members


@pytest.mark.parametrize(("threads", "admitted"), [("2", 1), ("4", 1), ("6", 1), ("16", 6), ("32", 14)])
def test_half_of_the_threads_less_four_are_for_clients(run_dir: Path, threads: str, admitted: int) -> None:
    """(threads − 4) / 2, and one at the least."""
    assert admitted == read(run_dir, CAROUSEL_THREADS=threads).admitted


def test_a_name_stands_for_every_address_it_has(run_dir: Path) -> None:
    """Beside addresses, in the order given."""
    config = read(run_dir, CAROUSEL_SERVICE1_MEMBERS="dns+service1:8101,a:1", CAROUSEL_WARM_UP="0")

    assert (("dns+service1:8101", "a:1"), 0, 3.0) == (
        config.service1_members,
        config.policy.warm_up,
        config.dns_interval_s,
    )


@pytest.mark.parametrize(("threads", "streams"), [("2", 0), ("3", 0), ("4", 1), ("32", 8)])
def test_a_quarter_of_the_threads_may_serve_streams(run_dir: Path, threads: str, streams: int) -> None:
    """None where the gateway would be left without a thread for its own call back."""
    assert streams == read(run_dir, CAROUSEL_THREADS=threads).streams


@pytest.mark.parametrize(("node", "file"), [("gateway-1", "gateway-1.json"), ("../x/y", ".._x_y.json")])
def test_orders_are_kept_in_a_file_of_the_node(run_dir: Path, node: str, file: str) -> None:
    """In the run directory, whatever the node is called."""
    assert run_dir / "state" / file == read(run_dir, CAROUSEL_NODE=node).state_file


@pytest.mark.parametrize(("key", "value", "expected"), [
    ("CAROUSEL_SERVICE1_MEMBERS", "localhost", "host:port"),
    ("CAROUSEL_SERVICE1_MEMBERS", "http://a:1", "host:port"),
    ("CAROUSEL_SERVICE2_MEMBERS", "a:99999", "host:port"),
    ("CAROUSEL_SERVICE2_MEMBERS", "a:0", "host:port"),
    ("CAROUSEL_ENTITIES", "Orders", "names"),
    ("CAROUSEL_ENTITIES", "orders,../etc", "names"),
    ("CAROUSEL_DEADLINE_MS", "5s", "a whole number from 100 to 60000"),
    ("CAROUSEL_DEADLINE_MS", "99", "a whole number from 100 to 60000"),
    ("CAROUSEL_PROBE_INTERVAL_S", "nan", "a number from 0.05 to 60"),
    ("CAROUSEL_THREADS", "1", "a whole number from 2 to 1000"),
    ("CAROUSEL_PORT", "65536", "a whole number from 1 to 65535"),
    ("CAROUSEL_PORT_OFFSET", "-1", "a whole number from 0 to 50000"),
    ("CAROUSEL_FAULT_HEADERS", "maybe", "1 or 0"),
    ("CAROUSEL_SERVICE1_MEMBERS", "dns+:1", "host:port or dns+host:port"),
    ("CAROUSEL_DNS_INTERVAL_S", "0", "a number from 0.1 to 3600"),
    ("CAROUSEL_WARM_UP", "-1", "a whole number from 0 to 1000"),
    ("CAROUSEL_EJECT_AFTER", "0", "a whole number from 1 to 1000"),
])  # fmt: skip
def test_an_error_names_key_value_and_what_was_expected(run_dir: Path, key: str, value: str, expected: str) -> None:
    """One line that a person can act upon."""
    with pytest.raises(SettingError) as error:
        read(run_dir, **{key: value})

    message = str(error.value)
    assert message.startswith(f"{key}={value!r}: expected")
    assert expected in message


def test_a_missing_token_names_its_file(tmp_path: Path) -> None:
    """The native stack makes it; who runs a gateway alone has to."""
    with pytest.raises(SettingError, match=r"secrets/service.*readable file with a token"):
        read(tmp_path)


def test_secrets_are_not_in_its_repr(run_dir: Path) -> None:
    """A configuration is logged sooner or later."""
    assert "-token" not in repr(read(run_dir)).replace("service_token", "").replace("admin_token", "")
