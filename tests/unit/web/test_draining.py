"""How a node ends, seen from outside: real processes, real connections, real signals."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from gunicorn.config import Config

from apps.web.draining import HAND_OVER_S, LeavingWorker
from apps.web.replica import MAX_DEADLINE_MS
from tests.fakes import Collector, free_port

ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 30.0


def eventually(look: Callable[[], object], what: str, within_s: float = LIMIT_S) -> None:
    """Wait until *look* returns something truthy."""
    deadline = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.02)


@dataclass
class Node:
    """A node that runs, and what is asked of it."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.port}"

    def readiness(self) -> tuple[int, str]:
        """Return status and word of its /readyz; (0, "") when nobody answers."""
        try:
            answer = requests.get(f"{self.url}/readyz", timeout=5)
        except requests.ConnectionError:
            return 0, ""
        return answer.status_code, answer.json()["status"]

    def workers(self) -> list[int]:
        """Return the pids of its workers, oldest first."""
        with suppress(psutil.Error):
            return sorted(child.pid for child in psutil.Process(self.process.pid).children())
        return []

    def tell(self, number: int) -> None:
        """Send its master a signal."""
        self.process.send_signal(number)

    def ends(self, within_s: float = LIMIT_S) -> int:
        """Wait for its end and return its status."""
        return self.process.wait(within_s)


@dataclass
class Clients:
    """Clients that POST without a pause, each on connections of its own; a failure is kept with its words."""

    node: Node
    count: int = 4
    minds_readiness: bool = False
    answers: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(self.count)]
        if self.minds_readiness:
            self._threads.append(threading.Thread(target=self._watch))

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        eventually(lambda: len(self.answers) > 20 or self.failures, "the first answers")
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _watch(self) -> None:
        """Stop everybody when the node says that it is not ready, as a balancer that probes it would."""
        while not self._stopping.wait(0.05):
            if self.node.readiness()[0] != 200:
                self._stopping.set()

    def _run(self) -> None:
        with requests.Session() as session:
            while not self._stopping.is_set():
                try:
                    answer = session.post(f"{self.node.url}/work?ms=20", timeout=20)
                    self.answers.append(answer.json()["pid"] if answer.ok else -answer.status_code)
                except requests.RequestException as error:
                    self.failures.append(repr(error))
                time.sleep(0.005)


