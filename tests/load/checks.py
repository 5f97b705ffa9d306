"""What every answer of the client API must be, whatever happened behind the gateway. Pure.

200 and the three answers of a gateway that could not (502, 503, 504) are expected; they must keep the form that the
client API promises. All else is unexpected and is said in words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

EXPECTED = (200, 502, 503, 504)
PROBLEM = "application/problem+json"
MAX_WORDS = 200
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_VIA = re.compile(r"(.+, ?)?1\.1 \S+")

OUTCOMES: Mapping[int, frozenset[str]] = {
    200: frozenset({"ok"}),
    502: frozenset({"bad_answer", "reset"}),
    503: frozenset({"no_node", "shed", "reset"}),
    # A node that has no time left answers so itself.
    504: frozenset({"deadline", "bad_answer"}),
}
"""How the journey of a request may have ended that was answered with a status."""


@dataclass(frozen=True)
class Answer:
    """An answer of the gateway, or its absence: *status* 0 with *error* in words."""

    entity: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Field names in lower case."""
    body: bytes = b""
    error: str = ""


@dataclass(frozen=True)
class Verdict:
    """What an answer says of itself, and what is wrong with it."""

    complaints: tuple[str, ...] = ()
    trace_id: str | None = None
    service1: str | None = None
    """The node of service 1 that served it; None if none did."""
    service2: str | None = None

    @property
    def is_expected(self) -> bool:
        """Nothing is wrong with the answer."""
        return not self.complaints

    @property
    def words(self) -> str:
        """All complaints in one line of bounded length."""
        return "; ".join(self.complaints)[:MAX_WORDS]


def judge(answer: Answer) -> Verdict:
    """Return what *answer* says, and every way in which it is not what the client API promises."""
    if answer.status == 0:
        return Verdict((f"no answer: {answer.error or 'the connection broke'}",))
    trace_id = answer.headers.get("x-trace-id", "")
    complaints = [] if _TRACE_ID.fullmatch(trace_id) else [f"X-Trace-Id is {trace_id[:40]!r}"]
    if not _VIA.fullmatch(answer.headers.get("via", "")):
        complaints.append(f"Via is {answer.headers.get('via', '')[:40]!r}")
    if not answer.headers.get("x-served-by"):
        complaints.append("X-Served-By is missing")
    if answer.status not in EXPECTED:
        complaints.insert(0, f"status {answer.status}, expected one of {', '.join(map(str, EXPECTED))}")
    else:
        complaints += _of_ok(answer) if answer.status == 200 else _of_problem(answer)
    return Verdict(tuple(complaints), trace_id if _TRACE_ID.fullmatch(trace_id) else None, *_nodes(answer))


def _json(body: bytes) -> dict[str, Any] | None:
    try:
        shape = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return shape if isinstance(shape, dict) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


_FORMS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "service1": {"node": _is_name, "part1Ms": _is_number, "part2Ms": _is_number},
    "service2": {"node": _is_name, "workMs": _is_number, "bug": lambda value: value is None or _is_name(value)},
}


def _of_ok(answer: Answer) -> list[str]:
    shape = _json(answer.body)
    if shape is None:
        return ["the body is no JSON object"]
    complaints = [f"{name} is no object" for name in _FORMS if not isinstance(shape.get(name), dict)]
    for name, form in _FORMS.items():
        part = shape.get(name)
        if isinstance(part, dict):
            complaints += [
                f"{name}.{key} is {part.get(key)!r}"
                for key, fits in form.items()
                if key not in part or not fits(part[key])
            ]
    if shape.get("entity") != answer.entity:
        complaints.append(f"entity is {shape.get('entity')!r}, asked for {answer.entity!r}")
    if shape.get("traceId") != answer.headers.get("x-trace-id"):
        complaints.append("traceId differs from X-Trace-Id")
    if isinstance(shape.get("service1"), dict) and shape["service1"].get("node") != answer.headers.get("x-served-by"):
        complaints.append("service1.node differs from X-Served-By")
    return complaints


def _of_problem(answer: Answer) -> list[str]:
    complaints = []
    kind = answer.headers.get("content-type", "")
    if kind.split(";")[0].strip().lower() != PROBLEM:
        complaints.append(f"{answer.status} with Content-Type {kind[:40]!r}, expected {PROBLEM}")
    if answer.status == 503 and not re.fullmatch(r"\d+", answer.headers.get("retry-after", "")):
        complaints.append("503 without Retry-After in seconds")
    shape = _json(answer.body)
    if shape is None:
        return [*complaints, "the problem is no JSON object"]
    if shape.get("status") != answer.status:
        complaints.append(f"the problem's status is {shape.get('status')!r}, the answer's {answer.status}")
    if shape.get("traceId") != answer.headers.get("x-trace-id"):
        complaints.append("the problem's traceId differs from X-Trace-Id")
    return complaints


def _nodes(answer: Answer) -> tuple[str | None, str | None]:
    """Return which node of each service had a part in *answer*, as far as it tells."""
    served = answer.headers.get("x-served-by", "")
    blamed = answer.headers.get("x-carousel-error-node", "")
    shape = _json(answer.body) if answer.status == 200 else None
    part = shape.get("service2") if shape else None
    second = part.get("node") if isinstance(part, dict) else blamed
    return (
        served if served.startswith("service1-") else None,
        second if isinstance(second, str) and second.startswith("service2-") else None,
    )
