"""What the tests of the command line share: a stack of two HTTP servers, the command in one call, golden texts."""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from click.testing import CliRunner, Result
from rich.text import Text

from apps.cli.main import main
from tests.unit.cli import samples
from tests.unit.cli.fake_gateway import FakeGateway, serving

GOLDEN = Path(__file__).parent / "golden"


@dataclass
class Asked:
    """A request that a fake server got."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """An HTTP server on loopback. *answer* gets each request and returns status, header fields and body."""

    url: str
    answer: Callable[[Asked], tuple[int, dict[str, str], Any]] = lambda asked: (404, {}, {"title": "Not Found"})
    asked: list[Asked] = field(default_factory=list)

    def says(self, status: int, body: Any, **headers: str) -> None:
        """Answer every request alike."""
        self.answer = lambda asked: (status, headers, body)

    def knows(self, pages: dict[str, Any]) -> None:
        """Answer with the page of the request's path, 404 where there is none."""
        self.answer = lambda asked: (
            (200, {}, pages[asked.path]) if asked.path in pages else (404, {}, {"detail": "not here"})
        )


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            """Serve until the client is gone, however it went."""
            with suppress(ConnectionError):
                super().handle()

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = Asked(
                self.command, parts.path, parse_qsl(parts.query), {k.lower(): v for k, v in self.headers.items()}, body
            )
            server.asked.append(asked)
            status, fields, shape = server.answer(asked)
            sent = shape if isinstance(shape, bytes) else json.dumps(shape).encode()
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = _serve

        def log_message(self, *_: object) -> None:
            """Say nothing on standard error."""

    return Handler


def _serve() -> Iterator[Server]:
    fake = Server("")
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    fake.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def gateway() -> Iterator[Server]:
    """A gateway that answers as the test says."""
    yield from _serve()


@pytest.fixture
def storage() -> Iterator[Server]:
    """A storage that answers as the test says."""
    yield from _serve()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Server]:
    """A Prometheus that answers as the test says, noted as part of the stack."""
    for server in _serve():
        _note(tmp_path, prometheus=server.url)
        yield server


@pytest.fixture
def other_gateway(gateway: Server, tmp_path: Path) -> Iterator[Server]:
    """A second gateway of the same stack."""
    for server in _serve():
        _note(tmp_path, gateways=[gateway.url, server.url])
        yield server


def _note(run_dir: Path, **changes: Any) -> None:
    """Write `stack.json` anew with *changes*."""
    path = run_dir / "stack.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(known | changes), encoding="utf-8")


@pytest.fixture
def live(carousel: Callable[..., Result], tmp_path: Path) -> Iterator[FakeGateway]:
    """A gateway that tells what happens, as the only one of the stack."""
    with serving("gateway-1", samples.RINGS) as fake:
        _note(tmp_path, gateway=fake.url, gateways=[fake.url])
        yield fake


@pytest.fixture
def other_live(live: FakeGateway, tmp_path: Path) -> Iterator[FakeGateway]:
    """A second one beside it."""
    with serving("gateway-2", samples.RINGS) as fake:
        _note(tmp_path, gateways=[live.url, fake.url])
        yield fake


@pytest.fixture
def closed_port(gateway: Server) -> str:
    """An address where nobody listens."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def carousel(
    gateway: Server, storage: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """The command, called with its arguments, for a stack of *gateway* and *storage*."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "admin").write_text("the-admin-token\n", encoding="ascii")
    _note(tmp_path, offset=0, gateway=gateway.url, storage=storage.url)
    monkeypatch.setenv("CAROUSEL_RUN_DIR", str(tmp_path))
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments))

    return call


@pytest.fixture
def golden() -> Callable[[str, Iterable[Text | str]], None]:
    """Compares lines with a text under ``golden/``; UPDATE_GOLDEN=1 writes it anew instead."""

    def compare(name: str, lines: Iterable[Text | str]) -> None:
        shown = "".join(f"{line.plain if isinstance(line, Text) else line}\n" for line in lines)
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(shown, encoding="utf-8")

        assert path.read_text(encoding="utf-8") == shown

    return compare
