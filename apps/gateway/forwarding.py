"""Carries a request over one leg: from node to node, until one answers or nothing more may be tried.

A request that never left is tried on the next node. One that was sent is tried again only if its method is
idempotent (RFC 9110 §9.2.2), by the leg next to the fault alone, and within the retry budget. The request target is
made here, never taken from a client.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import requests
from opentelemetry import context
from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import Span, SpanContext
from requests.structures import CaseInsensitiveDict

from apps.gateway.admission import RetryBudget
from apps.gateway.balancer import Balancer
from apps.gateway.members import Member, Picked
from apps.telemetry import names, steps
from apps.telemetry.steps import Leg, Step
from apps.telemetry.trail import Trail
from apps.web import headers
from apps.web.client import Answer, CallError, TimedOut, TooLate, Unsent, call, monotonic_ms
from apps.web.deadline import Deadline

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
NO_NODE: Final = "no_node"
BAD_ANSWER: Final = "bad_answer"
TIMED_OUT: Final = 504


@dataclass(frozen=True, slots=True)
class LegSteps:
    """What the gateway logs on a leg."""

    leg: Leg
    picked: Step
    sent: Step
    answer: Step
    failed: Step


SERVICE1: Final = LegSteps(
    Leg.SERVICE1, steps.SERVICE1_PICKED, steps.SERVICE1_SENT, steps.SERVICE1_ANSWER, steps.SERVICE1_FAILED
)
SERVICE2: Final = LegSteps(
    Leg.SERVICE2, steps.SERVICE2_PICKED, steps.SERVICE2_SENT, steps.SERVICE2_ANSWER, steps.SERVICE2_FAILED
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is sent to a replica, whichever it will be."""

    method: str
    path: str
    fields: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """How a leg ended.

    *answer* is the last replica's, None if none answered. *error_type* is why it failed, None if it did not;
    *error_node* whose fault that is: a node, or the service if it had no node to ask.
    """

    trail: Trail
    node: str
    answer: Answer | None = None
    error_type: str | None = None
    error_node: str | None = None
    detail: str = ""


class NodeRequest(requests.PreparedRequest):
    """A request to a replica that knows the attempt before it, for its span."""

    def __init__(self, resend: int, failed: SpanContext | None) -> None:
        super().__init__()
        self.resend = resend
        self.failed = failed
        self.span_context: SpanContext | None = None


