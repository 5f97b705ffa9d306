"""Looks at every member's ``/readyz``, again and again, and tells the balancers what it saw.

A member that hangs holds a thread for the whole time that a look may take. Members that were slow the last time
are therefore looked at by other threads than the rest, and no member by two at once.
"""

import json
import logging
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final

import requests
from opentelemetry.instrumentation.utils import suppress_instrumentation
from requests.structures import CaseInsensitiveDict

from apps.gateway.balancer import Balancer
from apps.gateway.members import Member, Seen
from apps.web.client import Answer, CallError, TimedOut, Unsent, call
from apps.web.deadline import Deadline

PROBE_TIMEOUT_S: Final = 1.0
FIRST_LOOK_S: Final = 1.0
"""The longest that a gateway which starts waits for what its first look finds."""
MAX_ANSWER_BYTES: Final = 64 * 1024
_AT_ONCE: Final = 8
_DRAINING: Final = "draining"
_NAME: Final = re.compile(r"[!-~]{1,128}")
_MAX_REASON: Final = 200
_MAX_BUGS: Final = 2_000
_log = logging.getLogger(__name__)

Notice = Callable[[str, Member, Seen], None]
"""Told of a good look, with the service: it may talk to the node, and has a thread to do so."""


class Prober:
    """Probes the members of some balancers every *interval_s* seconds, in threads of its own.

    Args:
        balancers: whose members are looked at, those added later too.
        session: reaches them.
        interval_s: seconds between two looks at one member.
        at_once: members that are looked at at once, of those that are quick and of those that were slow.
        notice: told of each look that found a node.
    """

    def __init__(
        self,
        balancers: Sequence[Balancer],
        session: requests.Session,
        interval_s: float,
        at_once: int = _AT_ONCE,
        *,
        notice: Notice = lambda service, member, seen: None,
    ) -> None:
        self._balancers = balancers
        self._session = session
        self._interval_s = interval_s
        self._at_once = at_once
        self._notice = notice
        self._stopping = threading.Event()
        self._due = threading.Event()
        self._has_looked = threading.Event()
        self._thread: threading.Thread | None = None
        self._under_way: dict[Member, Future[None]] = {}
        self._slow: set[Member] = set()

    def start(self) -> None:
        """Begin to probe; return when every member was looked at once, or after `FIRST_LOOK_S`.

        A gateway that took over from another one would otherwise begin with empty rings.
        """
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)
        self._thread.start()
        self._has_looked.wait(FIRST_LOOK_S)

    def retire(self) -> None:
        """Begin no more probes; waits for none."""
        self._stopping.set()
        self._due.set()

    def stop(self) -> None:
        """End, after the probes that are under way."""
        self.retire()
        if self._thread is not None:
            self._thread.join(PROBE_TIMEOUT_S * 3)

    def wake(self) -> None:
        """Look at all members now, not only when the interval is over."""
        self._due.set()

    def _run(self) -> None:
        with (
            ThreadPoolExecutor(self._at_once, thread_name_prefix="probe") as quick,
            ThreadPoolExecutor(self._at_once, thread_name_prefix="probe-slow") as slow,
        ):
            wait(self._submit(quick, slow, is_first=True), FIRST_LOOK_S)
            self._has_looked.set()
            while not self._stopping.is_set():
                self._due.wait(self._interval_s)
                self._due.clear()
                if not self._stopping.is_set():
                    self._submit(quick, slow)

    def _submit(self, quick: ThreadPoolExecutor, slow: ThreadPoolExecutor, *, is_first: bool = False) -> list[Any]:
        """Begin a look at each member that none is under way at, and return those looks."""
        self._under_way = {member: look for member, look in self._under_way.items() if not look.done()}
        begun = []
        present = set()
        for balancer in self._balancers:
            for member in balancer.members():
                present.add(member)
                if member not in self._under_way:
                    pool = slow if member in self._slow else quick
                    self._under_way[member] = pool.submit(self._probe, balancer, member, is_first=is_first)
                    begun.append(self._under_way[member])
        self._slow &= present
        return begun

    def probe_all(self, pool: ThreadPoolExecutor) -> None:
        """Probe every member once and wait for the answers."""
        targets = [(balancer, member) for balancer in self._balancers for member in balancer.members()]
        list(pool.map(lambda target: self._probe(*target), targets))

    def _probe(self, balancer: Balancer, member: Member, *, is_first: bool = False) -> None:
        if self._stopping.is_set():
            return
        try:
            # Probes make no spans and no metrics: an idle stack must stay silent.
            with suppress_instrumentation():
                seen = self._look(balancer.service, member)
                balancer.saw(member, seen, is_warm=is_first)
                if seen.node and not self._stopping.is_set():
                    self._notice(balancer.service, member, seen)
        except Exception:
            # Of those who are told. Nobody else would hear of it, and the next look may go well.
            _log.exception("what was seen of %s could not be told", member.address)

    def _look(self, service: str, member: Member) -> Seen:
        """Return what is at the member's address: its node, or why it may not get requests."""
        self._slow.discard(member)
        try:
            answer = self._ask(member.address)
        except TimedOut:
            self._slow.add(member)
            return Seen(reason=f"/readyz did not answer within {PROBE_TIMEOUT_S:g} s")
        except Unsent:
            return Seen(reason="/readyz cannot be reached")
        except CallError as error:
            return Seen(reason=f"/readyz cannot be asked: {error}")
        except Exception as error:
            # Whatever a stranger on that port answers, and whatever that does to the libraries: the prober goes on.
            return Seen(reason=f"/readyz cannot be asked: {type(error).__name__}")
        return seen_in(answer, service)

    def _ask(self, address: str) -> Answer:
        request = requests.PreparedRequest()
        request.method, request.url = "GET", f"http://{address}/readyz"
        request.headers = CaseInsensitiveDict({"Accept": "application/json"})
        return call(self._session, request, Deadline(PROBE_TIMEOUT_S * 1000), MAX_ANSWER_BYTES)


def seen_in(answer: Answer, service: str) -> Seen:
    """Return what an answer of ``/readyz`` says to a gateway that looks for a node of *service*."""
    try:
        shape = json.loads(answer.body)
    except (ValueError, RecursionError):
        return Seen(reason="/readyz answered no JSON")
    if not isinstance(shape, dict) or shape.get("service") != service:
        return Seen(reason=f"/readyz is not that of a node of {service}")
    bugs = shape.get("bugs")
    told_bugs = bugs if isinstance(bugs, str) and len(bugs) <= _MAX_BUGS else None
    if answer.status != 200:
        reasons = shape.get("reasons")
        told = "; ".join(map(str, reasons)) if isinstance(reasons, list) else ""
        is_draining = shape.get("status") == _DRAINING
        return Seen(None, told[:_MAX_REASON] or f"/readyz answered {answer.status}", told_bugs, is_draining)
    node = shape.get("node")
    if not isinstance(node, str) or not _NAME.fullmatch(node):
        # It would go into a header field and into every record.
        return Seen(reason="/readyz names no node")
    return Seen(node, "", told_bugs)
