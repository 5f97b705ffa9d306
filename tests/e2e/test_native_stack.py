"""The native stack itself: started, started twice, found half-dead, in the way of others, stopped.

Each test has a stack of its own with its own ports and run directory; a running demo is never touched.
"""

import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest

from deploy.native import engines, listeners, processes
from deploy.native.canary import SPANS, STEPS
from deploy.native.progress import Progress
from deploy.native.stack import Stack, StackError
from deploy.native.state import read_programs
from deploy.native.testing import free_offset
from deploy.native.tools import ROOT
from tests.e2e.support import eventually

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def make(tmp_path):
    """Makes stacks of one replica each, in a run directory with an odd name; they are surely stopped."""
    made = []

    def make(**options):
        settings = {"offset": made[0].config.offset if made else free_offset(), "load": False}
        settings |= {"replicas": {"service1": 1, "service2": 1}}
        # Loki, Tempo and Grafana have tests of their own.
        env = {"CAROUSEL_FAULTS": "", "CAROUSEL_WITHOUT": "loki,tempo,grafana", **options.pop("env", {})}
        made.append(Stack(tmp_path / "run 100% odd", env=env, **(settings | options)))
        return made[-1]

    yield make
    for stack in made:
        stack.stop()
    assert processes.ours(tmp_path / "run 100% odd") == {}


def nothing_listens(stack):
    """Tell whether every port of *stack* is free."""
    ports = [port for program in read_programs(stack.config) for _, port in program.ports]
    assert ports
    return all(listeners.is_free("127.0.0.1", port) for port in ports)


def missing(name):
    """Return what the search finds when the engine *name* cannot be had."""
    found = engines.find_all()
    return {**found, name: replace(found[name], binary=None, where="not to be had here")}


def test_a_started_stack_has_proved_itself_and_a_second_start_changes_nothing(make):
    """The canary's journey whole, its spans in storage, its count in Prometheus; then only a fresh canary."""
    stack = make()
    report = stack.start()
    assert (report.canary.steps, report.canary.spans, report.canary.counted) == (STEPS, SPANS, True)
    assert report.notes == []
    note = json.loads((stack.config.run_dir / "stack.json").read_text())
    assert note["gateway"] == stack.gateway
    assert note["nodes"] == ["storage-1", "gateway-1", "service1-1", "service2-1"]
    before = stack.pids
    again = make().start()
    assert again.already_ran
    assert again.canary.trace_id != report.canary.trace_id
    assert (again.canary.steps, stack.pids) == (STEPS, before)
    assert stack.stop() == []
    assert nothing_listens(stack)
    assert stack.stop() == []


def test_a_taken_port_is_named_with_its_owner_and_nothing_is_started(make):
    """And the way out is in the words: CAROUSEL_PORT_OFFSET."""
    stack = make()
    with socket.create_server(("127.0.0.1", stack.config.port("service1"))) as server:
        with pytest.raises(StackError) as caught:
            stack.start()
        words = str(caught.value)
        assert f"port {server.getsockname()[1]} of service1-1 is taken by" in words
        assert f"pid {os.getpid()}" in words
        assert "CAROUSEL_PORT_OFFSET" in words
    assert stack.look().is_absent


def test_orphans_of_a_killed_supervisord_are_found_ended_and_replaced(make):
    """Killing supervisord orphans its children; the next start says so and ends them."""
    stack = make()
    stack.start(check=False)
    orphans = [psutil.Process(pid) for pid in processes.ours(stack.config.run_dir)]
    keeper = stack.keeper.pid()
    os.kill(keeper, signal.SIGKILL)
    psutil.Process(keeper).wait(5) if psutil.pid_exists(keeper) else None
    found = stack.look()
    assert not found.is_healthy
    assert "supervisord" in found.words[0]
    assert "does not answer" in found.words[0]
    assert all(name in found.words[0] for name in ("gateway-1", "service1-1", "storage-1", "collector-1"))
    report = stack.start(check=False)
    assert not report.already_ran
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in orphans)
    assert stack.look().is_healthy


