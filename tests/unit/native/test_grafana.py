"""Grafana, where it is on the machine, is started with the repository's boards; it is never got."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.native import commands, engines, grafana, render, state
from deploy.native.config import StackConfig
from deploy.native.engines import ENGINES
from deploy.native.keeper import clean_environment
from deploy.native.programs import Engines, listed
from deploy.native.stack import Report, Stack
from deploy.native.tools import ROOT, Tools
from tests.grafana.support import ADDRESSES
from tests.unit.native.grafana_home import unpack


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """The binary of an unpacked Grafana."""
    return unpack(tmp_path / "grafana-13.2.0")


def tools(folder: Path, **environ: str) -> Tools:
    """Return tools that look for engines with *environ* alone."""
    return Tools(folder / "tools", environ={"PATH": "", **environ})


def program(binary: Path, run_dir: Path, **env: str):
    """Return Grafana as a program of a stack."""
    config = StackConfig.from_env({"CAROUSEL_RUN_DIR": str(run_dir), **env})
    return next(one for one in listed(config, Engines(grafana=binary)) if one.service == "grafana")


def test_it_is_found_on_the_path(binary, tmp_path):
    """As every engine."""
    found = engines.find(ENGINES["grafana"], tools(tmp_path, PATH=str(binary.parent)))
    assert (binary, "PATH") == (found.binary, found.where)


def test_a_variable_names_one_that_is_elsewhere(binary, tmp_path):
    """It goes before the PATH."""
    found = engines.find(ENGINES["grafana"], tools(tmp_path, CAROUSEL_GRAFANA_BIN=str(binary)))
    assert (binary, "CAROUSEL_GRAFANA_BIN") == (found.binary, found.where)


def test_it_is_never_got(tmp_path):
    """It comes as an image or from the user's own machine; what is missing is named with its line."""
    found = engines.find_or_get(ENGINES["grafana"], tools(tmp_path), list)
    assert found.binary is None
    assert ENGINES["grafana"].get is None
    report = Report()
    made = Stack(run_dir=tmp_path, env={})._engines({"grafana": found}, report)
    assert made.grafana is None
    assert any("no Grafana" in note for note in report.notes)


def test_an_old_one_is_passed_over(tmp_path):
    """The boards are made for a newer one."""
    old = unpack(tmp_path / "old", version="9.5.2")
    assert "older than 11.6" in grafana.misfit(old)


def test_another_program_of_that_name_is_passed_over(tmp_path):
    """It does not say Grafana's version."""
    other = tmp_path / "grafana"
    other.write_text("#!/bin/sh\necho hello\n")
    other.chmod(0o755)
    assert "does not say its version" in grafana.misfit(other)


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("Version 13.2.0 (commit: 4bf92f3, branch: HEAD)", (13, 2)),
        ("grafana version 12.0.1", (12, 0)),
        ("grafana-server: no such flag", None),
    ],
)
def test_its_version_is_read(says, version):
    """`grafana server -v`, `grafana -v`."""
    assert version == grafana.version_of(says)


def test_the_binary_that_belongs_to_its_pages_is_started(binary, tmp_path):
    """Not the script of a package, which would add folders of its own."""
    link = tmp_path / "bin" / "grafana-server"
    link.parent.mkdir()
    link.symlink_to(binary)
    words = grafana.command(link)
    assert (str(binary), "server") == words[:2]
    assert f"--config={ROOT / 'grafana' / 'grafana.ini'}" in words
    assert f"--homepath={binary.parent.parent}" in words


def test_it_has_every_variable_that_the_provisioning_asks_for(binary, tmp_path):
    """And listens where the stack does."""
    env = program(binary, tmp_path, CAROUSEL_PORT_OFFSET="700").env
    assert set(ADDRESSES) <= set(env)
    assert "http://127.0.0.1:9790" == env["CAROUSEL_PROMETHEUS_URL"]
    assert "http://127.0.0.1:3900" == env["CAROUSEL_TEMPO_URL"]
    assert ("127.0.0.1", "3700") == (env["GF_SERVER_HTTP_ADDR"], env["GF_SERVER_HTTP_PORT"])


def test_a_prometheus_of_the_users_is_the_one_it_asks(binary, tmp_path):
    """Where the stack writes to is where the boards read."""
    config = StackConfig.from_env({"CAROUSEL_RUN_DIR": str(tmp_path)})
    there = Engines(prometheus_url="http://127.0.0.1:19090", grafana=binary)
    env = next(one for one in listed(config, there) if one.service == "grafana").env
    assert "http://127.0.0.1:19090" == env["CAROUSEL_PROMETHEUS_URL"]


def test_the_password_is_made_once_for_its_owner_alone(tmp_path):
    """A file of mode 0600, kept over starts."""
    grafana.prepare(tmp_path)
    file = grafana.password_file(tmp_path)
    first = file.read_text()
    grafana.prepare(tmp_path)

    assert first == file.read_text()
    assert len(first.strip()) >= 32
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert tmp_path / "secrets" / "grafana-admin" == file


def test_the_password_is_in_no_environment_and_no_rendered_file(binary, tmp_path):
    """Grafana reads the file itself."""
    grafana.prepare(tmp_path)
    password = grafana.password_file(tmp_path).read_text().strip()
    one = program(binary, tmp_path)
    config = StackConfig.from_env({"CAROUSEL_RUN_DIR": str(tmp_path)})
    assert f"$__file{{{grafana.password_file(tmp_path)}}}" == one.env["GF_SECURITY_ADMIN_PASSWORD"]
    assert password not in render.supervisor(config, [one])


def test_nobody_waits_for_it_and_nothing_scrapes_it(binary, tmp_path):
    """The demo is whole without it."""
    one = program(binary, tmp_path)
    assert not one.awaited
    assert one.ready_url == "http://127.0.0.1:3000/api/health"
    assert {} == render.targets([one], "127.0.0.1")


def test_settings_of_the_users_shell_do_not_reach_it():
    """GF_ variables go before the configuration file."""
    assert "GF_SERVER_HTTP_PORT" not in clean_environment({"GF_SERVER_HTTP_PORT": "80", "PATH": "/bin"})


def test_the_demo_says_where_the_boards_are_and_where_the_password_is(binary, tmp_path):
    """Its path, not itself; and what to do where there is no Grafana."""
    stack = Stack(run_dir=tmp_path, env={})
    state.write_programs(stack.config, [])
    assert "make doctor" in commands._grafana_lines(stack)[0]
    state.write_programs(stack.config, [replace(program(binary, tmp_path))])
    told = "\n".join(commands._grafana_lines(stack))
    assert "http://127.0.0.1:3000" in told
    assert str(tmp_path / "secrets" / "grafana-admin") in told
