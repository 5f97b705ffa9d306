"""Follows what happens at several gateways at once: their event streams and their rings, through restarts.

A thread a gateway reads and puts what comes into one bounded queue; the command takes it out in its own pace. When
the queue is full what comes is thrown away and counted, and the count is told as the gateway tells its own.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import requests
import urllib3

from apps.cli import errors
from apps.cli.addresses import Address
from apps.cli.api import Api
from apps.cli.sse import Reader, TooLong

STREAM: Final = "/admin/stream"
RINGS: Final = "/admin/rings"
SILENCE_S: Final = 25.0
"""A stream that is silent for longer is broken: a comment comes every 10 seconds."""
MOST_WAITING: Final = 20_000
FIRST_PAUSE_S: Final = 0.2
LAST_PAUSE_S: Final = 2.0
JOIN_S: Final = 1.0
"""How long the end waits for a thread that is just connecting."""
_PIECE: Final = 65_536

LOST: Final = "lost"
BACK: Final = "back"
DROPPED: Final = "dropped"
SNAPSHOT: Final = "rings"


@dataclass(frozen=True, slots=True)
class Told:
    """What a gateway told, or what happened to the connection to it.

    *gateway* is its name, or its address before it was ever heard; *address* tells gateways apart. *name* is the
    event's, or ``rings`` (a whole answer), ``lost`` (with ``reason``), ``back`` (with ``seconds``), ``dropped`` (with
    ``count``).
    *at* is when it came, in monotonic seconds.
    """

    address: str
    gateway: str
    name: str
    data: dict[str, Any]
    at: float


@dataclass
class _Gateway:
    address: Address
    api: Api
    name: str
    response: requests.Response | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Following:
    """The streams of *addresses*, joined. Leaving it closes them.

    Args:
        addresses: the gateways.
        token: the admin token.
        asks_rings: also ask for the rings: at the start, after a reconnect, and every *every_s* seconds.
        every_s: seconds.
    """

    def __init__(
        self, addresses: Sequence[Address], token: str | None, *, asks_rings: bool = False, every_s: float = 1.0
    ) -> None:
        self._gateways = [_Gateway(one, Api(one, token=token, answer_s=SILENCE_S), one.url) for one in addresses]
        self._asks_rings = asks_rings
        self._every_s = every_s
        self._told: queue.Queue[Told] = queue.Queue(MOST_WAITING)
        self._dropped = 0
        self._is_over = threading.Event()
        self._threads: list[threading.Thread] = []
        self.unavailable: list[tuple[Address, errors.CliError]] = []

    def __enter__(self) -> "Following":
        """Connect to every gateway that is there.

        Raises:
            CliError: none of them answers as it should; it is the error of the first.
        """
        try:
            self._start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def gateways(self) -> list[str]:
        """Return the gateways' names; its address for one that never answered."""
        return [one.name for one in self._gateways]

    def take(self, wait_s: float) -> Iterator[Told]:
        """Yield what came, waiting up to *wait_s* seconds for the first of it; then what is there already."""
        if self._dropped:
            count, self._dropped = self._dropped, 0
            yield Told("", "", DROPPED, {"count": count}, time.monotonic())
        with suppress(queue.Empty):
            yield self._told.get(timeout=wait_s)
            for _ in range(MOST_WAITING):
                yield self._told.get_nowait()

    def _start(self) -> None:
        for one in self._gateways:
            try:
                self._connect(one)
            except errors.CliError as error:
                self.unavailable.append((one.address, error))
        if len(self.unavailable) == len(self._gateways):
            raise self.unavailable[0][1]
        for address, reason in self.unavailable:
            self._put(address.url, address.url, LOST, {"reason": str(reason)})
        runs: list[Callable[[_Gateway], None]] = [self._follow, *([self._poll] if self._asks_rings else [])]
        for one in self._gateways:
            for run in runs:
                thread = threading.Thread(target=run, args=(one,), name=f"follow {one.address.url}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _connect(self, one: _Gateway) -> None:
        """Open the stream, then learn the gateway's name: what happens in between is in the stream already."""
        response = one.api.open(STREAM)
        with one.lock:
            if self._is_over.is_set():
                response.close()
                return
            one.response = response
        try:
            self._ask_rings(one)
        except errors.CliError:
            one.response = None
            response.close()
            raise

    def _ask_rings(self, one: _Gateway) -> None:
        answer = one.api.get(RINGS)
        named = answer.get("gateway")
        one.name = named if isinstance(named, str) and named else one.address.url
        if self._asks_rings:
            self._put(one.address.url, one.name, SNAPSHOT, answer)

    def _poll(self, one: _Gateway) -> None:
        while not self._is_over.wait(self._every_s):
            with suppress(errors.CliError):  # the stream's reader tells of a gateway that is gone
                if one.response is not None:
                    self._ask_rings(one)

    def _follow(self, one: _Gateway) -> None:
        lost_at, pause_s = time.monotonic(), FIRST_PAUSE_S
        while not self._is_over.is_set():
            if one.response is not None:
                reason = self._read(one, one.response)
                one.response = None
                lost_at, pause_s = time.monotonic(), FIRST_PAUSE_S
                self._put(one.address.url, one.name, LOST, {"reason": reason})
            self._is_over.wait(pause_s)
            pause_s = min(2 * pause_s, LAST_PAUSE_S)
            if self._is_over.is_set():
                return
            with suppress(errors.CliError):
                self._connect(one)
                self._put(one.address.url, one.name, BACK, {"seconds": round(time.monotonic() - lost_at, 1)})

    def _read(self, one: _Gateway, response: requests.Response) -> str:
        """Read *response* to its end and return why it ended."""
        reader = Reader()
        try:
            while piece := response.raw.read1(_PIECE):
                for event in reader.feed(piece):
                    self._put(one.address.url, one.name, event.name, event.data)
        except TooLong:
            return "its stream made no sense"
        except (urllib3.exceptions.ReadTimeoutError, TimeoutError):
            return f"it was silent for {SILENCE_S:g} s"
        except (urllib3.exceptions.HTTPError, requests.RequestException, OSError, ValueError, AttributeError):
            return "the connection broke"
        finally:
            response.close()
        return "it ended the stream"

    def _put(self, address: str, gateway: str, name: str, data: dict[str, Any]) -> None:
        try:
            self._told.put_nowait(Told(address, gateway, name, data, time.monotonic()))
        except queue.Full:
            self._dropped += 1

    def _close(self) -> None:
        self._is_over.set()
        for one in self._gateways:
            with one.lock:
                if one.response is not None:
                    _unblock(one.response)
            one.api.close()
        for thread in self._threads:
            thread.join(JOIN_S)


def _unblock(response: requests.Response) -> None:
    """Wake a thread that waits for more of *response*."""
    with suppress(OSError, ValueError, RuntimeError, AttributeError):
        response.raw.shutdown()