def test_orphans_are_ended_by_stop_too(make):
    """`make stop` works on a half-dead stack."""
    stack = make()
    stack.start(check=False)
    os.kill(stack.keeper.pid(), signal.SIGKILL)
    time.sleep(0.2)
    assert stack.stop() == []
    assert nothing_listens(stack)


def test_a_stack_with_a_program_down_is_started_anew(make):
    """Somebody stopped a program behind the stack's back."""
    stack = make()
    stack.start(check=False)
    stack.stop_node("service2-1")
    # The gateway may have seen by now that its ring is empty, and say so as well.
    assert "service2-1 is stopped" in stack.look().words
    assert not stack.start(check=False).already_ran
    assert stack.look().is_healthy


def test_a_stale_note_is_forgotten_and_its_pids_new_owner_left_alone(make):
    """A pid proves nothing: another program may have got it since."""
    stack = make()
    stack.config.run_dir.mkdir(parents=True)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        row = {"name": "supervisord", "pid": stranger.pid, "started": "another boot:1"}
        (stack.config.run_dir / processes.NOTE).write_text(json.dumps({"processes": [row]}))
        assert "no longer live" in stack.look().words[0]
        stack.start(check=False)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_program_that_cannot_start_is_named_and_nothing_is_left(make):
    """A start that fails stops everything it began."""
    stack = make(env={"CAROUSEL_FAULTS": "nonsense"})
    with pytest.raises(StackError, match="service2-1") as caught:
        stack.start()
    assert "service2-1" in caught.value.looks
    assert "CAROUSEL_FAULTS" in stack.log("service2-1").read_text()
    assert processes.ours(stack.config.run_dir) == {}
    assert nothing_listens(stack)


def test_without_a_collector_the_apps_send_straight_to_storage(make):
    """Said aloud, and the canary's journey is whole all the same."""
    report = make(found=missing("collector")).start()
    assert (report.canary.steps, report.canary.spans) == (STEPS, SPANS)
    assert any("no OpenTelemetry Collector" in note and "straight to storage" in note for note in report.notes)


def test_without_prometheus_the_stack_says_what_is_lost(make):
    """Metrics are in storage only."""
    stack = make(found=missing("prometheus"))
    report = stack.start()
    assert (report.canary.steps, report.canary.counted, stack.prometheus) == (STEPS, False, None)
    assert any("no Prometheus" in note for note in report.notes)


