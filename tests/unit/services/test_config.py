"""The settings of the replicas."""

from pathlib import Path

import pytest

from apps.service1.config import Service1Config
from apps.service2.config import Service2Config
from apps.web.faults import Fault
from apps.web.settings import SettingError


@pytest.fixture
def token(tmp_path: Path) -> str:
    """A file with the service token."""
    (tmp_path / "token").write_text("service-token")
    return str(tmp_path / "token")


def test_service1_has_defaults_for_all_but_its_token(token: str) -> None:
    """5 to 15 milliseconds for each part, the gateway at its usual port."""
    config = Service1Config.from_env({"CAROUSEL_SERVICE_TOKEN_FILE": token})

    assert ("service-token", ("http://127.0.0.1:8080",), (5, 15), (5, 15)) == (
        config.service_token,
        config.gateway_urls,
        config.part1_ms,
        config.part2_ms,
    )
    assert (8101, (), False, None) == (
        config.replica.node.port,
        config.replica.faults,
        config.replica.fault_headers,
        config.replica.seed,
    )
    assert "service-token" not in repr(config)


def test_service1_takes_several_gateways(token: str) -> None:
    """In the order in which they are tried, each once."""
    environ = {"CAROUSEL_SERVICE_TOKEN_FILE": token, "CAROUSEL_GATEWAY_URL": "http://a:1/, https://b:2,http://a:1"}

    assert ("http://a:1", "https://b:2") == Service1Config.from_env(environ).gateway_urls


@pytest.mark.parametrize(
    "value", [",", "a:1", "http://", "http://a:0", "ftp://a", "http://a,b", "http://a:x", "http://a:99999"]
)
def test_an_address_that_is_none_is_an_error(token: str, value: str) -> None:
    """Named with what is expected."""
    with pytest.raises(SettingError, match="expected base addresses, comma-separated"):
        Service1Config.from_env({"CAROUSEL_SERVICE_TOKEN_FILE": token, "CAROUSEL_GATEWAY_URL": value})


def test_a_replica_reads_the_admins_token_where_there_is_one(tmp_path: Path) -> None:
    """In the run directory, or where it is told; a replica that was started alone can do without."""
    assert "" == Service2Config.from_env({"CAROUSEL_RUN_DIR": str(tmp_path)}).replica.admin_token
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "admin").write_text("s3cret\n")
    (tmp_path / "other").write_text("other\n")

    found = Service2Config.from_env({"CAROUSEL_RUN_DIR": str(tmp_path)})
    told = Service2Config.from_env({"CAROUSEL_ADMIN_TOKEN_FILE": str(tmp_path / "other")})

    assert ("s3cret", "other") == (found.replica.admin_token, told.replica.admin_token)
    assert "s3cret" not in repr(found)
    with pytest.raises(SettingError):
        Service2Config.from_env({"CAROUSEL_ADMIN_TOKEN_FILE": str(tmp_path / "none")})


def test_service2_has_defaults_for_everything() -> None:
    """10 to 40 milliseconds of work, no bugs."""
    config = Service2Config.from_env({})

    assert ((10, 40), 8201, ()) == (config.work_ms, config.replica.node.port, config.replica.faults)


def test_the_offset_moves_the_gateway_too(token: str) -> None:
    """Where service 1 expects it."""
    config = Service1Config.from_env({"CAROUSEL_SERVICE_TOKEN_FILE": token, "CAROUSEL_PORT_OFFSET": "1000"})

    assert (("http://127.0.0.1:9080",), 9101) == (config.gateway_urls, config.replica.node.port)


def test_every_setting_of_service2_is_read() -> None:
    """Bugs, seed, header, work."""
    config = Service2Config.from_env({
        "CAROUSEL_FAULTS": "slow=0.5;ms=400", "CAROUSEL_SEED": "7", "CAROUSEL_FAULT_HEADERS": "1",
        "CAROUSEL_WORK_MS": "0",
    })  # fmt: skip

    assert (((Fault("slow", "", {"ms": 400}), 0.5),), 7, True, (0, 0)) == (
        config.replica.faults,
        config.replica.seed,
        config.replica.fault_headers,
        config.work_ms,
    )


@pytest.mark.parametrize(("key", "value"), [
    ("CAROUSEL_FAULTS", "fire=1"), ("CAROUSEL_FAULTS", "slow"), ("CAROUSEL_SEED", "x"), ("CAROUSEL_WORK_MS", "40-10"),
    ("CAROUSEL_THREADS", "0"),
])  # fmt: skip
def test_an_error_names_key_and_value(key: str, value: str) -> None:
    """And what was expected."""
    with pytest.raises(SettingError) as error:
        Service2Config.from_env({key: value})

    assert str(error.value).startswith(f"{key}={value!r}: expected ")


def test_a_seed_makes_each_purpose_of_each_node_repeatable() -> None:
    """One purpose does not shift another's numbers, nor one node another's."""

    def draws(node: str, purpose: str, seed: str = "7") -> list[float]:
        config = Service2Config.from_env({"CAROUSEL_NODE": node, "CAROUSEL_SEED": seed})
        generator = config.replica.generator(purpose)
        return [generator.random() for _ in range(5)]

    assert draws("service2-1", "faults") == draws("service2-1", "faults")
    others = [draws("service2-1", "work"), draws("service2-2", "faults"), draws("service2-1", "faults", "8")]
    assert draws("service2-1", "faults") not in others
