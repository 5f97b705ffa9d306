"""What a run must keep to, and whether it did. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.load.result import Result


@dataclass(frozen=True)
class Limits:
    """The thresholds of a run."""

    fail_ratio: float = 0.0
    """The most unexpected answers, as a share of all."""
    p95_ms: float | None = None
    """The most that 95 % of answers may take; None: not judged."""
    min_rate: float = 0.0
    """The least share of the requests asked for that must have been sent."""
    holes: int = 0
    """The most journeys with holes."""


@dataclass(frozen=True)
class Threshold:
    """One threshold and how it was met."""

    name: str
    seen: str
    limit: str
    is_met: bool


def judged(limits: Limits, result: Result) -> list[Threshold]:
    """Return every threshold of *limits* that is judged, with what *result* has of it."""
    ratio = share_of(result.failed, result.sent)
    rows = [
        Threshold(
            "unexpected answers",
            f"{ratio:.2%}",
            f"at most {limits.fail_ratio:.2%}",
            result.sent > 0 and ratio <= limits.fail_ratio,
        )
    ]
    if limits.p95_ms is not None:
        p95 = result.percentile(95)
        seen = "nothing was answered" if p95 is None else f"{p95:,.0f} ms"
        rows.append(
            Threshold("p95", seen, f"at most {limits.p95_ms:,.0f} ms", p95 is not None and p95 <= limits.p95_ms)
        )
    if limits.min_rate > 0:
        share = share_of(result.sent, result.asked)
        rows.append(
            Threshold("rate reached", f"{share:.1%}", f"at least {limits.min_rate:.1%}", share >= limits.min_rate)
        )
    if result.journeys.taken > 0:
        rows.append(_holes(limits, result))
    if result.chaos_left:
        rows.append(Threshold("chaos put back", f"{len(result.chaos_left)} not", "all", False))
    return rows


def _holes(limits: Limits, result: Result) -> Threshold:
    journeys = result.journeys
    limit = f"at most {limits.holes}"
    if journeys.judged == 0:
        # Nobody could tell: that is not the same as none.
        return Threshold("journeys with holes", "none could be checked", limit, False)
    return Threshold("journeys with holes", str(len(journeys.holed)), limit, len(journeys.holed) <= limits.holes)


def share_of(part: float, whole: float) -> float:
    """Return *part* of *whole*, 0 of nothing."""
    return part / whole if whole else 0.0
