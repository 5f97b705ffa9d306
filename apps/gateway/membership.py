"""Who ought to be a member of a ring: configuration, DNS and orders of a person, less what was removed. Pure.

Configuration lists ``host:port``, and ``dns+host:port`` for every address that a name has. An order counts until the
opposite one is given, for an address from DNS until DNS names it no more (ADR-0009).
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from apps.gateway.members import Source

DNS_PREFIX: Final = "dns+"
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_MAX_HOST: Final = 253


def parse_address(text: str) -> str:
    """Return ``host:port`` in its one form: lower case, no leading zeros; an IPv6 host stands in brackets.

    Raises:
        ValueError: it is none; the message says what is wrong.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or not _is_host(host):
        raise ValueError(f"{text[:80]!r} is not host:port")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65_535):
        raise ValueError(f"{text[:80]!r} is not host:port with a port from 1 to 65535")
    return f"{host.lower()}:{int(port)}"


def _is_host(host: str) -> bool:
    if host.startswith("[") and host.endswith("]"):
        try:
            return ipaddress.IPv6Address(host[1:-1]).scope_id is None
        except ValueError:
            return False
    labels = host.removesuffix(".").split(".")
    return len(host) <= _MAX_HOST and all(_LABEL.fullmatch(label) for label in labels)


def parse_members(value: str) -> tuple[str, ...]:
    """Return the comma-separated items of a setting, each once: ``host:port`` or ``dns+host:port``.

    Raises:
        ValueError: one of them is neither.
    """
    items = (item.strip() for item in value.split(","))
    return tuple(dict.fromkeys(_parse_item(item) for item in items if item))


def _parse_item(item: str) -> str:
    name = item.removeprefix(DNS_PREFIX)
    return parse_address(name) if name == item else DNS_PREFIX + parse_address(name)


@dataclass(frozen=True, slots=True)
class Orders:
    """What a person ordered of one ring, by address. This is what is kept over a restart."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    draining: tuple[str, ...] = ()


@dataclass
class Membership:
    """Who ought to be a member of the ring of one service. Not safe to use from several threads at once.

    Args:
        items: the setting: ``host:port`` and ``dns+host:port``.
    """

    items: tuple[str, ...] = ()
    _added: dict[str, None] = field(default_factory=dict)
    _removed: dict[str, None] = field(default_factory=dict)
    _draining: dict[str, None] = field(default_factory=dict)
    _resolved: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The ``host:port`` whose addresses DNS knows."""
        return tuple(item.removeprefix(DNS_PREFIX) for item in self.items if item.startswith(DNS_PREFIX))

    @property
    def orders(self) -> Orders:
        """What was ordered and still counts."""
        return Orders(tuple(self._added), tuple(self._removed), tuple(self._draining))

    def restore(self, orders: Orders) -> None:
        """Take up orders that were kept."""
        self._added = dict.fromkeys(orders.added)
        self._removed = dict.fromkeys(orders.removed)
        self._draining = dict.fromkeys(orders.draining)

    def resolved(self, name: str, addresses: Iterable[str]) -> None:
        """Take note of the addresses that *name* has now.

        What was removed and is named no more is forgotten: whoever gets that address next is another node. That waits
        for an answer for every name, as after a restart nobody knows which name had it.
        """
        self._resolved[name] = tuple(addresses)
        if self._resolved.keys() >= set(self.names):
            given = self._given()
            self._removed = {address: None for address in self._removed if address in given}

    def add(self, address: str) -> None:
        """Let *address* be a member."""
        self._removed.pop(address, None)
        self._draining.pop(address, None)
        if address not in self._given():
            self._added[address] = None

    def drain(self, address: str) -> None:
        """Let *address* get nothing new until it is added again, removed or gone; nothing if it is no member."""
        if address in self.wanted():
            self._draining[address] = None

    def gone(self, address: str) -> None:
        """Forget the drain of an address that DNS named: whoever gets it next is another node."""
        self._draining.pop(address, None)

    def remove(self, address: str) -> None:
        """Let *address* be no member until it is added again."""
        self._added.pop(address, None)
        self._draining.pop(address, None)
        if address in self._given():
            self._removed[address] = None

    def is_draining(self, address: str) -> bool:
        """Tell whether *address* was ordered to drain."""
        return address in self._draining

    def wanted(self) -> Mapping[str, Source]:
        """Return the addresses that ought to be members, with where each comes from, in a steady order."""
        given = {**dict.fromkeys(self._added, Source.ADMIN), **self._given()}
        return {address: source for address, source in given.items() if address not in self._removed}

    def _given(self) -> Mapping[str, Source]:
        by_dns = (address for name in self.names for address in self._resolved.get(name, ()))
        configured = (item for item in self.items if not item.startswith(DNS_PREFIX))
        return {**dict.fromkeys(by_dns, Source.DNS), **dict.fromkeys(configured, Source.CONFIG)}
