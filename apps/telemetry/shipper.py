"""Takes records from the outboxes to the Collector over OTLP/HTTP, and frees them only on its 200.

Answers are read as the OTLP specification says ("OTLP/HTTP Response", "Retryable Response Codes"): 429, 502, 503 and
504 are tried again, with ``Retry-After`` where it is given; any other failure drops the batch, loudly and counted,
since it could only fail again.
"""

import contextlib
import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

import requests
from opentelemetry.instrumentation.utils import suppress_instrumentation

from apps.telemetry.outbox import Outbox

RETRYABLE: Final = frozenset({429, 502, 503, 504})
MAX_BACKOFF_S: Final = 5.0
MAX_RETRY_AFTER_S: Final = 30.0
LAST_POST_S: Final = 0.2
"""What a request that starts just before the end may take beyond it."""


class Encodable(Protocol):
    """An OTLP export request: a protobuf message."""

    def SerializeToString(self) -> bytes:
        """Return the message's bytes."""
        ...


@dataclass(frozen=True)
class Route:
    """One signal's way out: an outbox, the path it is posted to, and how a batch is encoded."""

    path: str
    outbox: Outbox[Any]
    encode: Callable[[Sequence[Any]], Encodable]


class Refused(Exception):
    """The Collector will never take this batch."""


class Unavailable(Exception):
    """The Collector cannot take this batch now; *retry_after_s* is what it asked for, if it did."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a ``Retry-After`` field asks for (RFC 9110 §10.2.3), None where it says nothing."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_RETRY_AFTER_S)
    with contextlib.suppress(ValueError, TypeError):
        return min(max(parsedate_to_datetime(value).timestamp() - now, 0.0), MAX_RETRY_AFTER_S)
    return None


class Shipper:
    """One thread that empties the outboxes of a process.

    Args:
        endpoint: base address of an OTLP/HTTP receiver, such as ``http://127.0.0.1:4318``.
        routes: the signals, in the order in which they are shipped.
        delay_s: the longest that a record waits for others to go with it.
        batch: most records in one request. Encoding a batch holds the interpreter, so it is kept small: a request
            in another thread must not wait tens of milliseconds for it.
        timeout_s: for one request to be answered.
    """

    def __init__(
        self,
        endpoint: str,
        routes: Sequence[Route],
        *,
        delay_s: float = 0.1,
        batch: int = 128,
        timeout_s: float = 10.0,
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._routes = routes
        self._delay_s = delay_s
        self._batch = batch
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = False
        self._stopping = threading.Event()
        self._stop_by = 0.0
        self._thread: threading.Thread | None = None
        self.refused = 0
        """Records that the Collector would never take, and that were dropped for it."""

    def start(self) -> None:
        """Begin to ship, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="telemetry-shipper", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Ship what is left within *timeout_s*, then end. Return whether all of it arrived.

        A request that is under way may take as long as it may; it is not waited for any longer than that.
        """
        self._stop_by = time.monotonic() + timeout_s
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_s + LAST_POST_S)
        self._session.close()
        return not any(len(route.outbox) for route in self._routes)

    def _run(self) -> None:
        # What ships telemetry makes none of its own: it would never end.
        with suppress_instrumentation():
            while not self._stopping.wait(self._delay_s):
                self._ship_all()
            self._ship_all()

    def _ship_all(self) -> None:
        for route in self._routes:
            while not self._is_over() and (records := route.outbox.oldest(self._batch)):
                if not self._deliver(route, records):
                    return
                route.outbox.free(len(records))

    def _deliver(self, route: Route, records: Sequence[Any]) -> bool:
        """Post *records* until the Collector has answered for good. False if the process ends before that."""
        try:
            body = route.encode(records).SerializeToString()
        except Exception as error:
            # One record that no encoder takes must neither stop this thread nor take its neighbours along.
            if len(records) > 1:
                return all(self._deliver(route, [record]) for record in records)
            self._lose(records, f"it cannot be encoded: {error}")
            return True
        backoff_s = 0.1
        while True:
            try:
                self._post(route.path, body)
            except Refused as refusal:
                self._lose(records, str(refusal))
            except Unavailable as fault:
                wait_s = fault.retry_after_s or backoff_s * random.uniform(0.5, 1.0)
                if not self._may_wait(wait_s):
                    return False
                backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)
                continue
            return True

    def _lose(self, records: Sequence[Any], why: str) -> None:
        self.refused += len(records)
        print(f"telemetry: {len(records)} records lost: {why}", file=sys.stderr, flush=True)

    def _is_over(self) -> bool:
        return self._stopping.is_set() and time.monotonic() >= self._stop_by

    def _patience_s(self) -> float:
        """Return how long one request may take now."""
        if not self._stopping.is_set():
            return self._timeout_s
        return min(self._timeout_s, max(self._stop_by - time.monotonic(), LAST_POST_S))

    def _may_wait(self, wait_s: float) -> bool:
        if not self._stopping.is_set():
            self._stopping.wait(wait_s)
            return True
        left_s = self._stop_by - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(wait_s, left_s))
        return True

    def _post(self, path: str, body: bytes) -> None:
        try:
            answer = self._session.post(
                self._endpoint + path,
                data=body,
                headers={"Content-Type": "application/x-protobuf"},
                timeout=self._patience_s(),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Unavailable(f"{self._endpoint}{path}: {error}") from error
        if answer.status_code in RETRYABLE:
            wait_s = retry_after(answer.headers.get("Retry-After"), time.time())
            raise Unavailable(f"{self._endpoint}{path} answered {answer.status_code}", wait_s)
        if answer.status_code != 200:
            raise Refused(f"{self._endpoint}{path} answered {answer.status_code}: {answer.text[:200]}")