Begin = Callable[..., Node]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Starts nodes; whatever happens, none is left."""
    begun: list[Node] = []
    collector = Collector()

    def begin(drain_s: float = 1.0, port: int = 0, **env: str) -> Node:
        port = port or free_port()
        settings = {
            "CAROUSEL_PORT": str(port), "CAROUSEL_NODE": "service2-1", "CAROUSEL_DRAIN_S": str(drain_s),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, **env,
        }  # fmt: skip
        with open(tmp_path / f"node-{len(begun)}.log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.unit.web.a_node"],
                cwd=ROOT,
                env={**os.environ, **settings},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        node = Node(process, port)
        begun.append(node)
        eventually(lambda: node.readiness()[0] == 200, "a node that is ready")
        return node

    with collector.running():
        yield begin
        for node in begun:
            with suppress(ProcessLookupError):
                os.killpg(node.process.pid, signal.SIGKILL)
            node.process.wait(LIMIT_S)


def in_background(ask: Callable[[], requests.Response]) -> tuple[threading.Thread, list[object]]:
    """Start *ask* and return its thread, and the list that will hold its answer or its error."""
    got: list[object] = []

    def run() -> None:
        try:
            got.append(ask())
        except requests.RequestException as error:
            got.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, got


def test_a_client_that_minds_readiness_loses_nothing_to_sigterm(begin: Begin) -> None:
    """Not ready at once, served until everybody has seen it; then status 0."""
    node = begin(drain_s=3)
    with Clients(node, minds_readiness=True) as clients:
        node.tell(signal.SIGTERM)
        eventually(lambda: node.readiness()[1] != "ready", "readiness that is off", 2.5)
        assert 0 == node.ends()

    assert ([], []) == (clients.failures, [pid for pid in clients.answers if pid < 0])
    assert len(clients.answers) > 20


def test_while_it_drains_it_says_so_and_closes_each_connection(begin: Begin) -> None:
    """``Connection: close`` on every answer (RFC 9112 §9.6), new connections included."""
    node = begin(drain_s=3)
    with requests.Session() as session:
        assert "Connection: close" not in str(session.get(f"{node.url}/work").headers)
        node.tell(signal.SIGTERM)
        eventually(lambda: node.readiness() == (503, "draining"), "the word that it drains", 2)

        kept = session.get(f"{node.url}/work")
        new = requests.get(f"{node.url}/work", timeout=5)

    assert [(200, "close"), (200, "close")] == [(one.status_code, one.headers["Connection"]) for one in (kept, new)]


def test_sigusr2_drains_and_stays_until_told_to_end(begin: Begin) -> None:
    """It serves on for as long as it takes; then SIGINT finishes it, and nobody who minds readiness notices."""
    node = begin(drain_s=0)
    with Clients(node, minds_readiness=True) as clients:
        node.tell(signal.SIGUSR2)
        eventually(lambda: node.readiness() == (503, "draining"), "the word that it drains", 5)
        answer = requests.post(f"{node.url}/work", timeout=5)
        assert (200, "close") == (answer.status_code, answer.headers["Connection"])
        eventually(clients._stopping.is_set, "clients that have seen it")
        node.tell(signal.SIGINT)
        assert 0 == node.ends()

    assert ([], []) == (clients.failures, [pid for pid in clients.answers if pid < 0])


def test_what_is_in_flight_is_finished(begin: Begin) -> None:
    """A request that takes longer than the drain gets its answer."""
    node = begin(drain_s=0.2)
    thread, got = in_background(lambda: requests.post(f"{node.url}/work?ms=2500", timeout=20))
    time.sleep(0.5)
    node.tell(signal.SIGTERM)
    assert 0 == node.ends()
    thread.join()

    (answer,) = got
    assert isinstance(answer, requests.Response), answer
    assert 200 == answer.status_code


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_second_signal_ends_it_at_once(begin: Begin, second: int) -> None:
    """Whatever is in flight, and however long it would drain."""
    node = begin(drain_s=30)
    thread, _ = in_background(lambda: requests.post(f"{node.url}/work?ms=40000", timeout=60))
    time.sleep(0.5)
    node.tell(signal.SIGTERM)
    eventually(lambda: node.readiness()[1] == "draining", "a node that drains")
    node.tell(second)
    assert 0 == node.ends(20)
    thread.join()


def test_ctrl_c_finishes_without_draining(begin: Begin) -> None:
    """Nobody looks at the readiness of a node whose whole stack ends. The terminal tells worker and master alike."""
    node = begin(drain_s=30)
    thread, got = in_background(lambda: requests.post(f"{node.url}/work?ms=1000", timeout=20))
    time.sleep(0.5)
    os.killpg(node.process.pid, signal.SIGINT)
    assert 0 == node.ends(20)
    thread.join()

    assert isinstance(got[0], requests.Response), got


class CountingWorker(LeavingWorker):
    """A worker that only counts the connections it takes."""

    taken = 0

    def init_poller(self) -> None:
        """Listen, as `init_process` and `run` would."""
        self.poller = selectors.DefaultSelector()
        self.method_queue.init()
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
        self.set_accept_enabled(True)

    def enqueue_req(self, conn: Any) -> None:
        """Count it, and let it go."""
        self.taken += 1
        conn.close()


class Indifferent:
    """An app that has nothing to be told."""

    drain_s = 0.0

    def leave(self, **_: object) -> None:
        """Do nothing."""


def test_an_end_that_comes_together_with_a_connection_takes_it() -> None:
    """The listener is closed when all events of the round are handled: its own may be one of them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker = CountingWorker(1, os.getpid(), [listener], Indifferent(), 30, Config(), None)
        worker.init_poller()
        worker._defer(worker._finish)
        with socket.create_connection(listener.getsockname()[:2], timeout=5):
            worker.wait_for_and_dispatch_events(timeout=5)

        assert (1, False, -1) == (worker.taken, worker.alive, listener.fileno())
        worker.method_queue.close()
        worker.poller.close()
        worker.tmp.close()


