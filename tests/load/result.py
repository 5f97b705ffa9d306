"""What a run has seen so far, in bounded memory however long it goes on. Pure."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field

from tests.load.checks import Answer, Verdict

SLOWEST = 5
FAILURES = 10
KINDS_OF_COMPLAINTS = 50


@dataclass(frozen=True, order=True)
class Seen:
    """One answer worth a look."""

    ms: float
    status: int
    trace_id: str | None = field(compare=False)
    words: str = field(default="", compare=False)


@dataclass
class Journeys:
    """What was found of the journeys that were looked at."""

    taken: int = 0
    """Requests whose journeys were to be looked at."""
    whole: int = 0
    holed: list[tuple[str, str]] = field(default_factory=list)
    """Trace id and what is wrong."""
    unchecked: int = 0
    """Requests whose journeys nobody could tell about: storage did not answer, or the run ended first."""
    why_unchecked: str = ""

    @property
    def judged(self) -> int:
        """How many are known to be whole or not."""
        return self.whole + len(self.holed)


class Result:
    """Counts of a run; `record` is told each answer."""

    def __init__(self) -> None:
        self.sent = 0
        self.asked = 0
        self.given_up = 0
        self.seconds = 0.0
        self.failed = 0
        self.max_ms = 0.0
        self.statuses: Counter[int] = Counter()
        self.service1: Counter[str] = Counter()
        self.service2: Counter[str] = Counter()
        self.complaints: Counter[str] = Counter()
        self.failures: list[Seen] = []
        self.journeys = Journeys()
        self.chaos_done: Counter[str] = Counter()
        self.chaos_left: tuple[str, ...] = ()
        self._slowest: list[Seen] = []
        self._durations: Counter[float] = Counter()

    def record(self, answer: Answer, verdict: Verdict, ms: float) -> None:
        """Count one answer that took *ms* milliseconds."""
        self.sent += 1
        self.statuses[answer.status] += 1
        # Three digits bound the number of different durations, at an error of half a percent.
        self._durations[float(f"{ms:.3g}")] += 1
        self.max_ms = max(self.max_ms, ms)
        for counter, node in ((self.service1, verdict.service1), (self.service2, verdict.service2)):
            if node:
                counter[node] += 1
        seen = Seen(ms, answer.status, verdict.trace_id, verdict.words)
        if verdict.trace_id:
            push = heapq.heappush if len(self._slowest) < SLOWEST else heapq.heappushpop
            push(self._slowest, seen)
        if not verdict.is_expected:
            self._count_failure(seen)

    def _count_failure(self, seen: Seen) -> None:
        self.failed += 1
        if seen.words in self.complaints or len(self.complaints) < KINDS_OF_COMPLAINTS:
            self.complaints[seen.words] += 1
        if len(self.failures) < FAILURES:
            self.failures.append(seen)

    @property
    def slowest(self) -> list[Seen]:
        """The slowest answers that told their trace ids, the slowest first."""
        return sorted(self._slowest, reverse=True)

    def percentile(self, percent: float) -> float | None:
        """Return the milliseconds within which *percent* of all answers came; None when there were none."""
        rank = math.ceil(self.sent * percent / 100)
        for ms, count in sorted(self._durations.items()):
            rank -= count
            if rank <= 0:
                return min(ms, self.max_ms)
        return None
