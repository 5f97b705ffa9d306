"""The commands: the Makefile and the table behind it agree; tables, logs and hints read well."""

import re
from pathlib import Path

import pytest

from deploy.native import begin, clean, hints, logs, status, tokens
from deploy.native.commands import COMMANDS, shortened
from deploy.native.keeper import State, clean_environment
from deploy.native.programs import Program
from deploy.native.tools import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):.*## (.+)$", MAKEFILE, re.MULTILINE)
GATEWAY = Program("gateway-1", "gateway", ("x",), ports=(("http", 8080),), ready_url="http://127.0.0.1:8080/readyz")


def test_every_target_is_listed_with_words():
    """`make` alone lists the commands."""
    declared = " ".join(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)).split()
    assert sorted(name for name, _ in TARGETS) == sorted(declared)


def test_every_target_has_a_command_behind_it():
    """And none of the commands is without a target."""
    behind = set(COMMANDS) | {"doctor", "engines", "clean", "distclean", "compose-up", "compose-down"}
    assert {name for name, _ in TARGETS} - {"help"} == behind
    assert set(begin.NEEDS) == set(COMMANDS)


def test_recipes_are_short():
    """The logic is in Python."""
    for recipe in re.findall(r"^[a-z-]+:.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE):
        assert len(recipe.splitlines()) <= 3


@pytest.mark.parametrize(("spent", "words"), [(5, "5 s"), (185, "3 m 05 s"), (7620, "2 h 07 m"), (442_800, "5 d 03 h")])
def test_uptime(spent, words):
    """One or two units."""
    assert status.uptime(spent) == words


def test_status_tells_ready_or_why_not():
    """Not by colour alone."""
    running = State("gateway-1", "RUNNING", 42, 100.0)
    well = status.row(GATEWAY, running, None, 165.0)
    ill = status.row(GATEWAY, running, "no node of service2 is linked", 165.0)
    gone = status.row(GATEWAY, State("gateway-1", "EXITED", 0, 100.0), "nobody answers", 165.0)
    text = status.table([well, ill, gone], colour=False).splitlines()
    assert text[0].split() == ["program", "state", "pid", "up", "port", "ready"]
    assert text[1].split() == ["gateway-1", "running", "42", "1", "m", "05", "s", "8080", "yes"]
    assert text[2].endswith("no: no node of service2 is linked")
    assert text[3].endswith("no: it does not run")
    assert (well.is_well, ill.is_well, gone.is_well) == (True, False, False)


def test_a_stopped_load_is_no_fault():
    """Who wants quiet stops it."""
    load = Program("load", "load", ("x",), starts_by_itself=False)
    assert status.row(load, State("load", "STOPPED", 0, 0.0), None, 1.0).is_well


def test_logs_are_followed_across_a_rotation(tmp_path):
    """Supervisor renames the full file and begins a new one."""
    path = tmp_path / "gateway-1.log"
    path.write_text("one\ntwo\nthr", encoding="utf-8")
    follower = logs.Follower(path)
    assert follower.last(1) == ["two"]
    with open(path, "a", encoding="utf-8") as file:
        file.write("ee\n")
    assert follower.new() == ["three"]
    path.rename(tmp_path / "gateway-1.log.1")
    assert follower.new() == []
    path.write_text("four\n", encoding="utf-8")
    assert follower.new() == ["four"]


def test_lines_of_several_logs_name_their_program():
    """Alone, a log needs no name before each line."""
    one, two = Path("gateway-1.log"), Path("load.log")
    assert list(logs.prefixed([one, two], {one: ["a"], two: ["b"]})) == ["gateway-1  a", "load       b"]
    assert list(logs.prefixed([one], {one: ["a"]})) == ["a"]


def test_the_line_for_this_system_alone_when_it_is_known():
    """All four when it is not."""
    assert hints.lines("prometheus", "fedora") == ["Fedora: sudo dnf install golang-github-prometheus"]
    assert len(hints.lines("prometheus", None)) == 4


@pytest.mark.parametrize("tool", sorted(hints.LINES))
def test_every_tool_has_a_line_for_every_system(tool):
    """Debian, Fedora, macOS and WSL."""
    assert set(hints.LINES[tool]) == set(hints.SYSTEMS)


@pytest.mark.parametrize(
    ("text", "kernel", "system"),
    [
        ("ID=ubuntu\nID_LIKE=debian\n", "6.8.0-generic", "debian"),
        ("ID=ubuntu\nID_LIKE=debian\n", "5.15.0-microsoft-standard-WSL2", "wsl"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "5.14", "fedora"),
        ("ID=arch\n", "6.9", None),
    ],
)
def test_the_system_is_known_by_its_own_word(tmp_path, text, kernel, system):
    """/etc/os-release, and the kernel for WSL."""
    release = tmp_path / "os-release"
    release.write_text(text, encoding="utf-8")
    assert hints.system(release, kernel) == system


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path):
    """0600 in a folder of 0700; a second start keeps them."""
    assert len(tokens.ensure(tmp_path)) == 2
    admin = tmp_path / "secrets" / "admin"
    before = admin.read_text()
    assert tokens.ensure(tmp_path) == []
    assert admin.read_text() == before
    assert len(before.strip()) >= 40
    assert admin.stat().st_mode & 0o777 == 0o600
    assert admin.parent.stat().st_mode & 0o777 == 0o700


def test_only_a_run_directory_of_ours_is_removed(tmp_path):
    """CAROUSEL_RUN_DIR=/home/me must not be a way to lose one's home."""
    (tmp_path / "thesis.tex").write_text("x")
    assert not clean.is_run_dir(tmp_path)
    assert not clean.is_run_dir(ROOT)
    (tmp_path / "supervisord.conf").write_text("x")
    assert clean.is_run_dir(tmp_path)


def test_the_users_shell_does_not_change_the_programs():
    """OTEL_SDK_DISABLED or a proxy in the shell would break the demo silently."""
    environ = {"PATH": "/bin", "OTEL_SDK_DISABLED": "true", "CAROUSEL_PORT_OFFSET": "1", "HTTP_PROXY": "http://p"}
    cleaned = clean_environment(environ)
    assert not {"OTEL_SDK_DISABLED", "CAROUSEL_PORT_OFFSET", "HTTP_PROXY"} & set(cleaned)
    assert (cleaned["PATH"], cleaned["NO_PROXY"]) == ("/bin", "*")


def test_the_end_of_a_log_is_shortened_for_a_person():
    """Of a record what matters; of another line its beginning."""
    record = (
        '{"time":"T","severity":"ERROR","message":"commit failed","attributes":'
        '{"exception.type":"ValueError","exception.message":"full","exception.stacktrace":"long"}}'
    )
    assert shortened(record) == "T ERROR commit failed ValueError full"
    assert shortened('{"odd": 1}') == '{"odd": 1}'
    assert len(shortened("x" * 1000)) == 240
