"""Stand-ins that behave like the real thing: a clock, a network of scripted replicas, an OTLP receiver on loopback."""

import io
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import RemoteDisconnected
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from apps.telemetry.config import TelemetryConfig
from apps.telemetry.processors import shown
from apps.telemetry.setup import Telemetry, build
from apps.web.client import new_session


class FakeClock:
    """Seconds that pass only when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.now += seconds


@dataclass(frozen=True)
class Reply:
    """What a scripted replica answers."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


Script = Callable[[requests.PreparedRequest], Reply]


def refuse(request: requests.PreparedRequest) -> Reply:
    """Nobody listens at the address."""
    host = urlsplit(request.url or "").hostname or ""
    reason = NewConnectionError(HTTPConnection(host), "Connection refused")
    raise requests.ConnectionError(MaxRetryError(None, request.url or "", reason), request=request)  # type: ignore[arg-type]


def reset(request: requests.PreparedRequest) -> Reply:
    """The connection breaks after the request was sent."""
    broken = ProtocolError("Connection aborted.", RemoteDisconnected("closed without response"))
    raise requests.ConnectionError(broken, request=request)


def too_late(request: requests.PreparedRequest) -> Reply:
    """No answer comes within the time that is left."""
    raise requests.ReadTimeout("Read timed out.", request=request)


class Network(BaseAdapter):
    """A transport adapter whose hosts are scripts. It remembers what was sent to whom."""

    def __init__(self, scripts: Mapping[str, Script] | None = None) -> None:
        super().__init__()
        self.scripts: dict[str, Script] = dict(scripts or {})
        self.sent: list[tuple[str, requests.PreparedRequest]] = []
        self.timeouts: list[Any] = []

    def send(self, request: requests.PreparedRequest, *_args: Any, **options: Any) -> requests.Response:
        """Let the script of the request's host answer it."""
        host = urlsplit(request.url or "").netloc
        self.sent.append((host, request))
        self.timeouts.append(options.get("timeout"))
        reply = self.scripts.get(host, refuse)(request)
        raw = HTTPResponse(
            io.BytesIO(reply.body), headers=dict(reply.headers), status=reply.status, preload_content=False
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Nothing is open."""

    def session(self) -> requests.Session:
        """Return a session whose every request goes over this network."""
        session = new_session(1)
        session.mount("http://", self)
        return session


def telemetry_of(service: str, node: str = "", *, capacity: int = 65_536, **options: Any) -> Telemetry:
    """Return telemetry that keeps what it is given, up to *capacity* of each signal."""
    config = TelemetryConfig(service, node or f"{service}-1", outbox_capacity=capacity)
    return build(config, ships=False, **options)


def records_of(telemetry: Telemetry) -> list[dict[str, Any]]:
    """Return the JSON shapes of what *telemetry* has recorded, oldest first."""
    return [shown(record) for record in telemetry.records.oldest(100_000)]


@dataclass
class Received:
    """One request that a `Collector` took."""

    path: str
    body: bytes
    headers: Mapping[str, str]


class Collector:
    """An HTTP server on loopback that takes OTLP as it is told to: *answers* first, 200 afterwards."""

    def __init__(self, answers: Callable[[int], tuple[int, Mapping[str, str]]] | None = None, port: int = 0) -> None:
        self.received: list[Received] = []
        self.changed = threading.Condition()
        self._connections: list[socket.socket] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with collector.changed:
                    number = len(collector.received)
                    collector.received.append(Received(self.path, body, dict(self.headers)))
                    collector.changed.notify_all()
                status, headers = answers(number) if answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def server_bind(self) -> None:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                super().server_bind()

            def get_request(self) -> tuple[socket.socket, Any]:
                connection, address = super().get_request()
                collector._connections.append(connection)
                return connection, address

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = int(self._server.server_address[1])
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def wait_for(self, enough: Callable[[list[Received]], bool], timeout_s: float = 10.0) -> bool:
        """Wait until *enough* is said of what has come; False if that takes longer than *timeout_s*."""
        with self.changed:
            return self.changed.wait_for(lambda: enough(self.received), timeout_s)

    @contextmanager
    def running(self) -> Iterator["Collector"]:
        """Serve for a while."""
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._thread.join()
            for connection in self._connections:
                # A client may keep its connection for long; the thread that waits on it must end here.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._server.server_close()


def free_port() -> int:
    """Return a port on loopback that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
