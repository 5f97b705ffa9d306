"""The rings of a gateway with the orders they follow: what a person, DNS or a restart asks for is done here.

Orders change the `Membership` of a service first, then its `Balancer` is brought in line with that, then they are
kept. One order at a time; requests and probes are not held up by them.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from apps.gateway.balancer import MAX_MEMBERS, Balancer
from apps.gateway.errors import BoundReached, NotFound
from apps.gateway.members import LEAVING, Member, Source, State
from apps.gateway.membership import Membership, Orders

GONE_FROM_DNS = "its address is gone from DNS"
_log = logging.getLogger(__name__)


class Rings:
    """Balancers by service, each with the membership it follows.

    Args:
        balancers: one for each service; they need not have members.
        memberships: who ought to be a member, by service.
        keep: called, one call at a time, after each order with the orders of all services.
    """

    def __init__(
        self,
        balancers: Sequence[Balancer],
        memberships: Mapping[str, Membership],
        keep: Callable[[Mapping[str, Orders]], object] = lambda orders: None,
    ) -> None:
        self.balancers = tuple(balancers)
        self._by_service = {balancer.service: balancer for balancer in balancers}
        self._memberships = memberships
        self._keep = keep
        self._lock = threading.Lock()
        self._left_out: Counter[str] = Counter()
        for balancer in balancers:
            self._settle(balancer)

    def balancer(self, service: str) -> Balancer:
        """Return the balancer of *service*.

        Raises:
            NotFound: there is no such service.
        """
        if service not in self._by_service:
            raise NotFound("service", service, self._by_service)
        return self._by_service[service]

    def names(self) -> list[tuple[str, str]]:
        """Return the services with each ``host:port`` of theirs that DNS is to be asked for."""
        return [(service, name) for service, membership in self._memberships.items() for name in membership.names]

    def restore(self, orders: Mapping[str, Orders]) -> None:
        """Take up orders that were kept."""
        with self._lock:
            for service, kept in orders.items():
                if service in self._memberships:
                    self._memberships[service].restore(kept)
                    self._settle(self._by_service[service])

    def add(self, service: str, address: str) -> tuple[Member, bool]:
        """Return the member at *address* and whether it is new. One that drains or was removed is taken back.

        Raises:
            NotFound: there is no such service.
            BoundReached: it has as many members as it may have.
        """
        balancer = self.balancer(service)
        with self._lock:
            membership = self._memberships[service]
            before = membership.orders
            membership.add(address)
            try:
                member, is_new = balancer.add(address, membership.wanted()[address])
            except BoundReached:
                membership.restore(before)
                raise
            self._kept()
        return member, is_new

    def drain(self, service: str, name: str) -> Member:
        """Let a member get nothing new, and return it. *name* is that of the node, or its address.

        Raises:
            NotFound: there is no such service or member.
        """
        balancer = self.balancer(service)
        with self._lock:
            member = balancer.find(name)
            self._memberships[service].drain(member.address)
            balancer.drain(member)
            self._kept()
        return member

    def remove(self, service: str, name: str) -> Member:
        """Let a member be none any more, and return what it was. *name* is that of the node, or its address.

        Raises:
            NotFound: there is no such service or member.
        """
        balancer = self.balancer(service)
        with self._lock:
            member = balancer.find(name)
            self._memberships[service].remove(member.address)
            balancer.remove(member)
            self._kept()
        return member

    def resolved(self, service: str, name: str, addresses: Iterable[str]) -> None:
        """Bring the ring of *service* in line with the addresses that *name* has now."""
        with self._lock:
            membership = self._memberships[service]
            before = membership.orders
            membership.resolved(name, addresses)
            if membership.orders != before:
                self._kept()
            self._settle(self._by_service[service])

    def settle(self, service: str) -> None:
        """Bring the ring of *service* in line with its membership: what had to drain first may be removable now."""
        with self._lock:
            self._settle(self._by_service[service])

    def _settle(self, balancer: Balancer) -> None:
        membership = self._memberships[balancer.service]
        wanted = membership.wanted()
        present = {member.address: member for member in balancer.members()}
        for address, member in present.items():
            if address not in wanted:
                self._let_go(balancer, membership, member)
        for address, source in wanted.items():
            if address in present:
                self._hold_on(balancer, membership, present[address], source)
        self._take_in(balancer, membership, [address for address in wanted if address not in present])

    def _take_in(self, balancer: Balancer, membership: Membership, addresses: Sequence[str]) -> None:
        """Add those that there is room for; the others are told in the log."""
        wanted = membership.wanted()
        room = max(MAX_MEMBERS - len(balancer.members()), 0)
        for address in addresses[:room]:
            member, _ = balancer.add(address, wanted[address])
            if membership.is_draining(address):
                balancer.drain(member)
        left_out = len(addresses[room:])
        if left_out != self._left_out[balancer.service]:
            self._left_out[balancer.service] = left_out
            _log.warning("%s has room for %d members; %d are left out", balancer.service, MAX_MEMBERS, left_out)

    def _let_go(self, balancer: Balancer, membership: Membership, member: Member) -> None:
        """Drain a member that nobody wants any more, and remove it when it has."""
        if member.source is not Source.DNS:
            balancer.remove(member)
            return
        balancer.drain(member, GONE_FROM_DNS)
        if member.state is State.DRAINED:
            balancer.remove(member, GONE_FROM_DNS)
            if membership.is_draining(member.address):
                membership.gone(member.address)
                self._kept()

    def _hold_on(self, balancer: Balancer, membership: Membership, member: Member, source: Source) -> None:
        """Take a member back whose address DNS names again before it had drained."""
        if membership.is_draining(member.address):
            balancer.drain(member)
        elif member.is_held and member.state in LEAVING:
            balancer.add(member.address, source)

    def _kept(self) -> None:
        self._keep({service: membership.orders for service, membership in self._memberships.items()})
