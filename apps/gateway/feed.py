"""What happens in the gateway as it happens, for those who watch. Pure.

Nobody who watches can hold up a request: each reader has a bounded queue, and the oldest event gives way to the newest
when the reader is too slow, which is counted and told to it.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

QUEUE_EVENTS: Final = 1_000
"""Events that wait for one reader at the most."""
DROPPED: Final = "dropped"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: what kind of thing, and its fields in JSON."""

    name: str
    data: Mapping[str, Any]


@dataclass(eq=False)
class Reader:
    """The queue of one who watches."""

    _capacity: int
    _events: deque[Event] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _dropped: int = 0

    def put(self, event: Event) -> bool:
        """Queue *event*; False if the oldest one had to give way."""
        with self._changed:
            is_full = len(self._events) >= self._capacity
            if is_full:
                self._events.popleft()
                self._dropped += 1
            self._events.append(event)
            self._changed.notify()
        return not is_full

    def take(self, timeout_s: float) -> list[Event]:
        """Return what waits, oldest first, waiting at most *timeout_s* for the first; empty if nothing came.

        An event `DROPPED` with the count comes first where some gave way since the last call.
        """
        with self._changed:
            self._changed.wait_for(lambda: bool(self._events), timeout_s)
            events = list(self._events)
            if self._dropped:
                events.insert(0, Event(DROPPED, {"count": self._dropped}))
            self._events.clear()
            self._dropped = 0
        return events


class Feed:
    """Hands every event to every reader.

    Args:
        readers: how many there may be at once.
        capacity: events that wait for one of them.
        on_drop: called with each event that gave way.
    """

    def __init__(self, readers: int, capacity: int = QUEUE_EVENTS, on_drop: Callable[[], None] = lambda: None) -> None:
        self.limit = readers
        self._capacity = capacity
        self._on_drop = on_drop
        self._lock = threading.Lock()
        self._readers: tuple[Reader, ...] = ()

    @property
    def is_watched(self) -> bool:
        """Whether anybody watches: what nobody would see need not be put together."""
        return bool(self._readers)

    @property
    def readers(self) -> int:
        """How many watch now: each holds a thread."""
        return len(self._readers)

    def open(self) -> Reader | None:
        """Return a new reader, to be closed by whoever asked; None if there are as many as there may be."""
        with self._lock:
            if len(self._readers) >= self.limit:
                return None
            reader = Reader(self._capacity)
            self._readers = (*self._readers, reader)
            return reader

    def close(self, reader: Reader) -> None:
        """Let *reader* get nothing more. Closing it again does nothing."""
        with self._lock:
            self._readers = tuple(one for one in self._readers if one is not reader)

    def publish(self, name: str, data: Mapping[str, Any]) -> None:
        """Hand an event to all who watch; never waits."""
        event = Event(name, data)
        for reader in self._readers:
            if not reader.put(event):
                self._on_drop()
