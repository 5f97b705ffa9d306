"""A stand-in for a running stack on one port: the client API, what chaos needs of the admin API, storage's journeys.

It keeps what it was asked to do, so that a test sees whether everything was put back.
"""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import unquote

TOKEN = "secret"
NODES = {"service1": ["service1-1", "service1-2"], "service2": ["service2-1", "service2-2"]}
ADDRESSES = {
    "service1-1": "127.0.0.1:8101",
    "service1-2": "127.0.0.1:8102",
    "service2-1": "127.0.0.1:8201",
    "service2-2": "127.0.0.1:8202",
}


def ok(trace_id: str, entity: str, number: int) -> dict[str, Any]:
    """Return the body of a good answer, each node in turn."""
    return {
        "entity": entity,
        "traceId": trace_id,
        "service1": {"node": NODES["service1"][number % 2], "part1Ms": 1.0, "part2Ms": 1.5},
        "service2": {"node": NODES["service2"][number % 2], "workMs": 2.0, "bug": None},
    }


def problem(trace_id: str, status: int) -> dict[str, Any]:
    """Return the body of a gateway's problem."""
    return {"type": "about:blank", "title": "x", "status": status, "detail": "It broke.", "traceId": trace_id}


@dataclass
class FakeStack:
    """What the stand-in answers, and what it was asked."""

    url: str = ""
    status_of: Callable[[int], int] = lambda number: 200
    """The status of client request *number*."""
    is_whole: Callable[[int], bool] = lambda number: True
    """Whether the journey of client request *number* is whole."""
    delay_s: float = 0.0
    is_away: bool = False
    """It breaks off the connection of every client request."""
    statuses: dict[str, int] = field(default_factory=dict)
    """Of each trace id that was answered."""
    headers: list[dict[str, str]] = field(default_factory=list)
    orders: dict[str, str] = field(default_factory=dict)
    drained: set[str] = field(default_factory=set)
    deeds: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: Iterator[int] = field(default_factory=count)

    def client(self, entity: str) -> tuple[int, dict[str, str], Any]:
        """Answer one client request."""
        with self.lock:
            number = next(self.numbers)
        trace_id, status = f"{number:032x}", self.status_of(number)
        with self.lock:
            self.statuses[trace_id] = status
        time.sleep(self.delay_s)
        body = ok(trace_id, entity, number) if status == 200 else problem(trace_id, status)
        fields = {
            "X-Trace-Id": trace_id,
            "X-Served-By": NODES["service1"][number % 2],
            "Via": "1.1 gateway-1",
            "Content-Type": "application/json" if status == 200 else "application/problem+json",
        }
        return status, fields | ({"Retry-After": "1"} if status == 503 else {}), body

    def journeys(self, trace_id: str) -> tuple[int, dict[str, str], Any]:
        """Answer storage's search for the journeys of a trace."""
        if trace_id not in self.statuses:
            return 404, {}, {"detail": "unknown"}
        status = self.statuses[trace_id]
        outcome = {200: "ok", 502: "bad_answer", 503: "shed", 504: "deadline"}.get(status, "ok")
        journey: dict[str, Any] = {"complete": True, "outcome": outcome, "status": status, "missing": []}
        if not self.is_whole(int(trace_id, 16)):
            journey |= {
                "complete": False,
                "missing": [{"n": 12, "step": "service2.response.sent", "node": "service2-1"}],
            }
        return 200, {}, {"traceId": trace_id, "journeys": [journey]}

    def admin(self, method: str, parts: list[str], body: Any) -> tuple[int, dict[str, str], Any]:
        """Answer the admin API, and keep what was done."""
        with self.lock:
            if parts == ["rings"]:
                return 200, {}, {"gateway": "gateway-1", "rings": [self._ring(service) for service in NODES]}
            if parts == ["bugs"]:
                orders = [{"target": target, "rates": rates} for target, rates in self.orders.items()]
                return 200, {}, {"orders": orders, "nodes": []}
            if parts[0] == "bugs":
                self.deeds.append(f"{method} {parts[1]}")
                if method == "PUT":
                    self.orders[parts[1]] = body["rates"]
                else:
                    self.orders.pop(parts[1], None)
                return 200, {}, {"target": parts[1], "rates": self.orders.get(parts[1]), "nodes": []}
            if parts[-1] == "drain":
                self.deeds.append(f"drain {parts[3]}")
                self.drained.add(parts[3])
                return 200, {}, {}
            name = next(node for node, address in ADDRESSES.items() if address == body["address"])
            self.deeds.append(f"add {name}")
            self.drained.discard(name)
            return 200, {}, {}

    def _ring(self, service: str) -> dict[str, Any]:
        members = [
            {"node": node, "address": ADDRESSES[node], "state": "drained" if node in self.drained else "linked"}
            for node in NODES[service]
        ]
        return {"service": service, "size": len(members), "members": members}

    @property
    def is_as_before(self) -> bool:
        """Nothing is ordered and nobody is drained."""
        return not self.orders and not self.drained


@contextmanager
def running(**settings: Any) -> Iterator[FakeStack]:
    """Serve a stand-in on a port of its own."""
    fake = FakeStack(**settings)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # An idle connection of a client that is gone must not keep its thread.
        timeout = 2

        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            parts = [unquote(part) for part in self.path.strip("/").split("/")]
            if parts[0] == "healthz":
                status, fields, shape = 200, {}, {}
            elif parts[0] == "admin":
                # Chaos asks from the test's own process: no connection of it is left behind.
                self.close_connection = True
                asked = self.headers.get("Authorization")
                is_known = asked == f"Bearer {TOKEN}"
                status, fields, shape = fake.admin(self.command, parts[1:], body) if is_known else (401, {}, {})
                fields = fields | {"Connection": "close"}
            elif parts[:2] == ["api", "v1"]:
                status, fields, shape = fake.journeys(parts[3])
            else:
                fake.headers.append(dict(self.headers))
                if fake.is_away:
                    self.close_connection = True
                    return
                status, fields, shape = fake.client(parts[1])
            text = json.dumps(shape).encode()
            self.send_response(status)
            for name, value in (
                {"Content-Type": "application/json", "Content-Length": str(len(text))} | fields
            ).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
