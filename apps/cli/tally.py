"""Sums up what became of many requests: shares of the nodes, failures, percentiles. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from apps.cli.quantities import percentile
from apps.cli.sending import Answered

MOST_KEPT: Final = 5
"""How many of the slowest, and of the failed, are named."""


@dataclass(slots=True)
class Tally:
    """A running sum. *keep* results are remembered of the slowest and of the failed."""

    keep: int = MOST_KEPT
    requests: int = 0
    failures: int = 0
    service1: Counter[str] = field(default_factory=Counter)
    service2: Counter[str] = field(default_factory=Counter)
    bugs: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    durations_ms: list[float] = field(default_factory=list)
    slowest: list[Answered] = field(default_factory=list)
    failed: list[Answered] = field(default_factory=list)

    def add(self, answered: Answered) -> None:
        """Count one result."""
        self.requests += 1
        self.statuses[answered.status] += 1
        self.durations_ms.append(answered.duration_ms)
        if answered.service1:
            self.service1[answered.service1] += 1
        if answered.service2:
            self.service2[answered.service2] += 1
        if answered.bug:
            self.bugs[answered.bug] += 1
        if not answered.is_good:
            self.failures += 1
            if len(self.failed) < self.keep:
                self.failed.append(answered)
        self.slowest = sorted([*self.slowest, answered], key=lambda one: -one.duration_ms)[: self.keep]

    def percentiles_ms(self) -> tuple[float, float, float]:
        """Return p50, p95 and the most, in milliseconds; zeros when nothing was sent."""
        ordered = sorted(self.durations_ms)
        return percentile(ordered, 0.5), percentile(ordered, 0.95), ordered[-1] if ordered else 0.0

    def shape(self, spent_s: float, *, ok: bool) -> dict[str, Any]:
        """Return the sum for ``--json``."""
        p50, p95, most = self.percentiles_ms()
        return {
            "type": "summary",
            "ok": ok,
            "requests": self.requests,
            "failed": self.failures,
            "seconds": round(spent_s, 3),
            "statuses": {str(status or "none"): count for status, count in sorted(self.statuses.items())},
            "service1": dict(sorted(self.service1.items())),
            "service2": dict(sorted(self.service2.items())),
            "bugs": dict(sorted(self.bugs.items())),
            "durationMs": {"p50": p50, "p95": p95, "max": most},
            "slowest": [_named(one) for one in self.slowest],
            "failures": [_named(one) for one in self.failed],
        }


def _named(answered: Answered) -> dict[str, Any]:
    return {
        "traceId": answered.trace_id or None,
        "status": answered.status or None,
        "durationMs": answered.duration_ms,
        "detail": answered.detail or None,
    }
