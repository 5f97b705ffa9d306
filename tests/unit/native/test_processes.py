"""Whose a process is, and ending it: by pid and start, never by pid alone."""

import os
import subprocess
import sys
import time

import pytest

from deploy.native import processes
from deploy.native.programs import KEPT_BY

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


@pytest.fixture
def run():
    """Starts programs that are surely ended."""
    started = []

    def run(command, **env):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **env})
        started.append(process)
        process.stdout.readline()
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_process_with_our_mark_is_ours(run, tmp_path):
    """The mark is in its environment, with the run directory."""
    process = run(SLEEP, **{KEPT_BY: str(tmp_path), "CAROUSEL_NODE": "service1-1"})
    assert processes.ours(tmp_path) == {process.pid: "service1-1"}


def test_a_process_of_another_stack_is_not_ours(run, tmp_path):
    """Two stacks on one machine do not touch each other."""
    run(SLEEP, **{KEPT_BY: str(tmp_path / "other")})
    assert processes.ours(tmp_path) == {}


def test_a_noted_process_is_ours_without_a_mark(run, tmp_path):
    """What an engine's own environment loses, the note keeps."""
    process = run(SLEEP)
    processes.note(tmp_path, {"prometheus-1": process.pid})
    assert processes.ours(tmp_path) == {process.pid: "prometheus-1"}


def test_a_stranger_with_a_noted_pid_is_left_alone(run, tmp_path):
    """A pid that was given to another program since: its start differs."""
    process = run(SLEEP)
    note = f'{{"processes": [{{"name": "gateway-1", "pid": {process.pid}, "started": "another:1"}}]}}'
    (tmp_path / processes.NOTE).write_text(note, encoding="utf-8")
    assert processes.ours(tmp_path) == {}
    assert process.poll() is None


def test_a_broken_note_is_no_note(tmp_path):
    """Half a file, or somebody's own."""
    (tmp_path / processes.NOTE).write_text('{"processes": [{"pid"', encoding="utf-8")
    assert processes.noted(tmp_path) == []


def test_ends_what_will_not_end_politely(run):
    """SIGTERM first, SIGKILL after the patience."""
    processes_ = [run(SLEEP), run(STUBBORN)]
    began = time.monotonic()
    assert processes.end([one.pid for one in processes_], patience_s=0.5) == []
    assert time.monotonic() - began < 4
    assert [one.wait(timeout=2) for one in processes_] == [-15, -9]


def test_this_process_is_never_ours(tmp_path, monkeypatch):
    """The command that ends orphans does not end itself."""
    processes.note(tmp_path, {"gateway-1": os.getpid()})
    assert processes.ours(tmp_path) == {}
