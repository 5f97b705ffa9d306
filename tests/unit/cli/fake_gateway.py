"""A gateway of its admin API alone: rings, bugs and the stream of what happens, as the test says."""

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "the-admin-token"
END = b""


def event(name: str, **data: Any) -> bytes:
    """Return an event as it goes over the wire."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def pick(journey: str, service: str, node: str, attempt: int = 1, parent: int = 0) -> bytes:
    """Return the event of a pick."""
    return event(
        "pick", journeyId=journey, traceId=journey * 2, service=service, node=node, attempt=attempt,
        parentAttempt=parent, ringSize=2, time="2026-11-23T11:52:59.000Z",
    )  # fmt: skip


def request(journey: str, status: int = 200, **changes: Any) -> bytes:
    """Return the event of a client request that ended."""
    data = {
        "journeyId": journey, "traceId": journey * 2, "entity": "orders", "method": "POST", "status": status,
        "durationMs": 66.5, "errorType": None, "errorNode": None, "synthetic": False,
        "time": "2026-11-23T11:52:59.123Z",
    }  # fmt: skip
    return event("request", **(data | changes))


@dataclass
class FakeGateway:
    """What it answers, and what it was asked. Each reader of the stream gets what is sent from then on."""

    name: str
    rings: dict[str, Any]
    url: str = ""
    bugs: dict[str, Any] = field(default_factory=lambda: {"orders": [], "nodes": []})
    changes: list[tuple[str, str, Any]] = field(default_factory=list)
    answer_to_changes: tuple[int, dict[str, Any]] = (200, {})
    refuses_streams: tuple[int, dict[str, Any]] | None = None
    readers: "list[queue.Queue[bytes]]" = field(default_factory=list)
    streams_opened: int = 0

    def send(self, *events: bytes) -> None:
        """Send events to every reader of the stream."""
        for reader in list(self.readers):
            for one in events:
                reader.put(one)

    def end_streams(self) -> None:
        """End every stream, as a gateway does that goes down."""
        self.send(END)

    def await_readers(self, opened: int = 1, within_s: float = 20.0) -> None:
        """Wait until that many streams have been opened."""
        give_up_at = time.monotonic() + within_s
        while self.streams_opened < opened or not self.readers:
            assert time.monotonic() < give_up_at, "nobody opened the stream"
            time.sleep(0.01)


def _handler(fake: FakeGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            """Serve until the client is gone, however it went."""
            with suppress(ConnectionError):
                super().handle()

        def _answer(self, status: int, shape: Any) -> None:
            body = json.dumps(shape).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            """Answer a question."""
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer(401, {"title": "Unauthorized", "detail": "A bearer token is needed."})
            elif self.path == "/admin/rings":
                self._answer(200, {**fake.rings, "gateway": fake.name})
            elif self.path == "/admin/bugs":
                self._answer(200, fake.bugs)
            elif self.path == "/admin/stream":
                self._stream()
            else:
                self._answer(404, {"detail": "not here"})

        def _stream(self) -> None:
            if fake.refuses_streams is not None:
                self._answer(*fake.refuses_streams)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            mine: queue.Queue[bytes] = queue.Queue()
            fake.readers.append(mine)
            fake.streams_opened += 1
            try:
                self._chunk(b": keepalive\n\n")
                while (piece := mine.get()) != END:
                    self._chunk(piece)
                self.wfile.write(b"0\r\n\r\n")
            finally:
                fake.readers.remove(mine)
            self.close_connection = True

        def _chunk(self, piece: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()

        def _change(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fake.changes.append((self.command, self.path, json.loads(body) if body else None))
            self._answer(*fake.answer_to_changes)

        do_PUT = do_DELETE = do_POST = _change

        def log_message(self, *_: object) -> None:
            """Say nothing on standard error."""

    return Handler


@contextmanager
def serving(name: str, rings: dict[str, Any]) -> Iterator[FakeGateway]:
    """Serve a fake gateway on loopback."""
    fake = FakeGateway(name, rings)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    httpd.daemon_threads = True
    fake.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        fake.end_streams()
        httpd.shutdown()
        httpd.server_close()
        thread.join()
