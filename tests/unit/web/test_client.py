"""Asking another node: how precisely a failure is told, against a real socket on loopback."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import requests

from apps.web.client import Answer, Oversized, Reset, TimedOut, TooLate, Unsent, call, new_session
from apps.web.deadline import Deadline
from tests.fakes import FakeClock, free_port

Script = Callable[[socket.socket], None]


class Node:
    """Listens on loopback and treats each connection as its script does."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.connections = 0
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        self._listener.settimeout(0.01)
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            with connection:
                connection.settimeout(5)
                try:
                    self._script(connection)
                except OSError:
                    continue

    def stop(self) -> None:
        """End."""
        self.stopping.set()
        self._thread.join()
        self._listener.close()


MakeNode = Callable[[Script], Node]


@pytest.fixture
def make_node() -> Iterator[MakeNode]:
    """Makes nodes that end with the test."""
    nodes: list[Node] = []

    def make(script: Script) -> Node:
        nodes.append(Node(script))
        return nodes[-1]

    yield make
    for node in nodes:
        node.stop()


def ask(url: str, left_ms: float = 5_000, max_bytes: int = 1_000) -> Answer:
    """Ask the node at *url*."""
    with new_session(2) as session:
        return call(session, requests.Request("GET", url).prepare(), Deadline(left_ms), max_bytes)


def pause(connection: socket.socket, seconds: float) -> None:
    """Wait, or until the other side has hung up."""
    if seconds:
        connection.settimeout(seconds)
        with suppress(TimeoutError):
            connection.recv(1)


def sends(*parts: bytes, pause_s: float = 0.0) -> Script:
    """A node that answers any request with these bytes, one after the other."""

    def script(connection: socket.socket) -> None:
        connection.recv(65_536)
        for part in parts:
            connection.sendall(part)
            pause(connection, pause_s)

    return script


def assert_is_for_people(words: str) -> None:
    """No repr of an object, no class of the libraries below: the words go to a client."""
    assert not re.search(r"[(<>'\"]|urllib3|Error|object at|Exception", words), words


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-One: 1\r\n\r\n"


def test_a_whole_answer_is_returned_whatever_its_status(make_node: MakeNode) -> None:
    """Status, fields in any case of letters, body."""
    answer = ask(make_node(sends(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nX-One: 1\r\n\r\nbody")).url)

    assert (503, "1", b"body") == (answer.status, answer.headers["x-one"], answer.body)


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody",
    b"HTTP/1.0 200 OK\r\n\r\nbody",
])  # fmt: skip
def test_a_body_is_whole_however_its_end_is_marked(make_node: MakeNode, answer: bytes) -> None:
    """RFC 9112 §6.3."""
    assert b"body" == ask(make_node(sends(answer)).url).body


def test_a_redirect_is_an_answer_like_any_other(make_node: MakeNode) -> None:
    """It is not followed, and its body is not read beyond the limit either."""
    node = make_node(sends(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 4\r\n\r\nbody"))

    assert (302, 1) == (ask(node.url).status, node.connections)


def test_a_refused_connection_was_never_sent() -> None:
    """Nobody listens."""
    with pytest.raises(Unsent) as caught:
        ask(f"http://127.0.0.1:{free_port()}/")

    assert str(caught.value) == "no connection: Connection refused"


def test_no_time_is_no_request(make_node: MakeNode) -> None:
    """It does not even connect."""
    node = make_node(sends(HEAD, b"body"))

    with pytest.raises(TooLate):
        ask(node.url, left_ms=0)

    assert 0 == node.connections


@pytest.mark.parametrize("script", [
    sends(b"", pause_s=1),
    sends(HEAD, b"bo", b"dy", pause_s=1),
    sends(HEAD, *[b"b"] * 3, pause_s=0.15),
], ids=["silent", "stops in the body", "drips"])  # fmt: skip
def test_an_answer_that_is_not_whole_in_time_is_too_late(make_node: MakeNode, script: Script) -> None:
    """And is given up when the time is up, not a second later."""
    node = make_node(script)
    started = time.monotonic()

    with pytest.raises(TimedOut) as error:
        ask(node.url, left_ms=300)

    assert not isinstance(error.value, TooLate)
    assert 0.25 < time.monotonic() - started < 0.9


def test_a_wait_in_the_body_is_for_what_is_left_by_then(make_node: MakeNode) -> None:
    """Headers that took most of the time leave little for the body."""

    def script(connection: socket.socket) -> None:
        connection.recv(65_536)
        pause(connection, 0.4)
        connection.sendall(HEAD + b"bo")
        pause(connection, 1)

    node = make_node(script)
    started = time.monotonic()

    with pytest.raises(TimedOut):
        ask(node.url, left_ms=500)

    assert time.monotonic() - started < 0.8


@pytest.mark.parametrize("script", [
    lambda connection: connection.recv(65_536),
    sends(b"HTTP/1."),
    sends(HEAD, b"bo"),
    sends(b"this is no HTTP\r\n\r\n"),
    sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo"),
    sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nrubbish\r\n"),
    sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbody"),
], ids=["no answer", "head", "body", "no HTTP", "chunk", "no chunk", "no gzip"])  # fmt: skip
def test_a_connection_that_breaks_after_the_request_was_sent_is_a_reset(make_node: MakeNode, script: Script) -> None:
    """Nobody knows what became of it, and people are told in words."""
    with pytest.raises(Reset) as caught:
        ask(make_node(script).url)

    assert_is_for_people(str(caught.value))


@pytest.mark.parametrize("head", [b"Content-Length: 2000\r\n", b"Connection: close\r\n"])
def test_an_answer_over_the_limit_is_oversized(make_node: MakeNode, head: bytes) -> None:
    """Whether it says so or not."""
    with pytest.raises(Oversized):
        ask(make_node(sends(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + b"x" * 2_000)).url)


def test_a_connection_is_used_again(make_node: MakeNode) -> None:
    """Opening one for each request would cost more than the request; its timeout is the new request's."""

    def script(connection: socket.socket) -> None:
        while connection.recv(65_536):
            connection.sendall(HEAD + b"body")

    node = make_node(script)
    with new_session(2) as session:
        for left_ms in (400, 5_000, 300):
            call(session, requests.Request("GET", node.url).prepare(), Deadline(left_ms))

    assert 1 == node.connections


def test_proxies_of_the_environment_are_not_asked(make_node: MakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's proxy has no business between two nodes."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")

    assert b"body" == ask(make_node(sends(HEAD, b"body")).url).body


def test_a_connect_that_had_less_than_its_usual_time_blames_nobody() -> None:
    """A client without time must not get a node ejected."""

    class Slow(requests.Session):
        def send(self, *_args: object, **_options: object) -> requests.Response:
            raise requests.ConnectTimeout("timed out")

    request = requests.Request("GET", "http://node:1/").prepare()
    with pytest.raises(TooLate):
        call(Slow(), request, Deadline(200, FakeClock()))
    with pytest.raises(Unsent):
        call(Slow(), request, Deadline(2_000, FakeClock()))
