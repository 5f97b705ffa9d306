"""An app as a process: what ends it before it begins."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from apps.web.leaving import leaving_of
from apps.web.node import NodeConfig
from apps.web.server import NodeApplication, Service, run
from apps.web.settings import SettingError

ROOT = Path(__file__).resolve().parents[3]


def test_a_setting_that_will_not_do_ends_the_process_with_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, no stack."""

    def read() -> NodeConfig:
        raise SettingError("CAROUSEL_PORT", "x", "a whole number")

    def create(*_: object) -> Service:
        raise AssertionError("it must not be built")

    with pytest.raises(SystemExit) as end:
        run(read, lambda config: config, create)

    assert 2 == end.value.code
    assert "carousel: CAROUSEL_PORT='x': expected a whole number\n" == capsys.readouterr().err


CHILD = """
import os, sys
from apps.web.server import crash
child = os.fork()
if not child:
    crash({master})
    os._exit(9)
_, status = os.waitpid(child, 0)
sys.exit(7 if os.WIFSIGNALED(status) else 8)
"""


def crashed(master: str) -> int:
    """Return how a process ends whose child crashes with *master* for its master; 7: it saw its child killed."""
    program = [sys.executable, "-c", CHILD.format(master=master)]
    return subprocess.run(program, cwd=ROOT, check=False, timeout=30).returncode


def test_a_crash_takes_the_master_along() -> None:
    """Nobody is left to start the worker anew: the whole node is down."""
    assert -signal.SIGKILL == crashed("os.getppid()")


def test_a_crash_kills_nobody_but_its_own_node() -> None:
    """A parent that is not the master, such as whoever took the orphan over, lives on."""
    assert 7 == crashed("0")


@pytest.mark.parametrize("handed_over", [False, True])
def test_what_holds_requests_up_lets_go_when_the_node_leaves(handed_over: bool) -> None:
    """Not when a newer process of the same node took over: then every request has the time it needs."""
    calls: list[str] = []
    app = Flask("node")
    service = Service(
        app,
        lambda: None,
        lambda: None,
        drain=lambda: calls.append("drained"),
        hand_over=lambda: calls.append("handed over"),
    )
    node = NodeApplication(NodeConfig("service2", "service2-1"), lambda: service)
    node.load()

    node.leave(handed_over=handed_over)

    assert ["handed over" if handed_over else "drained"] == calls
    assert leaving_of(app).has_begun
