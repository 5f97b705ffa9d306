"""A gateway as a process of its own, with replicas that are stand-ins: what only real sockets and a restart show."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes import Collector, free_port

ROOT = Path(__file__).parents[3]
WITHIN_S = 30.0


@contextmanager
def a_replica(service: str, node: str) -> Iterator[str]:
    """Run a node that is ready, and return its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"service": service, "node": node, "bugs": ""}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Gateway:
    """A gateway that can be started, asked, and ended. Its state outlives it."""

    def __init__(self, run_dir: Path, endpoint: str, service1: str, service2: str) -> None:
        self.port = free_port()
        self._environ = {
            "PATH": os.environ["PATH"],
            "CAROUSEL_RUN_DIR": str(run_dir),
            "CAROUSEL_NODE": "gateway-1",
            "CAROUSEL_PORT": str(self.port),
            "CAROUSEL_THREADS": "6",
            "CAROUSEL_SERVICE1_MEMBERS": service1,
            "CAROUSEL_SERVICE2_MEMBERS": service2,
            "CAROUSEL_ECHO": "0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        }
        (run_dir / "secrets").mkdir(exist_ok=True)
        for name in ("admin", "service"):
            (run_dir / "secrets" / name).write_text(f"{name}-token")

    @contextmanager
    def running(self) -> Iterator["Gateway"]:
        """Run for a while."""
        process = subprocess.Popen([sys.executable, "-m", "apps.gateway"], cwd=ROOT, env=self._environ)
        try:
            yield self
        finally:
            process.terminate()
            process.wait(WITHIN_S)

    def open(self, method: str, path: str, shape: Any = None) -> requests.Response:
        """Send a request as soon as somebody listens, and return the answer with its body still to come."""
        give_up_at = time.monotonic() + WITHIN_S
        headers = {"Authorization": "Bearer admin-token", "Connection": "close"}
        url = f"http://127.0.0.1:{self.port}{path}"
        while True:
            try:
                return requests.request(method, url, json=shape, headers=headers, stream=True, timeout=WITHIN_S)
            except requests.ConnectionError:
                assert time.monotonic() < give_up_at, "nobody listens"
                threading.Event().wait(0.02)

    def ask(self, method: str, path: str, shape: Any = None) -> tuple[int, Any]:
        """Send a request and return status and JSON."""
        with self.open(method, path, shape) as answer:
            return answer.status_code, answer.json() if answer.content else None


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with one replica of each service."""
    with ExitStack() as stack:
        addresses = [stack.enter_context(a_replica(service, f"{service}-1")) for service in ("service1", "service2")]
        collector = stack.enter_context(Collector().running())
        yield Gateway(tmp_path, collector.endpoint, *addresses)


def test_the_first_answer_of_a_gateway_is_that_it_is_ready(gateway: Gateway) -> None:
    """It looks at its members before it serves: one that takes over never shows an empty ring."""
    with gateway.running():
        assert (200, "ready") == ((found := gateway.ask("GET", "/readyz"))[0], found[1]["status"])


def test_orders_are_followed_after_a_restart(gateway: Gateway) -> None:
    """Added, draining, removed."""
    members = "/admin/rings/service1/members"
    with a_replica("service1", "service1-2") as two, a_replica("service1", "service1-3") as three:
        with gateway.running():
            for address in (two, three):
                assert 201 == gateway.ask("POST", members, {"address": address})[0]
            assert 200 == gateway.ask("POST", f"{members}/{three}/drain")[0]
            assert 204 == gateway.ask("DELETE", f"{members}/service1-1")[0]
        with gateway.running():
            rings = gateway.ask("GET", "/admin/rings")[1]["rings"]

    assert [("service1-2", "linked", "admin"), ("service1-3", "drained", "admin")] == [
        (member["node"], member["state"], member["source"]) for member in rings[0]["members"]
    ]


def test_a_stream_gives_its_place_back_when_its_client_is_gone(gateway: Gateway) -> None:
    """Soon, and not only with the next event."""
    with gateway.running():
        with gateway.open("GET", "/admin/stream") as stream:
            lines = stream.iter_lines()  # the end of an iterator ends the connection
            assert (200, b": connected") == (stream.status_code, next(lines))
            assert 503 == gateway.ask("GET", "/admin/stream")[0]

        give_up_at = time.monotonic() + 5
        while not _is_let_in(gateway):
            assert time.monotonic() < give_up_at, "the place is still taken"
            threading.Event().wait(0.05)


def _is_let_in(gateway: Gateway) -> bool:
    with gateway.open("GET", "/admin/stream") as stream:
        return stream.status_code == 200
