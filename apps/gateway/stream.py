"""``GET /admin/stream``: what happens in the gateway, as server-sent events (WHATWG HTML §9.2)."""

import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Final

from flask import Blueprint, Response, current_app, request

from apps.gateway.feed import Event, Feed, Reader
from apps.web.guards import bears, unauthorized
from apps.web.leaving import leaving_of
from apps.web.problem import problem

KEEPALIVE_S: Final = 10.0
RETRY_AFTER_S: Final = 5
_LOOK_S: Final = 0.25
"""How soon a stream notices that the process is about to end."""
STUCK_S: Final = 30.0
"""A client that takes nothing for that long is given up."""
_KEEPALIVE: Final = b": keepalive\n\n"


def stream_blueprint(feed: Feed, admin_token: str, keepalive_s: float = KEEPALIVE_S) -> Blueprint:
    """Return the route of the stream. It takes one reader more as long as *feed* has room."""
    blueprint = Blueprint("stream", __name__)

    @blueprint.get("/admin/stream")
    def stream() -> Response:
        if not bears(admin_token):
            return unauthorized()
        if request.method == "HEAD":
            return Response(content_type="text/event-stream")
        reader = feed.open()
        if reader is None:
            answer = problem(503, f"{feed.limit} streams are open, which is the most this gateway serves at once.")
            answer.headers["Retry-After"] = str(RETRY_AFTER_S)
            return answer
        leaving, client = leaving_of(current_app), _Client(request.environ.get("gunicorn.socket"))
        body = _Body(feed, reader, _parts(reader, lambda: leaving.has_begun or client.is_gone(), keepalive_s))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return Response(body, content_type="text/event-stream", headers=headers, direct_passthrough=True)

    return blueprint


class _Body:
    """The events of one reader, until the client is gone or the process ends.

    A generator would not do: one that was never begun is closed without a word, and its reader would stay for good.
    """

    def __init__(self, feed: Feed, reader: Reader, parts: Iterator[bytes]) -> None:
        self._feed = feed
        self._reader = reader
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        """Give the place back (PEP 3333: the server calls this however the request ended)."""
        self._feed.close(self._reader)


class _Client:
    """The other end of a stream, where the server tells its socket: a write alone would notice an end too late."""

    def __init__(self, sock: socket.socket | None) -> None:
        self._sock = sock
        self._poll = select.poll()
        if sock is not None:
            sock.settimeout(STUCK_S)
            self._poll.register(sock, select.POLLIN)

    def is_gone(self) -> bool:
        """Tell whether the client has closed its end."""
        if self._sock is None or not self._poll.poll(0):
            return False
        try:
            return self._sock.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True


def _parts(reader: Reader, is_over: Callable[[], bool], keepalive_s: float) -> Iterator[bytes]:
    """Return the text of a stream. It says at once that it has begun: events may be long in coming."""
    yield b": connected\n\n"
    quiet_since = time.monotonic()
    while not is_over():
        events = reader.take(min(_LOOK_S, keepalive_s))
        if events:
            yield b"".join(map(_text, events))
        elif time.monotonic() - quiet_since < keepalive_s:
            continue
        else:
            yield _KEEPALIVE
        quiet_since = time.monotonic()


def _text(event: Event) -> bytes:
    # JSON has no line breaks of its own, so one data line will do.
    return f"event: {event.name}\ndata: {json.dumps(event.data, ensure_ascii=False)}\n\n".encode()
