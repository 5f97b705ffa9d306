"""The text of the stream: comments while nothing happens, events of one line each, and an end."""

import socket

from apps.gateway.feed import Event, Feed, Reader
from apps.gateway.stream import _Body, _Client, _parts


def test_a_comment_keeps_a_quiet_stream_open() -> None:
    """Proxies cut what is silent for too long."""
    parts = _parts(Reader(10), lambda: False, keepalive_s=0.01)

    assert [b": connected\n\n", b": keepalive\n\n", b": keepalive\n\n"] == [next(parts) for _ in range(3)]


def test_an_event_is_a_name_and_one_line_of_json() -> None:
    """Line breaks in a value are escaped, or they would end the field."""
    reader = Reader(10)
    reader.put(Event("ring", {"reason": "one\ntwo\r\néé"}))
    parts = _parts(reader, lambda: False, keepalive_s=10)
    next(parts)

    assert 'event: ring\ndata: {"reason": "one\\ntwo\\r\\néé"}\n\n' == next(parts).decode()


def test_a_body_that_was_never_read_gives_its_place_back() -> None:
    """The client may be gone before the first byte."""
    feed = Feed(1)
    reader = feed.open()
    assert reader is not None

    _Body(feed, reader, _parts(reader, lambda: False, 10)).close()

    assert feed.open() is not None


def test_a_client_that_has_closed_is_seen_to_be_gone() -> None:
    """Without a write, which would notice it at the second one only."""
    ours, theirs = socket.socketpair()
    client = _Client(ours)
    assert not client.is_gone()
    theirs.send(b"x")
    assert not client.is_gone()
    ours.recv(1)

    theirs.close()

    assert client.is_gone()
    ours.close()
    assert not _Client(None).is_gone()
