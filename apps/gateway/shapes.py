"""What the admin API and the stream say, as JSON."""

from datetime import UTC, datetime
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import format_trace_id

from apps.gateway.balancer import Balancer
from apps.gateway.forwarding import Result
from apps.gateway.members import Change, Member, Picked, State
from apps.telemetry.steps import Leg
from apps.telemetry.trail import Trail


def time_text(seconds: float | None = None) -> str:
    """Return a moment (now, if none is given) by RFC 3339, to the millisecond."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def member_shape(balancer: Balancer, member: Member) -> dict[str, Any]:
    """Return a member with where it stands."""
    out_s = balancer.out_for_s(member)
    return {
        "address": member.address,
        "node": member.node or None,
        "service": balancer.service,
        "state": member.state.value,
        "reason": member.reason or None,
        "since": time_text(member.since),
        "picks": member.picks,
        "inFlight": member.in_flight,
        "source": member.source.value,
        "ejectedForS": None if out_s is None else round(out_s, 3),
        "ejections": member.ejected,
        "bugs": member.bugs,
    }


def ring_shape(balancer: Balancer) -> dict[str, Any]:
    """Return a ring: its members in the order of their turns, then the others."""
    members = [member_shape(balancer, member) for member in balancer.members()]
    return {"service": balancer.service, "size": len(balancer), "members": members}


def change_shape(change: Change) -> dict[str, Any]:
    """Return what happened to a member."""
    return {
        "service": change.service,
        "node": change.node or None,
        "address": change.address,
        "state": change.state.value,
        "before": None if change.before is State.REMOVED else change.before.value,
        "reason": change.reason,
        "ringSize": change.ring_size,
        "time": time_text(),
    }


def pick_shape(service: str, trail: Trail, leg: Leg, picked: Picked) -> dict[str, Any]:
    """Return a pick; *parentAttempt* is the attempt of the leg to service 1 that it happened in, None in that leg."""
    is_inner = leg is Leg.SERVICE2
    return {
        "journeyId": trail.journey_id,
        "traceId": _trace_id(),
        "service": service,
        "node": picked.member.node,
        "attempt": trail.attempt2 if is_inner else trail.attempt,
        "parentAttempt": trail.attempt if is_inner else None,
        "ringSize": picked.ring_size,
        "time": time_text(),
    }


def request_shape(trail: Trail, result: Result | None, status: int, duration_ms: float) -> dict[str, Any]:
    """Return a client request that ended; *result* is None where the gateway itself failed."""
    return {
        "journeyId": trail.journey_id,
        "traceId": _trace_id(),
        "entity": trail.entity,
        "method": trail.method,
        "status": status,
        "durationMs": duration_ms,
        "errorType": result.error_type if result else "_OTHER",
        "errorNode": result.error_node if result else None,
        "synthetic": trail.synthetic is not None,
        "time": time_text(),
    }


def _trace_id() -> str:
    return format_trace_id(trace.get_current_span().get_span_context().trace_id)
