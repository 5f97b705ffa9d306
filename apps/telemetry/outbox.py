"""Where a record waits between the moment it is emitted and the moment the Collector has it.

An outbox is appended to in the path of a request, so `append` never blocks and never raises. It gives up a batch
only when the shipper says that the batch arrived. `MemoryOutbox` holds records in this process: they outlive a
Collector that is away, not the death of the process. A durable spool takes its place behind the same protocol.
"""

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Outbox(Protocol[Item]):
    """A bounded queue whose oldest records stay until they are freed."""

    @property
    def dropped(self) -> int:
        """Records lost because the outbox was full, since the process started."""
        ...

    def __len__(self) -> int:
        """Return how many records wait."""
        ...

    def append(self, item: Item) -> None:
        """Keep *item* as the newest. When full, the oldest goes and is counted in `dropped`."""
        ...

    def oldest(self, limit: int) -> Sequence[Item]:
        """Return up to *limit* of the oldest records, oldest first, and keep them."""
        ...

    def free(self, count: int) -> None:
        """Forget the *count* records that the last `oldest` returned."""
        ...


class MemoryOutbox(Outbox[Item]):
    """An outbox in this process's memory; one thread may read it, any number may append."""

    def __init__(self, capacity: int = 65_536) -> None:
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._lock = threading.Lock()
        self._on_their_way = 0
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Records lost because the outbox was full, since the process started."""
        return self._dropped

    def __len__(self) -> int:
        """Return how many records wait."""
        return len(self._items)

    def append(self, item: Item) -> None:
        """Keep *item* as the newest. When full, the oldest goes and is counted in `dropped`."""
        with self._lock:
            self._items.append(item)
            if len(self._items) > self._capacity:
                # Those on their way may still arrive: the oldest that is not goes.
                del self._items[min(self._on_their_way, self._capacity)]
                self._dropped += 1

    def oldest(self, limit: int) -> Sequence[Item]:
        """Return up to *limit* of the oldest records, oldest first, and keep them."""
        with self._lock:
            taken = list(islice(self._items, limit))
            self._on_their_way = len(taken)
            return taken

    def free(self, count: int) -> None:
        """Forget the *count* records that the last `oldest` returned."""
        with self._lock:
            for _ in range(count):
                self._items.popleft()
            self._on_their_way = 0