@contextlib.contextmanager
def a_prometheus_of_the_users(port, remote_write):
    """Answer on *port* as a Prometheus does, as far as it is asked whether it fits."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            flags = {"web.enable-remote-write-receiver": "true" if remote_write else "false"}
            data = {"goVersion": "go1"} if "buildinfo" in self.path else flags
            body = json.dumps({"status": "success", "data": data}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("remote_write", "words"), [(True, "is used as it is"), (False, "is left alone")])
def test_a_prometheus_of_the_users_is_used_if_it_fits_or_left_alone(make, remote_write, words):
    """An engine that already owns its port; the stack says which."""
    stack = make()
    with a_prometheus_of_the_users(stack.config.port("prometheus"), remote_write):
        report = stack.start(check=False)
        assert any(words in note for note in report.notes)
        assert "prometheus-1" not in stack.pids
        assert bool(stack.prometheus) is remote_write


def test_a_killed_program_comes_back(make):
    """Supervisord starts it again."""
    stack = make()
    stack.start(check=False)
    before = stack.kill("service1-1")
    deadline = time.monotonic() + 20
    while stack.pids.get("service1-1") in (None, before):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stack.wait_ready(["service1-1"])
    # The gateway notices a probe later that its only node was gone, and another one later that it is back.
    eventually(lambda: stack.look().is_healthy, "a healthy stack", 20)


def command(stack, name, **env):
    """Start a command as a person would, in a pipe."""
    settings = {
        "CAROUSEL_RUN_DIR": str(stack.config.run_dir),
        "CAROUSEL_PORT_OFFSET": str(stack.config.offset),
        "CAROUSEL_SERVICE1_REPLICAS": "1",
        "CAROUSEL_SERVICE2_REPLICAS": "1",
        "CAROUSEL_WITHOUT": "loki,tempo",
        **env,
    }
    words = [sys.executable, "-m", "deploy.native", name]
    return subprocess.Popen(
        words, cwd=ROOT, env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def said_by(process, limit_s=90):
    """Return exit code and words of a command that ends by itself."""
    words, _ = process.communicate(timeout=limit_s)
    return process.returncode, words


def test_the_commands_as_a_person_types_them(make):
    """demo, demo again, status, logs, stop, status, stop: codes and words."""
    stack = make()
    code, words = said_by(command(stack, "demo"))
    assert code == 0, words
    assert "ready in" in words
    assert stack.gateway in words
    assert "19 steps and 10 spans in storage, counted in Prometheus" in words
    assert "\x1b" not in words
    assert "load" in stack.pids
    code, words = said_by(command(stack, "demo"))
    assert (code, "already running, and healthy" in words) == (0, True), words
    code, words = said_by(command(stack, "status"))
    assert code == 0, words
    assert {"gateway-1", "service1-1", "load", "collector-1"} <= {line.split()[0] for line in words.splitlines()}
    code, words = said_by(command(stack, "logs", NODE="gateway-1", FOLLOW="0"))
    assert code == 0, words
    code, words = said_by(command(stack, "logs", NODE="gateway-7"))
    assert (code, "there are: collector-1, gateway-1" in words) == (1, True), words
    code, words = said_by(command(stack, "stop"))
    assert (code, "nothing of it is left running" in words) == (0, True), words
    assert said_by(command(stack, "status"))[0] == 3
    assert said_by(command(stack, "stop")) == (0, "nothing was running\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_during_the_start_leaves_nothing_running(make, number):
    """Wherever it comes; here as soon as supervisord is there."""
    stack = make()
    process = command(stack, "demo")
    deadline = time.monotonic() + 30
    while not (stack.config.run_dir / processes.NOTE).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    code, _ = said_by(process, 30)
    assert code == 130
    assert processes.ours(stack.config.run_dir) == {}
    assert nothing_listens(stack)


def test_doctor_answers_on_a_machine_where_the_demo_can_work(make):
    """0, and every engine is named."""
    stack = make()
    bootstrap = [sys.executable, str(ROOT / "deploy" / "native" / "bootstrap.py"), "doctor"]
    env = {**os.environ, "CAROUSEL_RUN_DIR": str(stack.config.run_dir)}
    done = subprocess.run(
        bootstrap, env={**env, "CAROUSEL_PORT_OFFSET": str(stack.config.offset)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"python", "packages", "go", "collector", "prometheus", "ports", "disk"} <= set(done.stdout.split())


def test_doctor_fails_where_a_port_of_ours_is_taken(make):
    """Then `make demo` could not work."""
    stack = make()
    bootstrap = [sys.executable, str(ROOT / "deploy" / "native" / "bootstrap.py"), "doctor"]
    env = {**os.environ, "CAROUSEL_RUN_DIR": str(stack.config.run_dir)}
    with socket.create_server(("127.0.0.1", stack.config.port("gateway"))):
        done = subprocess.run(
            bootstrap, env={**env, "CAROUSEL_PORT_OFFSET": str(stack.config.offset)}, capture_output=True, text=True
        )
    assert done.returncode == 1
    assert "of gateway-1 is taken by" in done.stdout


def test_progress_in_a_pipe_is_plain_lines(make, capsys):
    """What takes longer than two seconds is named, and no escape sequence is written."""
    with Progress(sys.stdout) as progress:
        make(progress=progress).start(check=False)
    assert "\x1b" not in capsys.readouterr().out
