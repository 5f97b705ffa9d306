"""Asks DNS again and again which addresses a name has, and tells who is interested.

A look-up can hang for as long as the system's resolver likes, and nothing can interrupt it. So each name has a thread
of its own, which nobody waits for: a name that hangs holds up no other, and no end of the process either.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

FIRST_ANSWER_S: Final = 0.5
"""The longest that a start waits for the first answers."""
Resolve = Callable[[str], Sequence[str]]
"""Returns the addresses, ``host:port``, of a ``host:port``. Raises OSError."""
_log = logging.getLogger(__name__)


def resolve(name: str) -> Sequence[str]:
    """Return every address of *name*, sorted, each with its port; IPv6 in brackets.

    Raises:
        OSError: the look-up failed, or the name has no address.
    """
    host, _, port = name.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host!r} is no host name") from error
    hosts = {str(address[0]).partition("%")[0] for *_, address in found}
    return sorted(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in hosts)


class LookUps:
    """Looks names up every *interval_s* seconds, from `start` to `stop`.

    Args:
        names: services with a ``host:port`` of theirs each.
        tell: called with service, name and addresses after each good answer.
        tick: called with the service after each failed one: what was known before still counts.
        interval_s: seconds between two look-ups of one name.
        resolve: looks a name up.
    """

    def __init__(
        self,
        names: Iterable[tuple[str, str]],
        tell: Callable[[str, str, Sequence[str]], None],
        tick: Callable[[str], None],
        interval_s: float,
        resolve: Resolve = resolve,
    ) -> None:
        self._names = tuple(names)
        self._tell = tell
        self._tick = tick
        self._interval_s = interval_s
        self._resolve = resolve
        self._stopping = threading.Event()
        self._first = [threading.Event() for _ in self._names]

    def start(self, wait_s: float = FIRST_ANSWER_S) -> None:
        """Begin to look up; return when every name was answered once, or after *wait_s*."""
        for number, (service, name) in enumerate(self._names):
            threading.Thread(target=self._run, args=(service, name, number), name=f"dns-{name}", daemon=True).start()
        give_up_at = time.monotonic() + wait_s
        for event in self._first:
            event.wait(max(give_up_at - time.monotonic(), 0.0))

    def stop(self) -> None:
        """End after the look-ups that are under way, without waiting for them."""
        self._stopping.set()

    def _run(self, service: str, name: str, number: int) -> None:
        is_failing = False
        while not self._stopping.is_set():
            is_failing = self._look(service, name, is_failing)
            self._first[number].set()
            self._stopping.wait(self._interval_s)

    def _look(self, service: str, name: str, was_failing: bool) -> bool:
        """Look *name* up once and return whether that failed."""
        try:
            addresses = self._resolve(name)
        except OSError as error:
            if not was_failing:
                _log.warning("%s cannot be looked up, so its members stay as they were: %s", name, error)
            self._tick(service)
            return True
        if was_failing:
            _log.info("%s can be looked up again: %s", name, ", ".join(addresses))
        if not self._stopping.is_set():
            self._tell(service, name, addresses)
        return False
