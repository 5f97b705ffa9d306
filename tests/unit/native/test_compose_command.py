"""`make compose-up` around Docker's part: which Compose, which ports, which files."""

import pytest

from apps.web.ports import PORTS
from deploy.native import compose
from deploy.native.compose import ComposeError
from deploy.native.config import ConfigError, StackConfig


def program(path, text):
    """Make *path* a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


DOCKER = 'case "$1" in compose) echo {compose};; version) {server};; esac'


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with a docker of which the versions are told, and no development environment."""
    monkeypatch.setattr(compose, "ROOT", tmp_path / "repository")
    # What a program of the machine calls, it finds; what is looked for is looked for here alone.
    path = {"PATH": str(tmp_path / "bin")}

    def make(version=None, server="echo 27", standalone=None):
        if version:
            program(tmp_path / "bin" / "docker", DOCKER.format(compose=version, server=server))
        if standalone:
            program(tmp_path / "bin" / "docker-compose", f"echo {standalone}")
        return path

    return make


def test_dockers_own_compose_is_taken_first(machine, tmp_path):
    """Where it is new enough."""
    assert compose.find(machine("2.39.1", standalone="5.0.0")) == [str(tmp_path / "bin" / "docker"), "compose"]


def test_one_that_is_too_old_is_passed_over(machine, tmp_path):
    """Debian's docker-compose is 1.29; another one may be there."""
    assert compose.find(machine("2.17.0", standalone="v5.6.1")) == [str(tmp_path / "bin" / "docker-compose")]


def test_without_a_compose_that_fits_it_says_what_was_seen(machine):
    """And what is needed."""
    with pytest.raises(ComposeError, match=r"2\.20 or newer is needed.*docker-compose \(1\.29\.2\)"):
        compose.find(machine(standalone="1.29.2"))


def test_without_an_engine_it_says_so_before_anything_is_built(machine):
    """Docker is installed, but does not run."""
    with pytest.raises(ComposeError, match="no Docker engine answers"):
        compose.find(machine("2.39.1", server="exit 1"))


def test_the_offset_moves_every_published_port():
    """A demo, tests and the containers live on one machine."""
    made = compose.environment({"HOME": "/h"}, StackConfig.from_env({"CAROUSEL_PORT_OFFSET": "500"}))
    assert made["HOME"] == "/h"
    assert {key: made[key] for key in compose.PUBLISHED} == {
        key: str(PORTS[name] + 500) for key, name in compose.PUBLISHED.items()
    }


@pytest.mark.parametrize("key", compose.CHOICES)
def test_a_choice_that_there_is_not_is_named_with_those_there_are(key):
    """Compose would speak of a missing file."""
    with pytest.raises(ConfigError, match=f"{key}='oracle': expected {' or '.join(compose.CHOICES[key])}"):
        compose.environment({key: "oracle"}, StackConfig.from_env({}))


def test_files_of_ones_own_lie_above_ours():
    """Other images, other limits."""
    assert compose.files({}) == ["-f", str(compose.FILE)]
    assert compose.files({"CAROUSEL_COMPOSE_FILES": "/a.yaml:b.yaml"}) == [
        "-f", str(compose.FILE), "-f", "/a.yaml", "-f", "b.yaml",
    ]  # fmt: skip


@pytest.mark.parametrize(("work", "code"), [(ComposeError("why"), 1), (ConfigError("why"), 2)])
def test_what_is_wrong_is_one_line(work, code, capsys):
    """No traceback."""

    def fail():
        raise work

    assert compose._said_plainly(fail) == code
    assert capsys.readouterr().err == "cannot go on: why\n"
