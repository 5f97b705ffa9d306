"""Which bugs the nodes were ordered to have, and whether a node has them. Pure.

An order is for a whole service or for one node; a node's wins over its service's. Orders are kept here, not only at
the nodes: one that comes later or starts again has them too (ADR-0009).
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from apps.web.faults import FaultError, parse_rates

MAX_ORDERS: Final = 1_024


@dataclass(frozen=True, slots=True)
class Wish:
    """What a node ought to be told: rates to set; None to go back to those of its environment."""

    rates: str | None


class BugOrders:
    """The orders by target. Safe to use from any number of threads.

    A node that could not be told to go back to its environment's bugs is remembered until it was.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rates: dict[str, str] = {}
        self._to_clear: set[str] = set()
        self._answered: dict[str, tuple[str, str]] = {}

    def all(self) -> Mapping[str, str]:
        """Return the rates by target."""
        with self._lock:
            return dict(self._rates)

    def restore(self, rates: Mapping[str, str]) -> list[str]:
        """Take up orders that were kept, and return the targets whose rates no longer parse."""
        unfit = []
        for target, value in rates.items():
            try:
                parse_rates(value)
            except FaultError:
                unfit.append(target)
                continue
            with self._lock:
                self._rates[target] = value
        return unfit

    def put(self, target: str, rates: str) -> bool:
        """Order *rates*, which parse, for *target*; False if there are too many orders."""
        with self._lock:
            if target not in self._rates and len(self._rates) >= MAX_ORDERS:
                return False
            self._rates[target] = rates
        return True

    def clear(self, target: str) -> bool:
        """Take back the order for *target*; False if there is none."""
        with self._lock:
            return self._rates.pop(target, None) is not None

    def rates_for(self, service: str, node: str) -> str | None:
        """Return the rates that *node* of *service* is ordered to have, None if none are ordered."""
        with self._lock:
            return self._rates.get(node, self._rates.get(service))

    def must_clear(self, node: str) -> None:
        """Remember that *node* has to be told to go back to its environment's bugs."""
        with self._lock:
            self._to_clear.add(node)

    def told(self, service: str, node: str, wish: Wish, answered: str | None) -> None:
        """Take note that *node* of *service* carried out *wish*; *answered* are the rates it says it has now.

        Where the order ended while the node was told of it, the node has to be told that too.
        """
        with self._lock:
            self._to_clear.discard(node)
            if wish.rates is not None and node not in self._rates and service not in self._rates:
                self._to_clear.add(node)
            self._answered.pop(node, None)
            if wish.rates is not None and answered is not None:
                self._answered[node] = (wish.rates, answered)

    def forget(self, node: str) -> None:
        """Forget what was remembered of a node that is gone; orders for it stay."""
        with self._lock:
            self._to_clear.discard(node)
            self._answered.pop(node, None)

    def wish(self, service: str, node: str, has: str | None) -> Wish | None:
        """Return what *node* must be told, None if it has what it ought to.

        Args:
            service: the node's.
            node: its name.
            has: the rates that its ``/readyz`` tells; None for a node that tells none, and so takes no orders.
        """
        if has is None:
            return None
        rates = self.rates_for(service, node)
        if rates is None:
            with self._lock:
                return Wish(None) if node in self._to_clear else None
        with self._lock:
            is_as_answered = self._answered.get(node) == (rates, has)
        return None if is_as_answered or is_same(rates, has) else Wish(rates)


def is_same(one: str, other: str) -> bool:
    """Tell whether two values mean the same rates; False if one of them does not parse."""
    if one == other:
        return True
    try:
        return parse_rates(one) == parse_rates(other)
    except FaultError:
        return False
