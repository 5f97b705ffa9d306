"""The canary: one request sent round the ring, and the proof that all of it was seen.

It is marked synthetic and asks for no fault, so it counts the same on every machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from deploy.native.config import StackConfig
from deploy.native.listeners import get, post
from deploy.native.stores import spans_in_tempo, steps_in_loki

ENTITY = "orders"
STEPS = 19
SPANS = 10
"""Spans of a healthy request: gateway 2 SERVER and 2 CLIENT, service1 SERVER, CLIENT and 2 of work, service2 2."""
POLL_S = 0.06
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "carousel-canary/1",
    "X-Carousel-Fault": "none",
    "Baggage": "user_agent.synthetic.type=test",
}
COUNTER = 'http_server_request_duration_seconds_count{job="carousel/gateway",http_request_method="POST"}'


class CanaryError(Exception):
    """The canary was not answered, or not all of it was found; `looks` names the programs whose logs tell more."""

    def __init__(self, words: str, looks: tuple[str, ...]) -> None:
        super().__init__(words)
        self.looks = looks


@dataclass
class Canary:
    """What is known of one canary."""

    trace_id: str
    sent_at: float
    """Unix seconds."""
    answered_ms: float
    journey: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    spans: int = 0
    counted: bool = False
    loki_steps: int = 0
    tempo_spans: int = 0


@dataclass(frozen=True)
class Stores:
    """The base addresses of the stores beside storage that are asked; None: it is not."""

    prometheus: str | None = None
    loki: str | None = None
    tempo: str | None = None


def send(config: StackConfig, limit_s: float = 10.0) -> Canary:
    """Send the canary and return it once it was answered with 200.

    Raises:
        CanaryError: it was not, for *limit_s*.
    """
    url = f"{config.url('gateway')}/api/{ENTITY}"
    deadline = time.monotonic() + limit_s
    while True:
        sent_at, start = time.time(), time.monotonic()
        status, body = post(url, b"{}", HEADERS, limit_s=limit_s)
        if status == 200:
            try:
                trace_id = str(json.loads(body)["traceId"])
            except (ValueError, KeyError, TypeError) as error:
                raise CanaryError(f"POST {url} answered 200 without a traceId", ("gateway-1",)) from error
            return Canary(trace_id, sent_at, (time.monotonic() - start) * 1000)
        # 502, 503 and 504 may pass: a replica that has just come, a request too many.
        if status not in (0, 502, 503, 504) or time.monotonic() > deadline:
            said = _detail(body)
            raise CanaryError(f"POST {url} answered {status or 'nothing'}{said}", ("gateway-1", "service1-1"))
        time.sleep(0.2)


def _detail(body: bytes) -> str:
    try:
        problem = json.loads(body)
        return f": {problem.get('detail') or problem.get('title')}"
    except (ValueError, AttributeError):
        return ""


def find(
    config: StackConfig,
    canary: Canary,
    stores: Stores,
    limit_s: float = 20.0,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Wait until *canary*'s journey is whole and its spans are in storage, and each of *stores* has it too.

    Prometheus must have counted it, Loki have its steps, Tempo its spans.

    Raises:
        CanaryError: something was not found in *limit_s*; what, and where to look.
    """
    storage = config.url("storage")
    deadline = time.monotonic() + limit_s
    while True:
        lacks = [*_lacks(storage, canary), *_lacks_elsewhere(stores, canary)]
        if not lacks:
            return
        tell("; ".join(words for words, _ in lacks))
        if time.monotonic() > deadline:
            looks = dict.fromkeys(name for _, names in lacks for name in names)
            words = "; ".join(words for words, _ in lacks)
            raise CanaryError(f"of trace {canary.trace_id} after {limit_s:.0f} s: {words}", tuple(looks))
        time.sleep(POLL_S)


def _lacks(storage: str, canary: Canary) -> list[tuple[str, tuple[str, ...]]]:
    """Return what is still missing in storage, each with the programs that know why."""
    lacks: list[tuple[str, tuple[str, ...]]] = []
    if not canary.journey.get("complete"):
        status, body = get(f"{storage}/api/v1/traces/{canary.trace_id}/journeys")
        canary.journey = _only_journey(body) if status == 200 else {}
        canary.steps = len(canary.journey.get("steps", []))
        if not canary.journey:
            lacks.append((f"no step of it in storage (it answers {status or 'nothing'})", ("storage-1", "collector-1")))
        elif not canary.journey.get("complete") or canary.steps != STEPS:
            missing = canary.journey.get("missing", [])
            holes = ", ".join(f"{hole.get('n')} {hole.get('step')}" for hole in missing) or "none is named as missing"
            nodes = tuple(f"{hole['node']}" for hole in missing if hole.get("node")) or ("collector-1",)
            lacks.append((f"{canary.steps} of {STEPS} steps in its journey ({holes})", nodes))
    if canary.spans < SPANS:
        canary.spans = _span_count(storage, canary.trace_id)
        if canary.spans < SPANS:
            lacks.append((f"{canary.spans} of {SPANS} spans in storage", ("storage-1", "collector-1")))
    return lacks


def _lacks_elsewhere(stores: Stores, canary: Canary) -> list[tuple[str, tuple[str, ...]]]:
    """Return what is still missing in the other stores, each with the programs that know why."""
    lacks: list[tuple[str, tuple[str, ...]]] = []
    if stores.prometheus is not None and not canary.counted:
        canary.counted = _counted(stores.prometheus, canary.sent_at)
        if not canary.counted:
            lacks.append(("its count in Prometheus", ("collector-1", "prometheus-1")))
    if stores.loki is not None and canary.loki_steps < STEPS:
        canary.loki_steps = len(steps_in_loki(stores.loki, canary.trace_id))
        if canary.loki_steps < STEPS:
            lacks.append((f"{canary.loki_steps} of {STEPS} steps in Loki", ("collector-1", "loki-1")))
    if stores.tempo is not None and canary.tempo_spans < SPANS:
        canary.tempo_spans = len(spans_in_tempo(stores.tempo, canary.trace_id))
        if canary.tempo_spans < SPANS:
            lacks.append((f"{canary.tempo_spans} of {SPANS} spans in Tempo", ("collector-1", "tempo-1")))
    return lacks


def _only_journey(body: bytes) -> dict[str, Any]:
    try:
        journeys = json.loads(body)["journeys"]
    except (ValueError, KeyError, TypeError):
        return {}
    return dict(journeys[0]) if journeys else {}


def _span_count(storage: str, trace_id: str) -> int:
    status, body = get(f"{storage}/api/v1/traces/{trace_id}")
    if status != 200:
        return 0
    resources = json.loads(body).get("resourceSpans", [])
    return sum(len(scope.get("spans", [])) for one in resources for scope in one.get("scopeSpans", []))


def _counted(prometheus: str, sent_at: float) -> bool:
    """Tell whether Prometheus holds a sample of the counter that was taken after the canary was answered.

    The sample's time decides, not its value: a gateway that was restarted counts from 0 again.
    """
    query = f"max(timestamp({COUNTER})) >= {sent_at:.3f}"
    status, body = get(f"{prometheus}/api/v1/query?{urlencode({'query': query})}")
    try:
        return status == 200 and bool(json.loads(body)["data"]["result"])
    except (ValueError, KeyError, TypeError):
        return False
