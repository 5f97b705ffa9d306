"""`make load`: what is handed to locust, and that a signal never cuts its end short."""

import os
import re
import signal
import subprocess
import sys

from deploy.native import loading
from deploy.native.config import StackConfig
from deploy.native.programs import LOAD, Engines, listed, load_users
from deploy.native.tools import ROOT
from tests.load.settings import Settings

NOTE = {"gateway": "http://127.0.0.1:8080", "storage": "http://127.0.0.1:8300"}


def config(**env):
    """Return a stack's settings."""
    return StackConfig.from_env({"CAROUSEL_RUN_DIR": "/tmp/r", **env})


def test_what_is_typed_reaches_the_load():
    """By the names that the load reads."""
    typed = {"SHAPE": "spike", "RATE": "40", "USERS": "7", "TIME": "2m", "SEED": "3", "SAMPLE": "5", "P95_MS": "300"}
    typed |= {"FAIL_RATIO": "0.1", "MIN_RATE": "0.9", "HOLES": "2", "REPORT": "/tmp/report.json"}
    run = Settings.from_env(loading.environment(config(), NOTE, typed))

    assert (run.shape, run.rate, run.users, run.seconds, run.seed, run.sample) == ("spike", 40, 7, 120, 3, 5)
    assert (run.limits.fail_ratio, run.limits.p95_ms, run.limits.min_rate, run.limits.holes) == (0.1, 300, 0.9, 2)
    assert str(run.report) == "/tmp/report.json"
    assert str(run.admin_token_file) == "/tmp/r/secrets/admin"


def test_the_make_target_hands_on_all_that_can_be_typed():
    """And the page of the load names it."""
    recipe = re.search(r"^load:.*\n((?:\t.*\n)*)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1]
    page = (ROOT / "docs" / "load.md").read_text(encoding="utf-8")

    assert set(re.findall(r'([A-Z0-9_]+)="\$\(\1\)"', recipe)) == {*loading.TYPED, "WEB"}
    assert {name for name in (*loading.TYPED, "WEB") if f"`{name}`" not in page} == set()


def test_the_demos_rate_is_not_that_of_a_run():
    """CAROUSEL_LOAD_RATE=0 starts the demo without load; RATE says what is wanted now."""
    run = Settings.from_env(loading.environment(config(), NOTE, {"CAROUSEL_LOAD_RATE": "0"}))
    assert run.rate == 20


def test_the_load_goes_to_every_gateway_of_the_stack():
    """As stack.json names them; else to the one of the settings."""
    several = {**NOTE, "gateways": ["http://127.0.0.1:8080", "http://127.0.0.1:8081"]}
    assert Settings.from_env(loading.environment(config(), several, {})).gateways == tuple(several["gateways"])
    assert loading.gateways_of(config(), NOTE) == ["http://127.0.0.1:8080"]
    assert loading.gateways_of(config(CAROUSEL_PORT_OFFSET="700"), {}) == ["http://127.0.0.1:8780"]


def test_the_page_listens_on_loopback_and_is_told(capsys):
    """Its port is moved as every other."""
    words = loading.command("http://127.0.0.1:8780", 700, has_page=True)
    assert words[words.index("--web-host") + 1] == "127.0.0.1"
    assert words[words.index("--web-port") + 1] == "8789"
    assert "http://127.0.0.1:8789" in capsys.readouterr().out
    assert "--headless" in loading.command("http://127.0.0.1:8780", 700, has_page=False)


def test_the_demos_load_is_the_same_program_without_an_end():
    """Light, and looking at no journey."""
    programs = listed(config(CAROUSEL_ENTITIES="parcels"), Engines())
    env = next(program.env for program in programs if program.name == LOAD)
    run = Settings.from_env(env)

    assert (run.shape, run.rate, run.seconds, run.sample, run.users) == ("steady", 2.0, 0, 0, 4)
    assert run.entities == ("parcels",)
    assert run.curve.is_endless
    assert load_users(100) == 50


def test_no_stack_is_one_line(capsys, monkeypatch, tmp_path):
    """And 3, as the command line has it."""
    monkeypatch.setenv("CAROUSEL_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("CAROUSEL_PORT_OFFSET", "19950")
    assert loading.main([]) == loading.NOT_RUNNING
    assert capsys.readouterr().err == (
        "no stack runs here: nobody answers at http://127.0.0.1:28030; `make demo` starts one\n"
    )


CHILD = """
import signal, sys, time
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
signal.signal(signal.SIGINT, lambda *_: sys.exit("it must not get Ctrl-C"))
print("begun", flush=True)
while not ended: time.sleep(0.02)
time.sleep(0.7)
print("all put back", len(ended), flush=True)
"""
PARENT = f"""
import os, sys
from deploy.native import loading
from deploy.native.tools import interrupt_on_signals
interrupt_on_signals()
sys.exit(loading.watched([sys.executable, "-c", {CHILD!r}], os.environ))
"""


def test_a_child_that_puts_things_back_is_waited_for(tmp_path):
    """Ctrl-C in a terminal reaches the whole group, twice here; the child hears of it once and ends by itself."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        assert process.stdout.readline() == "begun\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr.readline() == "ending: what was changed is put back, a moment\n"
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out) == (loading.INTERRUPTED, "all put back 1\n")
    assert err == ""


def test_the_exit_code_is_the_loads_own():
    """0 or 1 by its thresholds, 2 for a bad setting."""
    assert loading.watched([sys.executable, "-c", "raise SystemExit(1)"], os.environ) == 1
