"""Looks at every member's ``/readyz``, again and again, and tells the balancers what it saw."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import requests
from opentelemetry.instrumentation.utils import suppress_instrumentation

from apps.gateway.balancer import Balancer, Member

PROBE_TIMEOUT_S: Final = 1.0
FIRST_LOOK_S: Final = 1.0
"""The longest that a gateway which starts waits for what its first look finds."""
_AT_ONCE: Final = 8


class Prober:
    """Probes the members of some balancers every *interval_s* seconds, in threads of its own."""

    def __init__(
        self, balancers: Sequence[Balancer], session: requests.Session, interval_s: float, at_once: int = _AT_ONCE
    ) -> None:
        self._balancers = balancers
        self._session = session
        self._interval_s = interval_s
        self._at_once = at_once
        self._stopping = threading.Event()
        self._has_looked = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to probe; return when every member was looked at once, or after `FIRST_LOOK_S`.

        A gateway that took over from another one would otherwise begin with empty rings.
        """
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)
        self._thread.start()
        self._has_looked.wait(FIRST_LOOK_S)

    def stop(self) -> None:
        """End, after the probes that are under way."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(PROBE_TIMEOUT_S * 2)

    def _run(self) -> None:
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="probe") as pool:
            while not self._stopping.is_set():
                self.probe_all(pool)
                self._has_looked.set()
                self._stopping.wait(self._interval_s)

    def probe_all(self, pool: ThreadPoolExecutor) -> None:
        """Probe every member once and wait for the answers."""
        targets = [(balancer, member) for balancer in self._balancers for member in balancer.members()]
        list(pool.map(lambda target: self._probe(*target), targets))

    def _probe(self, balancer: Balancer, member: Member) -> None:
        # Probes make no spans and no metrics: an idle stack must stay silent.
        with suppress_instrumentation():
            node, reason = self._ask(balancer.service, member.address)
        balancer.probed(member, node, reason)

    def _ask(self, service: str, address: str) -> tuple[str | None, str]:
        """Return the name of the node at *address*, or None and why it may not get requests."""
        try:
            answer = self._session.get(f"http://{address}/readyz", timeout=PROBE_TIMEOUT_S, allow_redirects=False)
        except requests.ConnectionError:
            return None, "/readyz cannot be reached"
        except requests.Timeout:
            return None, f"/readyz did not answer within {PROBE_TIMEOUT_S:g} s"
        except requests.RequestException as error:
            # Whatever a stranger on that port answers, the prober goes on.
            return None, f"/readyz cannot be asked: {type(error).__name__}"
        try:
            shape = answer.json()
        except (ValueError, RecursionError):
            return None, "/readyz answered no JSON"
        if not isinstance(shape, dict) or shape.get("service") != service:
            return None, f"/readyz is not that of a node of {service}"
        if answer.status_code != 200:
            reasons = shape.get("reasons")
            told = "; ".join(map(str, reasons)) if isinstance(reasons, list) else ""
            return None, told or f"/readyz answered {answer.status_code}"
        return str(shape.get("node") or "") or None, "/readyz names no node"
