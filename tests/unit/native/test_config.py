"""What a stack is asked to be: defaults from the env file, the environment above it, bad values named."""

from pathlib import Path

import pytest

from deploy.native.config import SOCKET_PATH_LIMIT, ConfigError, StackConfig, read_env_file
from deploy.native.tools import ROOT


def test_the_env_file_gives_the_demo():
    """Two replicas each, no offset, state in .run, about 5 % of service 2's answers misbehave."""
    config = StackConfig.from_env({})
    assert (config.run_dir, config.offset) == (ROOT / ".run", 0)
    assert config.replicas == {"gateway": 1, "service1": 2, "service2": 2}
    assert config.values["CAROUSEL_FAULTS"] == "slow=0.0125;ms=400,error=0.0125,exception=0.0125,garbage=0.0125"
    assert config.load_rate == 2.0


def test_the_environment_wins_over_the_env_file():
    """A variable of the user's is what the user wants."""
    config = StackConfig.from_env({"CAROUSEL_SERVICE1_REPLICAS": "5", "CAROUSEL_PORT_OFFSET": "1000"})
    assert config.replicas["service1"] == 5
    assert config.port("service1", 5) == 9105
    assert config.url("gateway") == "http://127.0.0.1:9080"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CAROUSEL_PORT_OFFSET", "many"),
        ("CAROUSEL_PORT_OFFSET", "-1"),
        ("CAROUSEL_PORT_OFFSET", "60000"),
        ("CAROUSEL_SERVICE2_REPLICAS", "0"),
        ("CAROUSEL_LOAD_RATE", "fast"),
    ],
)
def test_a_bad_value_is_named_with_its_form(key, value):
    """The message has variable, value and what is expected."""
    with pytest.raises(ConfigError, match=rf"{key}='{value}': expected a (whole )?number from 0|1 to"):
        StackConfig.from_env({key: value})


def test_env_file_lines(tmp_path):
    """Comments and blank lines are skipped; a value may hold = and ;."""
    path = tmp_path / "x.env"
    path.write_text("# a comment\n\nKEY=slow=0.1;ms=4\nOTHER = spaced \n", encoding="utf-8")
    assert read_env_file(path) == {"KEY": "slow=0.1;ms=4", "OTHER": "spaced"}


def test_a_long_run_directory_gets_a_short_socket():
    """A unix socket's path has about 104 bytes; the run directory may be deeper."""
    deep = Path("/tmp") / ("d" * 60) / ("e" * 60)
    config = StackConfig.from_env({"CAROUSEL_RUN_DIR": str(deep)})
    other = StackConfig.from_env({"CAROUSEL_RUN_DIR": str(deep / "f")})
    assert len(str(config.socket)) <= SOCKET_PATH_LIMIT
    assert config.socket != other.socket
    assert StackConfig.from_env({"CAROUSEL_RUN_DIR": "/tmp/r"}).socket == Path("/tmp/r/supervisor.sock")


def test_engines_to_do_without_are_named_from_a_list():
    """CAROUSEL_WITHOUT; a name that is none is an error that lists those there are."""
    assert StackConfig.from_env({"CAROUSEL_WITHOUT": "loki, tempo"}).without == {"loki", "tempo"}
    assert StackConfig.from_env({}).without == frozenset()
    with pytest.raises(
        ConfigError, match=r"CAROUSEL_WITHOUT='lokki': expected a comma-separated list of collector, grafana, loki"
    ):
        StackConfig.from_env({"CAROUSEL_WITHOUT": "lokki"})
