"""The shipper, against an OTLP receiver on loopback: freed on 200, repeated when asked to, never lost in silence."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

import pytest

from apps.telemetry.outbox import MemoryOutbox
from apps.telemetry.shipper import MAX_RETRY_AFTER_S, Route, Shipper, retry_after
from tests.fakes import Collector, Received, free_port

Answers = Callable[[int], tuple[int, Mapping[str, str]]]


class Encoded(bytes):
    """A message that encodes as itself."""

    def SerializeToString(self) -> bytes:
        """Return the bytes."""
        return bytes(self)


def encode(items: Sequence[Any]) -> Encoded:
    """Encode a batch of names as one line; ``poison`` cannot be encoded."""
    if "poison" in items:
        raise UnicodeEncodeError("utf-8", "poison", 0, 1, "surrogates not allowed")
    return Encoded(",".join(items).encode())


class Post:
    """An outbox with its shipper, quick to ship."""

    def __init__(self, endpoint: str, *, timeout_s: float = 5.0, batch: int = 2) -> None:
        self.logs: MemoryOutbox[str] = MemoryOutbox()
        self.spans: MemoryOutbox[str] = MemoryOutbox()
        routes = (Route("/v1/logs", self.logs, encode), Route("/v1/traces", self.spans, encode))
        self.shipper = Shipper(endpoint, routes, delay_s=0.005, batch=batch, timeout_s=timeout_s)

    def put(self, *items: str) -> None:
        """Put log records into the outbox."""
        for item in items:
            self.logs.append(item)


@contextmanager
def posting(endpoint: str, **options: Any) -> Iterator[Post]:
    """A shipper that runs."""
    post = Post(endpoint, **options)
    post.shipper.start()
    try:
        yield post
    finally:
        post.shipper.stop(2)


def taken(received: Sequence[Received]) -> list[str]:
    """Return the names in all requests."""
    return [item for request in received for item in request.body.decode().split(",")]


def until(claim: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Wait until *claim* holds; False if it does not in time."""
    give_up_at = time.monotonic() + timeout_s
    tick = threading.Event()
    while not claim():
        if time.monotonic() > give_up_at:
            return False
        tick.wait(0.005)
    return True


def first(status: int, headers: Mapping[str, str] | None = None, count: int = 1) -> Answers:
    """Answer the first *count* requests so, the others 200."""
    return lambda number: (status, headers or {}) if number < count else (200, {})