def mark_span(span: Span, request: requests.PreparedRequest) -> None:
    """Tell a CLIENT span which attempt it is, with a link to the one that failed (the instrumentation's hook)."""
    if not isinstance(request, NodeRequest):
        return
    request.span_context = span.get_span_context()
    if request.resend:
        span.set_attribute(names.RESEND_COUNT, request.resend)
    if request.failed is not None:
        span.add_link(request.failed)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a leg with one node."""

    trail: Trail
    picked: Picked
    request: NodeRequest
    deadline: Deadline
    tried: tuple[Member, ...]
    """The nodes asked so far, this one included."""
    is_fair: bool
    """Whether the node was given time enough to be blamed for taking longer."""
    started: float = field(default_factory=time.monotonic)

    @property
    def member(self) -> Member:
        """The node that is asked."""
        return self.picked.member

    def fields(self, **more: Any) -> dict[str, Any]:
        """Return what a step of this attempt says."""
        return {names.PEER: self.member.node, names.DURATION_MS: monotonic_ms(self.started), **more}


class Forwarder:
    """The gateway's side of one leg.

    Args:
        balancer: picks the nodes, and learns how they did.
        legs: the steps to log.
        session: keeps the connections.
        budget: how many retries there may be.
        fair_s: a node that had less time than that, in seconds, is not blamed for a deadline: a client may ask for
            as little as it likes, and must not empty the ring by it.
        on_pick: called with each pick, for those who watch.
    """

    def __init__(
        self,
        balancer: Balancer,
        legs: LegSteps,
        session: requests.Session,
        budget: RetryBudget,
        fair_s: float = 0.0,
        on_pick: Callable[[Trail, Leg, Picked], None] = lambda trail, leg, picked: None,
    ) -> None:
        self._balancer = balancer
        self._legs = legs
        self._session = session
        self._budget = budget
        self._fair_s = fair_s
        self._on_pick = on_pick

    def forward(self, trail: Trail, outgoing: Outgoing, deadline: Deadline) -> Result:
        """Send *outgoing* to one node after the other until one answers well or nothing more may be tried."""
        self._budget.request()
        tried: tuple[Member, ...] = ()
        failed_span: SpanContext | None = None
        while True:
            numbered = self._in_attempt(trail, len(tried) + 1)
            picked = self._balancer.pick(tried)
            if picked is None:
                return self._nobody(numbered)
            try:
                request = self._request(outgoing, picked.member, deadline, len(tried), failed_span)
                tried = (*tried, picked.member)
                self._log_pick(numbered, picked)
                is_fair = deadline.left_s() >= self._fair_s
                result, may_go_on = self._try(Attempt(numbered, picked, request, deadline, tried, is_fair))
            finally:
                self._balancer.ended(picked.member)
            if not may_go_on:
                return result
            failed_span = request.span_context

    def _in_attempt(self, trail: Trail, number: int) -> Trail:
        return trail.at(attempt2=number) if self._legs.leg is Leg.SERVICE2 else trail.at(attempt=number)

    def _nobody(self, trail: Trail) -> Result:
        service = self._balancer.service
        detail = f"{service} has no healthy node"
        trail.step(self._legs.failed, {names.ERROR_TYPE: NO_NODE}, severity=SeverityNumber.ERROR)
        return Result(trail, service, None, NO_NODE, service, detail)

    def _request(
        self, outgoing: Outgoing, member: Member, deadline: Deadline, resend: int, failed: SpanContext | None
    ) -> NodeRequest:
        request = NodeRequest(resend, failed)
        request.method = outgoing.method
        request.url = f"http://{member.address}{outgoing.path}"
        request.headers = CaseInsensitiveDict(outgoing.fields)
        request.headers["Accept-Encoding"] = "identity"
        request.headers[headers.DEADLINE_MS] = str(deadline.for_next_hop_ms())
        request.body = outgoing.body or None
        if outgoing.body or outgoing.method not in IDEMPOTENT:
            request.headers["Content-Length"] = str(len(outgoing.body))
        return request

    def _log_pick(self, trail: Trail, picked: Picked) -> None:
        node = picked.member.node
        trail.step(
            self._legs.picked,
            {names.PEER: node, names.RING_SIZE: picked.ring_size, names.RING_SKIPPED: list(picked.skipped)},
        )
        trail.step(self._legs.sent, {names.PEER: node})
        self._on_pick(trail, self._legs.leg, picked)

    def _try(self, attempt: Attempt) -> tuple[Result, bool]:
        """Ask one node. Return how that ended, and whether the next one may be asked."""
        token = context.attach(attempt.trail.baggage(self._legs.leg))
        try:
            answer = self._ask(attempt)
        except CallError as error:
            return self._failed(attempt, error), self._may_retry(attempt, error)
        finally:
            context.detach(token)
        return self._answered(attempt, answer)

    def _ask(self, attempt: Attempt) -> Answer:
        # A node cannot do anything in no time: it would refuse the request, and be blamed for it.
        if attempt.deadline.for_next_hop_ms() <= 0:
            raise TooLate("no time was left to ask")
        return call(self._session, attempt.request, attempt.deadline)

    def _failed(self, attempt: Attempt, error: CallError) -> Result:
        was_sent = not isinstance(error, Unsent | TooLate)
        fields = attempt.fields(**{names.ERROR_TYPE: error.error_type, names.REASON: str(error)})
        if not was_sent:
            fields[names.SENT] = False
        attempt.trail.step(self._legs.failed, fields, severity=SeverityNumber.ERROR)
        node = attempt.member.node
        if isinstance(error, Unsent):
            self._balancer.refused(attempt.member, "the connection was refused")
        elif was_sent and (attempt.is_fair or not isinstance(error, TimedOut)):
            self._balancer.failed(attempt.member, error.error_type, attempt.picked.entry)
        return Result(attempt.trail, node, None, error.error_type, node, f"{node}: {error}")

    def _may_retry(self, attempt: Attempt, error: CallError) -> bool:
        if attempt.deadline.for_next_hop_ms() <= 0 or isinstance(error, TimedOut):
            return False
        return isinstance(error, Unsent) or self._may_resend(attempt)

    def _may_resend(self, attempt: Attempt) -> bool:
        """Tell whether a request that was sent may be sent to another node, and count it if so."""
        return attempt.request.method in IDEMPOTENT and self._balancer.has_other(attempt.tried) and self._budget.retry()

    def _answered(self, attempt: Attempt, answer: Answer) -> tuple[Result, bool]:
        trail, member = attempt.trail, attempt.member
        error_node = answer.headers.get(headers.ERROR_NODE) or member.node
        fault = fault_of(answer)
        fields = attempt.fields(**{names.STATUS: answer.status})
        if fault is None or error_node != member.node:
            # A fault further on is not this node's: it did what it could.
            self._balancer.succeeded(member, attempt.picked.entry)
            severity = SeverityNumber.INFO if fault is None else SeverityNumber.ERROR
            trail.step(self._legs.answer, fields, severity=severity)
            if fault is None:
                return Result(trail, member.node, answer), False
            return Result(trail, member.node, answer, BAD_ANSWER, error_node, fault), False
        if attempt.is_fair or answer.status != TIMED_OUT:
            self._balancer.failed(member, fault, attempt.picked.entry)
        fields |= {names.ERROR_TYPE: BAD_ANSWER, names.REASON: fault}
        step = self._legs.failed if self._legs.leg is Leg.SERVICE1 else self._legs.answer
        trail.step(step, fields, severity=SeverityNumber.ERROR)
        result = Result(trail, member.node, answer, BAD_ANSWER, member.node, f"{member.node} {fault}")
        return result, attempt.deadline.for_next_hop_ms() > 0 and self._may_resend(attempt)


def fault_of(answer: Answer) -> str | None:
    """Return what is wrong with a replica's answer, None if nothing is."""
    if answer.status >= 500:
        return f"answered {answer.status}"
    if answer.status >= 300:
        return f"answered {answer.status}, which it never should"
    try:
        shape = json.loads(answer.body)
    except ValueError:
        return "answered a body that is not JSON"
    return None if isinstance(shape, dict) else "answered JSON that is no object"