def test_a_signal_to_the_whole_group_drains_like_one_to_the_master(begin: Begin) -> None:
    """The worker hears it twice; the second time changes nothing."""
    node = begin(drain_s=3)
    with Clients(node, minds_readiness=True) as clients:
        os.killpg(node.process.pid, signal.SIGTERM)
        assert 0 == node.ends()

    assert [] == clients.failures


def test_telemetry_is_shipped_before_the_end(begin: Begin) -> None:
    """The last record is that of the end."""
    with Collector().running() as collector:
        node = begin(drain_s=0, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
        requests.post(f"{node.url}/work", timeout=5)
        node.tell(signal.SIGTERM)
        assert 0 == node.ends()
        logs = b"".join(one.body for one in collector.received if one.path == "/v1/logs")
        spans = b"".join(one.body for one in collector.received if one.path == "/v1/traces")

    assert b"service2-1 stopped" in logs
    assert b"POST /work" in spans


def test_sighup_under_load_fails_nothing_and_never_refuses(begin: Begin) -> None:
    """The new worker serves before the old one is sent away, however long its start takes."""
    node = begin(drain_s=1.5, SLOW_START_S="1.5")
    (before,) = node.workers()
    with Clients(node) as clients:
        node.tell(signal.SIGHUP)
        eventually(lambda: node.workers() and before not in node.workers(), "the old worker's end")
        (after,) = node.workers()
        seen = len(clients.answers)
        eventually(lambda: len(clients.answers) > seen + 50 or clients.failures, "answers of the new worker")

    assert [] == clients.failures
    assert {before, after} == set(clients.answers)
    assert {after} == set(clients.answers[seen + clients.count :])
    assert (200, "ready") == node.readiness()


def test_the_old_worker_of_a_sighup_finishes_what_it_has(begin: Begin) -> None:
    """It is in nobody's way: it may take longer than any request's deadline, and so longer than a stop waits."""
    assert HAND_OVER_S * 1000 > MAX_DEADLINE_MS
    node = begin(drain_s=0)
    (before,) = node.workers()
    thread, got = in_background(lambda: requests.post(f"{node.url}/work?ms=3000", timeout=30))
    time.sleep(0.5)
    node.tell(signal.SIGHUP)
    thread.join()

    (answer,) = got
    assert isinstance(answer, requests.Response), answer
    assert before == answer.json()["pid"]
    eventually(lambda: len(node.workers()) == 1, "one worker")


def test_a_killed_worker_is_replaced(begin: Begin) -> None:
    """The master keeps the listener meanwhile: a connection waits instead of being refused."""
    node = begin()
    (before,) = node.workers()
    os.kill(before, signal.SIGKILL)

    assert 200 == requests.get(f"{node.url}/work", timeout=10).status_code
    eventually(lambda: node.workers() not in ([], [before]), "another worker")


def test_without_its_master_the_worker_ends_and_frees_the_port(begin: Begin) -> None:
    """Also while a client keeps a connection open; the next master can take the port."""
    node = begin(drain_s=5)
    (worker,) = node.workers()
    with requests.Session() as session:
        assert session.get(f"{node.url}/work").ok
        node.process.kill()
        node.process.wait(LIMIT_S)
        began = time.monotonic()
        begin(port=node.port)
        assert time.monotonic() - began < 8
        eventually(lambda: not psutil.pid_exists(worker), "the worker's end", 10)
