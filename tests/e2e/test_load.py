"""`make load` against the running stack: its verdict, its report, and that chaos leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.native.stack import Stack
from deploy.native.tools import ROOT
from tests.e2e.support import Ask, eventually
from tests.load.admin import Admin
from tests.load.chaos import IN_RING, LEDGER

MAKE = ("make", "-s", "load")
LOAD = (sys.executable, "-m", "deploy.native", "load")


def environment(stack: Stack, **typed: str) -> dict[str, str]:
    """Return the environment of a person who types *typed* at this stack."""
    where = {"CAROUSEL_RUN_DIR": str(stack.config.run_dir), "CAROUSEL_PORT_OFFSET": str(stack.config.offset)}
    return {**os.environ, **where, **typed}


def run(stack: Stack, command: tuple[str, ...], **typed: str) -> subprocess.CompletedProcess[str]:
    """Run *command* to its end."""
    pipe = subprocess.PIPE
    return subprocess.run(
        command, cwd=ROOT, env=environment(stack, **typed), stdout=pipe, stderr=pipe, text=True, timeout=90, check=False
    )


def test_a_light_load_passes_and_its_report_can_be_read(ask: Ask, tmp_path: Path) -> None:
    """Every answer is as the client API promises, every journey of the sample is whole, the rings share evenly."""
    path = tmp_path / "report.json"
    done = run(ask.stack, MAKE, RATE="8", TIME="6s", SAMPLE="4", SEED="7", REPORT=str(path))
    assert done.returncode == 0, done.stdout + done.stderr

    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert report["passed"] is True
    assert report["requests"]["asked"] == 48
    assert report["journeys"]["whole"] == report["journeys"]["taken"] > 0
    assert set(report["nodes"]["service1"]) == {"service1-1", "service1-2"}
    assert set(report["nodes"]["service2"]) == {"service2-1", "service2-2"}
    slowest = report["slowest"][0]["traceId"]
    assert f"carousel trace {slowest}" in done.stdout
    assert ask.whole_journey(slowest)["status"] == report["slowest"][0]["status"]


def test_a_broken_threshold_ends_with_1(ask: Ask) -> None:
    """And the line that broke says so."""
    done = run(ask.stack, LOAD, RATE="5", TIME="5s", SAMPLE="0", P95_MS="0.5")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED p95" in done.stdout
    assert "ok     unexpected answers" in done.stdout


def test_where_no_stack_runs_it_says_so(tmp_path: Path, stack: Stack) -> None:
    """One line, and 3 as the command line has it."""
    env = environment(stack) | {"CAROUSEL_RUN_DIR": str(tmp_path), "CAROUSEL_PORT_OFFSET": "19900"}
    done = subprocess.run(LOAD, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("no stack runs here: nobody answers at http://127.0.0.1:27980")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def admin(stack: Stack) -> Admin:
    """The admin API of the stack's gateway."""
    return Admin([stack.gateway], stack.token("admin"))


def is_changed(admin: Admin) -> bool:
    """Tell whether bugs are ordered or a node is not in its ring."""
    states = [member["state"] for ring in admin.members().values() for member in ring]
    return bool(admin.orders()) or any(state not in IN_RING for state in states)


def test_ctrl_c_in_the_middle_of_chaos_leaves_everything_as_it_was(ask: Ask, admin: Admin) -> None:
    """No bug stays ordered, no node drained; 130 as every command that a person interrupts."""
    env = environment(ask.stack, SHAPE="chaos", RATE="5", TIME="60s", SAMPLE="0", SEED="7")
    process = subprocess.Popen(LOAD, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        eventually(lambda: is_changed(admin), "the first of chaos", 30)
        process.send_signal(signal.SIGINT)
        words, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, words
    assert "all of it put back" in words
    assert admin.orders() == {}
    eventually(lambda: not is_changed(admin), "every node back in its ring", 20)
    assert not (ask.stack.config.run_dir / LEDGER).exists()
