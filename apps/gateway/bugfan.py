"""Carries orders for bugs to the nodes: to all at once when they are given, to one when the prober finds it lacking."""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import requests
from opentelemetry.instrumentation.utils import suppress_instrumentation
from requests.structures import CaseInsensitiveDict

from apps.gateway.balancer import Balancer
from apps.gateway.bugs import BugOrders, Wish
from apps.gateway.errors import BoundReached, NotFound
from apps.gateway.members import Member, Seen
from apps.web.client import CallError, call
from apps.web.deadline import Deadline

CALL_TIMEOUT_S: Final = 1.0
TURN_S: Final = 2.0
"""The longest that an order waits for another one that a node is being told: longer than a call may take."""
AT_ONCE: Final = 32
_MAX_ANSWER_BYTES: Final = 64 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """How telling one node went; *detail* is why it could not be reached, None if it did what it was told."""

    node: str
    detail: str | None


class BugFan:
    """The orders for bugs of a gateway, and their way to the nodes.

    Args:
        orders: what is ordered.
        balancers: whose members are told.
        session: reaches them.
        token: the admin's, which nodes ask for.
        keep: called, one call at a time, after each order with the rates by target.
        on_order: called with the target and the rates of each order, None where one was taken back.
    """

    def __init__(
        self,
        orders: BugOrders,
        balancers: Sequence[Balancer],
        session: requests.Session,
        token: str,
        *,
        keep: Callable[[Mapping[str, str]], object] = lambda rates: None,
        on_order: Callable[[str, str | None], None] = lambda target, rates: None,
    ) -> None:
        self.orders = orders
        self._balancers = balancers
        self._session = session
        self._token = token
        self._keep = keep
        self._on_order = on_order
        self._lock = threading.Lock()
        self._failing: set[str] = set()
        self._telling: dict[str, threading.Lock] = {}
        """One at a time tells a node: of two that do, the one that began first must not have the last word."""

    def nodes(self) -> list[tuple[str, Member]]:
        """Return the service and the member of every node that has a name."""
        return [
            (balancer.service, member) for balancer in self._balancers for member in balancer.members() if member.node
        ]

    def put(self, target: str, rates: str) -> list[Told]:
        """Order *rates*, which parse, for a service or a node, and return how telling the nodes went.

        Raises:
            NotFound: there is no such service or node.
            BoundReached: there are too many orders.
        """
        self._check(target)
        with self._lock:
            if not self.orders.put(target, rates):
                raise BoundReached("There are as many orders for bugs as there may be; take some back first.")
            self._keep(self.orders.all())
        self._on_order(target, rates)
        return self._tell(self._under(target))

    def clear(self, target: str | None = None) -> list[Told]:
        """Take back the order for *target*, or all, and return how telling the nodes went.

        Raises:
            NotFound: there is no such service or node, nor an order for it.
        """
        with self._lock:
            targets = list(self.orders.all()) if target is None else [target]
            affected = self._under(target)
            if target is not None and target not in self.orders.all():
                self._check(target)
            for one in targets:
                self.orders.clear(one)
            for _, member in affected:
                self.orders.must_clear(member.node)
            self._keep(self.orders.all())
        for one in targets:
            self._on_order(one, None)
        return self._tell(affected)

    def notice(self, service: str, member: Member, seen: Seen) -> None:
        """Put a node right whose ``/readyz`` tells other bugs than ordered (the prober's `Notice`)."""
        if member.node != seen.node:
            return
        with self._turn(member.node, 0.0) as is_ours:
            # Whoever tells it now has newer words; the next look finds what is still lacking.
            wish = self.orders.wish(service, member.node, seen.bugs) if is_ours else None
            if wish is None:
                return
            detail = self._carry_out(service, member, wish)
        if detail is None:
            self._failing.discard(member.node)
            words = "back to its environment's" if wish.rates is None else f"set to {wish.rates or 'none'}"
            _log.info("the bugs of %s were put right: %s", member.node, words)
        elif member.node not in self._failing:
            self._failing.add(member.node)
            _log.warning("the bugs of %s cannot be put right: %s", member.node, detail)

    def forget(self, node: str) -> None:
        """Forget what was remembered of a node that is no member any more, unless it is one at another address."""
        if all(member.node != node for _, member in self.nodes()):
            self.orders.forget(node)
            self._failing.discard(node)
            self._telling.pop(node, None)

    def _check(self, target: str) -> None:
        known = {balancer.service for balancer in self._balancers} | {member.node for _, member in self.nodes()}
        if target not in known:
            raise NotFound("target", target, known)

    def _under(self, target: str | None) -> list[tuple[str, Member]]:
        return [one for one in self.nodes() if target in (None, one[0], one[1].node)]

    def _tell(self, nodes: Sequence[tuple[str, Member]]) -> list[Told]:
        """Tell each of *nodes* what counts for it now, several at once."""
        if not nodes:
            return []
        with ThreadPoolExecutor(min(AT_ONCE, len(nodes)), thread_name_prefix="bugs") as pool:
            return list(pool.map(lambda one: self._tell_one(*one), nodes))

    def _tell_one(self, service: str, member: Member) -> Told:
        with self._turn(member.node, TURN_S) as is_ours:
            if not is_ours:
                return Told(member.node, "it is being told something else, and does not answer")
            wish = Wish(self.orders.rates_for(service, member.node))
            return Told(member.node, self._carry_out(service, member, wish))

    @contextmanager
    def _turn(self, node: str, wait_s: float) -> Iterator[bool]:
        """Be the only one that tells *node*, having waited at most *wait_s*; False if another one does."""
        lock = self._telling.setdefault(node, threading.Lock())
        is_ours = lock.acquire(timeout=wait_s)
        try:
            yield is_ours
        finally:
            if is_ours:
                lock.release()

    def _carry_out(self, service: str, member: Member, wish: Wish) -> str | None:
        """Tell a node, and return why that failed, None if it did not."""
        node = member.node
        try:
            # An order is no part of a request's path: it makes no spans.
            with suppress_instrumentation():
                answered = self._send(member.address, wish)
        except CallError as error:
            return str(error)
        except Exception as error:
            return f"it cannot be asked: {type(error).__name__}"
        if isinstance(answered, int):
            return f"it answered {answered}"
        self.orders.told(service, node, wish, answered)
        return None

    def _send(self, address: str, wish: Wish) -> str | int:
        """Return the rates that a node says it has afterwards, or the status of its refusal."""
        request = requests.PreparedRequest()
        request.method = "DELETE" if wish.rates is None else "PUT"
        request.url = f"http://{address}/admin/bugs"
        request.headers = CaseInsensitiveDict({"Authorization": f"Bearer {self._token}"})
        if wish.rates is not None:
            body = json.dumps({"rates": wish.rates}).encode()
            request.body = body
            request.headers.update({"Content-Type": "application/json", "Content-Length": str(len(body))})
        answer = call(self._session, request, Deadline(CALL_TIMEOUT_S * 1000), _MAX_ANSWER_BYTES)
        if answer.status != 200:
            return answer.status
        try:
            shape = json.loads(answer.body)
        except (ValueError, RecursionError):
            return ""
        rates = shape.get("rates") if isinstance(shape, dict) else None
        return rates if isinstance(rates, str) else ""