def test_a_200_frees_what_was_sent() -> None:
    """In order, in batches, each signal on its path."""
    with Collector().running() as collector, posting(collector.endpoint) as post:
        post.put("a", "b", "c")
        post.spans.append("s")

        assert until(lambda: not len(post.logs) and not len(post.spans))

    logs = [request for request in collector.received if request.path == "/v1/logs"]
    assert ["a", "b", "c"] == taken(logs)
    assert {"application/x-protobuf"} == {request.headers["Content-Type"] for request in logs}
    assert ["s"] == taken([request for request in collector.received if request.path == "/v1/traces"])


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}], ids=["bare", "with Retry-After"])
def test_what_may_be_retried_is_retried_until_it_is_taken(status: int, headers: dict[str, str]) -> None:
    """OTLP/HTTP "Retryable Response Codes": nothing is lost, nothing is counted as lost."""
    with Collector(first(status, headers, 2)).running() as collector, posting(collector.endpoint) as post:
        post.put("a", "b", "c")

        assert until(lambda: not len(post.logs))
        assert 0 == post.shipper.refused

    assert ["a", "b", "a", "b", "a", "b", "c"] == taken(collector.received)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_it_waits_as_long_as_it_is_asked_to(form: str) -> None:
    """Retry-After in both forms (RFC 9110 §10.2.3); a date has whole seconds only."""
    headers = {"Retry-After": "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)}
    with Collector(first(503, headers)).running() as collector, posting(collector.endpoint) as post:
        started = time.monotonic()
        post.put("a")
        assert until(lambda: not len(post.logs))
        waited = time.monotonic() - started

    assert 0.9 <= waited <= 4


@pytest.mark.parametrize("status", [400, 401, 404, 413, 415, 500, 501, 302, 204])
def test_what_will_never_be_taken_is_dropped_loudly(status: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Counted, and said on stderr; what comes after it still arrives."""
    with Collector(first(status)).running() as collector, posting(collector.endpoint) as post:
        post.put("a", "b", "c")

        assert until(lambda: not len(post.logs))
        assert 2 == post.shipper.refused

    assert ["a", "b", "c"] == taken(collector.received)
    assert f"telemetry: 2 records lost: {collector.endpoint}/v1/logs answered {status}" in capfd.readouterr().err


def test_a_collector_that_comes_up_late_gets_everything() -> None:
    """Connection refused is waited out."""
    port = free_port()
    with posting(f"http://127.0.0.1:{port}") as post:
        post.put("a", "b", "c")
        assert not until(lambda: len(post.logs) < 3, 0.3)

        with Collector(port=port).running() as collector:
            assert until(lambda: not len(post.logs))

    assert ["a", "b", "c"] == taken(collector.received)
    assert 0 == post.shipper.refused


def test_one_record_that_cannot_be_encoded_takes_no_other_along(capfd: pytest.CaptureFixture[str]) -> None:
    """It is dropped loudly; the shipper lives, its neighbours arrive."""
    with Collector().running() as collector, posting(collector.endpoint, batch=3) as post:
        post.put("a", "poison", "b", "c")

        assert until(lambda: not len(post.logs))
        assert 1 == post.shipper.refused

    assert ["a", "b", "c"] == taken(collector.received)
    assert "1 records lost: it cannot be encoded" in capfd.readouterr().err


def test_stop_ships_what_is_left() -> None:
    """Also what was put there just before."""
    with Collector().running() as collector:
        post = Post(collector.endpoint)
        post.shipper.start()
        post.put(*"abcdefghij")

        assert post.shipper.stop(5)

    assert list("abcdefghij") == taken(collector.received)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "30"}], ids=["bare", "with Retry-After"])
def test_stop_gives_up_in_time_when_the_collector_takes_nothing(headers: dict[str, str]) -> None:
    """It says that not everything arrived, and keeps it."""
    with Collector(lambda _number: (503, headers)).running() as collector:
        post = Post(collector.endpoint)
        post.shipper.start()
        post.put("a", "b", "c")
        started = time.monotonic()

        assert not post.shipper.stop(0.5)

        assert time.monotonic() - started < 2
    assert 3 == len(post.logs)


def test_stop_gives_up_in_time_when_the_collector_never_answers() -> None:
    """However long a request may take at other times."""
    released = threading.Event()

    def never(_number: int) -> tuple[int, Mapping[str, str]]:
        released.wait(10)
        return 200, {}

    with Collector(never).running() as collector:
        post = Post(collector.endpoint, timeout_s=30)
        post.put("a")
        post.shipper._stop_by = time.monotonic() + 0.3
        post.shipper._stopping.set()
        post.shipper.start()
        started = time.monotonic()

        assert not post.shipper.stop(0.3)

        assert time.monotonic() - started < 2
        released.set()


def test_stop_gives_up_in_time_when_there_is_more_than_can_be_shipped() -> None:
    """A thousand batches to a slow Collector: it ships some, and ends."""
    pause = threading.Event()

    def slow(_number: int) -> tuple[int, Mapping[str, str]]:
        pause.wait(0.02)
        return 200, {}

    with Collector(slow).running() as collector:
        post = Post(collector.endpoint, batch=1)
        post.put(*map(str, range(1_000)))
        post.shipper.start()
        started = time.monotonic()

        assert not post.shipper.stop(0.4)

        assert time.monotonic() - started < 2
    assert 0 < len(post.logs) < 1_000


def test_one_that_was_never_started_can_be_stopped() -> None:
    """As a process that fails early does."""
    assert Post("http://127.0.0.1:1").shipper.stop(0.1)


@pytest.mark.parametrize(("value", "expected"), [
    (None, None), ("", None), ("soon", None), ("-1", None), ("0", 0.0), ("7", 7.0), ("99999", MAX_RETRY_AFTER_S),
    ("Thu, 01 Jan 1970 00:00:10 GMT", 10.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ("Fri, 01 Jan 2100 00:00:00 GMT", MAX_RETRY_AFTER_S), ("Wed, 31 Dec 1969 00:00:00 GMT", 0.0),
    ("Thu, 99 Jan 1970 00:00:10 GMT", None), ("²", None),
])  # fmt: skip
def test_retry_after_is_read_in_both_forms(value: str | None, expected: float | None) -> None:
    """Seconds or a date, bounded; anything else says nothing."""
    assert expected == retry_after(value, now=0.0)
