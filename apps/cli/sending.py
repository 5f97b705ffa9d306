"""Sends requests to the gateway and keeps what each answer says of its way. Knows nothing of terminals.

Without a rate one request follows the other. With a rate they leave on time, however long the answers take, as the
clients of a real system do.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from apps.cli.api import Api, NoReply, Reply
from apps.cli.shape import Object, child, text
from apps.web import headers

AT_ONCE: Final = 64
"""Requests that are under way at once at most; a rate that needs more falls behind, and the summary shows it."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to send. *count* None goes on until it is interrupted; *rate* None sends one after the other."""

    entity: str
    method: str = "POST"
    body: bytes | None = None
    fault: str = ""
    count: int | None = 1
    rate: float | None = None

    def headers(self) -> dict[str, str]:
        """Return the header fields of each request."""
        fields = {"Accept": "application/json"}
        if self.body is not None:
            fields["Content-Type"] = "application/json"
        if self.fault:
            fields[headers.FAULT] = self.fault
        return fields

    @property
    def asks_for_fault(self) -> bool:
        """Tell whether an error may be just what was asked for."""
        return bool(self.fault) and self.fault.strip() != "none"


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one request. *status* is 0 where no answer came; names are empty where nobody told them."""

    n: int
    sent_at: datetime
    duration_ms: float
    status: int
    trace_id: str = ""
    service1: str = ""
    service2: str = ""
    bug: str = ""
    detail: str = ""
    was_refused: bool = False

    @property
    def is_good(self) -> bool:
        """Tell whether the answer is a success."""
        return 200 <= self.status < 300


def send(api: Api, order: Order, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Answered]:
    """Send what *order* says and yield each result as it ends. Closing the iterator stops sending."""
    return _one_by_one(api, order) if order.rate is None else _on_time(api, order, order.rate, clock)


def _one_by_one(api: Api, order: Order) -> Iterator[Answered]:
    n = 0
    while order.count is None or n < order.count:
        n += 1
        yield ask(api, order, n)


def _on_time(api: Api, order: Order, rate: float, clock: Callable[[], float]) -> Iterator[Answered]:
    began = clock()
    under_way: set[Future[Answered]] = set()
    stop = threading.Event()
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="send")
    n = 0
    try:
        while under_way or order.count is None or n < order.count:
            is_more = order.count is None or n < order.count
            due_s = began + n / rate - clock() if is_more else None
            if due_s is not None and due_s <= 0 and len(under_way) < AT_ONCE:
                n += 1
                under_way.add(pool.submit(ask, api, order, n))
                continue
            if due_s is not None and not under_way:
                stop.wait(due_s)
                continue
            timeout = max(due_s, 0.001) if due_s is not None and len(under_way) < AT_ONCE else None
            done, under_way = wait(under_way, timeout=timeout, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda one: one.result().n):
                yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def ask(api: Api, order: Order, n: int) -> Answered:
    """Send request number *n* and return what became of it; it never raises for a failed one."""
    sent_at, began = datetime.now(UTC), time.perf_counter()

    def spent_ms() -> float:
        return round((time.perf_counter() - began) * 1000, 3)

    try:
        reply = api.send(order.method, f"/api/{order.entity}", headers=order.headers(), body=order.body)
    except NoReply as error:
        return Answered(n, sent_at, spent_ms(), 0, detail=str(error), was_refused=error.was_refused)
    return _read(n, sent_at, spent_ms(), reply)


def _read(n: int, sent_at: datetime, duration_ms: float, reply: Reply) -> Answered:
    decoded: Any = reply.json()
    shape: Object = decoded if isinstance(decoded, dict) else {}
    trace_id = text(dict(reply.headers), headers.TRACE_ID) or text(shape, "traceId")
    if 200 <= reply.status < 300:
        service1, service2 = child(shape, "service1"), child(shape, "service2")
        return Answered(
            n,
            sent_at,
            duration_ms,
            reply.status,
            trace_id,
            service1=text(service1, "node"),
            service2=text(service2, "node"),
            bug=text(service2, "bug"),
        )
    places = _places(reply, text(shape, "errorNode"))
    detail = text(shape, "detail") or text(shape, "title") or "the answer is no problem document"
    return Answered(
        n,
        sent_at,
        duration_ms,
        reply.status,
        trace_id,
        service1=places.get("service1", ""),
        service2=places.get("service2", ""),
        detail=detail,
    )


def _places(reply: Reply, error_node: str) -> dict[str, str]:
    """Return the nodes that an error answer names: who served it, and whose fault it is."""
    places: dict[str, str] = {}
    for name in (text(dict(reply.headers), headers.SERVED_BY), error_node):
        for service in ("service1", "service2"):
            if name.startswith(f"{service}-"):
                places[service] = name
    return places


def data_body(data: str) -> bytes:
    """Return *data* as the body of a request.

    Raises:
        ValueError: it is not JSON.
    """
    json.loads(data)
    return data.encode()


def result_shape(answered: Answered) -> dict[str, Any]:
    """Return *answered* for ``--json``."""
    return {
        "type": "request",
        "n": answered.n,
        "time": answered.sent_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ok": answered.is_good,
        "status": answered.status or None,
        "service1": answered.service1 or None,
        "service2": answered.service2 or None,
        "bug": answered.bug or None,
        "durationMs": answered.duration_ms,
        "traceId": answered.trace_id or None,
        "detail": answered.detail or None,
    }
