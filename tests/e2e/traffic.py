"""Clients that send healthy requests at a steady rate, GET and POST by turns, and remember how each ended."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import requests

from tests.e2e.support import HEALTHY

TIMEOUT_S: Final = 40.0


@dataclass(frozen=True)
class Sent:
    """One request: when it was sent, to which gateway, and what became of it. *error* is empty when it went well."""

    at: float
    gateway: str
    method: str
    trace_id: str
    nodes: tuple[str, ...]
    error: str = ""


class Traffic:
    """Sends about *rate* requests per second from *clients* clients, to *gateways* in turn, until the block ends."""

    def __init__(self, gateways: Sequence[str], rate: float, clients: int = 10) -> None:
        self._gateways = gateways
        self._pause_s = clients / rate
        self._turn = itertools.count()
        self._stopping = threading.Event()
        self._may_send = threading.Event()
        self._may_send.set()
        self._inside = [threading.Lock() for _ in range(clients)]
        self._threads = [threading.Thread(target=self._run, args=(lock,)) for lock in self._inside]
        self.sent: list[Sent] = []

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopping.set()
        self._may_send.set()
        for thread in self._threads:
            thread.join()

    @property
    def failures(self) -> list[str]:
        """What went wrong, one line for each request."""
        return [f"{one.method} at {one.at:.3f}: {one.error}" for one in list(self.sent) if one.error]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Have nothing in flight in the block."""
        self._may_send.clear()
        for lock in self._inside:
            lock.acquire()
        try:
            yield
        finally:
            for lock in self._inside:
                lock.release()
            self._may_send.set()

    def wait_for(self, more: int, within_s: float = 90.0) -> None:
        """Wait until *more* further requests have ended."""
        goal, deadline = len(self.sent) + more, time.monotonic() + within_s
        while len(self.sent) < goal:
            assert time.monotonic() < deadline, f"{goal - len(self.sent)} of {more} requests did not end: no traffic"
            time.sleep(0.05)

    def _run(self, inside: threading.Lock) -> None:
        with requests.Session() as session:
            due = time.monotonic()
            while not self._stopping.is_set():
                self._may_send.wait()
                with inside:
                    self.sent.append(self._send(session, next(self._turn)))
                due = max(due + self._pause_s, time.monotonic() - self._pause_s)
                self._stopping.wait(max(due - time.monotonic(), 0.0))

    def _send(self, session: requests.Session, number: int) -> Sent:
        gateway = self._gateways[number % len(self._gateways)]
        method = "GET" if number // len(self._gateways) % 2 else "POST"
        at = time.time()
        try:
            answer = session.request(method, f"{gateway}/api/orders", headers=HEALTHY, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            return Sent(at, gateway, method, "", (), repr(error))
        trace_id = answer.headers.get("X-Trace-Id", "")
        if answer.status_code != 200:
            return Sent(at, gateway, method, trace_id, (), f"{answer.status_code} {answer.text[:300]}")
        shape = answer.json()
        return Sent(at, gateway, method, trace_id, (shape["service1"]["node"], shape["service2"]["node"]))
