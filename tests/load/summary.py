"""What a run was, for a person: aligned plain text that fits 80 columns, and the same as JSON. Pure."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.load.checks import EXPECTED
from tests.load.result import Result, Seen
from tests.load.settings import Settings
from tests.load.shapes import ENDLESS, picture
from tests.load.thresholds import Threshold, judged, share_of

PERCENTILES = (50.0, 95.0, 99.0)
LABEL = 11
COMPLAINTS = 5
HOLED = 10
WORDS = 66
REACHED = 0.995
"""From this share on, the rate asked for was reached."""


def lines(settings: Settings, result: Result) -> list[str]:
    """Return the summary, line by line."""
    blocks = [
        _head(settings, result),
        _rate(settings, result),
        _answers(result),
        _shares(result),
        _journeys(result),
        _chaos(settings, result),
        _unexpected(result),
        _worth_a_look("slowest", result.slowest),
        _worth_a_look("failed", result.failures),
        _thresholds(judged(settings.limits, result)),
    ]
    return [line for block in blocks if block for line in ("", *block)]


def _row(label: str, text: str) -> str:
    return f"{label:<{LABEL}} {text}".rstrip()


def _rows(label: str, texts: Iterable[str]) -> list[str]:
    return [_row("" if index else label, text) for index, text in enumerate(texts)]


def _head(settings: Settings, result: Result) -> list[str]:
    chaos = f", seed {settings.seed}" if settings.shape == "chaos" else ""
    ended = " (ended early)" if 0 < result.seconds < settings.curve.seconds < math.inf else ""
    return [
        _row("load", f"{settings.shape}, {result.seconds:.1f} s{ended}, {settings.users} users{chaos}"),
        _row("", picture(settings.curve)),
        _row("to", ", ".join(settings.gateways)),
    ]


def _rate(settings: Settings, result: Result) -> list[str]:
    share = share_of(result.sent, result.asked)
    asked, reached = (share_of(count, result.seconds) for count in (result.asked, result.sent))
    rows = [
        _row("requests", f"{result.sent:,} sent of {result.asked:,} asked for, {share:.1%}"),
        _row(
            "rate", f"{reached:.1f} requests/s reached of {asked:.1f} asked for, {settings.curve.peak:g} at the highest"
        ),
    ]
    if share < REACHED:
        rows += _wrapped(
            f"NOT REACHED: {result.asked - result.sent:,} requests were not sent, since all users were waiting for an "
            "answer: the stack is at its limit, or it needs more USERS"
        )
    return rows


def _answers(result: Result) -> list[str]:
    texts = [
        f"{status or 'none':<5} {count:>9,}  {share_of(count, result.sent):>6.1%}" + _remark(status)
        for status, count in sorted(result.statuses.items(), key=lambda item: item[0] or 999)
    ]
    return _rows("answers", texts or ["none"]) + _durations(result)


def _remark(status: int) -> str:
    return "" if status in EXPECTED else "  unexpected"


def _durations(result: Result) -> list[str]:
    if not result.sent:
        return []
    parts = [f"p{percent:g} {result.percentile(percent):,.0f}" for percent in PERCENTILES]
    return [_row("ms", "   ".join([*parts, f"max {result.max_ms:,.0f}"]))]


def _shares(result: Result) -> list[str]:
    return [
        line
        for label, counter in (("service1", result.service1), ("service2", result.service2))
        for line in _rows(label, _share_rows(counter))
    ]


def _share_rows(counter: Counter[str]) -> list[str]:
    total, width = sum(counter.values()), max(map(len, counter), default=0)
    return [f"{node:<{width}} {count:>9,}  {share_of(count, total):>6.1%}" for node, count in sorted(counter.items())]


def _journeys(result: Result) -> list[str]:
    journeys = result.journeys
    if not journeys.taken:
        return []
    rows = [
        _row(
            "journeys", f"{journeys.judged} checked: {journeys.whole} whole, journeys with holes: {len(journeys.holed)}"
        )
    ]
    if journeys.unchecked:
        rows += _wrapped(f"{journeys.unchecked} not checked: {journeys.why_unchecked}")
    for trace_id, wrong in journeys.holed[:HOLED]:
        rows += [_row("", f"carousel trace {trace_id}"), _row("", f"  {wrong}"[:WORDS])]
    return rows


def _chaos(settings: Settings, result: Result) -> list[str]:
    if settings.shape != "chaos":
        return []
    counts = result.chaos_done
    done = f"bugs ordered: {counts['bug']}, nodes drained: {counts['drain']}, scaled: {counts['scale']}"
    if not result.chaos_left:
        return [_row("chaos", f"{done}; all of it put back")]
    left = [line for words in result.chaos_left for line in _wrapped(words)]
    return [_row("chaos", f"{done}; NOT put back:"), *left]


def _wrapped(words: str) -> list[str]:
    return _rows("", textwrap.wrap(words, WORDS, subsequent_indent="  "))


def _unexpected(result: Result) -> list[str]:
    texts = [f"{count:,} × {words}"[:WORDS] for words, count in result.complaints.most_common(COMPLAINTS)]
    return _rows("unexpected", texts)


def _worth_a_look(label: str, answers: Sequence[Seen]) -> list[str]:
    return _rows(
        label,
        (
            f"{seen.status or 'none':<4} {seen.ms:>7,.0f} ms  "
            + (f"carousel trace {seen.trace_id}" if seen.trace_id else f"no trace id: {seen.words}"[:50])
            for seen in answers
        ),
    )


def _thresholds(thresholds: Sequence[Threshold]) -> list[str]:
    name = max((len(threshold.name) for threshold in thresholds), default=0)
    seen = max((len(threshold.seen) for threshold in thresholds), default=0)
    rows = [
        f"{'ok' if one.is_met else 'FAILED':<6} {one.name:<{name}}  {one.seen:>{seen}}  {one.limit}"
        for one in thresholds
    ]
    return _rows("thresholds", rows)


def report(settings: Settings, result: Result) -> dict[str, Any]:
    """Return the summary as JSON values."""
    thresholds = judged(settings.limits, result)
    journeys = result.journeys
    return {
        "shape": settings.shape,
        "gateways": list(settings.gateways),
        "seconds": round(result.seconds, 3),
        "endless": settings.seconds == ENDLESS,
        "users": settings.users,
        "seed": settings.seed,
        "requests": {"asked": result.asked, "sent": result.sent, "givenUp": result.given_up},
        "rate": {
            "highest": settings.rate,
            "asked": round(share_of(result.asked, result.seconds), 3),
            "reached": round(share_of(result.sent, result.seconds), 3),
        },
        "statuses": {str(status or "none"): count for status, count in sorted(result.statuses.items())},
        "durationMs": {f"p{percent:g}": result.percentile(percent) for percent in PERCENTILES} | {"max": result.max_ms},
        "nodes": {"service1": _counts(result.service1), "service2": _counts(result.service2)},
        "journeys": {
            "taken": journeys.taken,
            "checked": journeys.judged,
            "whole": journeys.whole,
            "withHoles": [{"traceId": trace_id, "wrong": wrong} for trace_id, wrong in journeys.holed],
            "unchecked": journeys.unchecked,
            "whyUnchecked": journeys.why_unchecked or None,
        },
        "chaos": {"done": dict(result.chaos_done), "notPutBack": list(result.chaos_left)},
        "unexpected": {"count": result.failed, "words": dict(result.complaints.most_common())},
        "slowest": [_seen(seen) for seen in result.slowest],
        "failed": [_seen(seen) for seen in result.failures],
        "thresholds": [
            {"name": one.name, "seen": one.seen, "limit": one.limit, "met": one.is_met} for one in thresholds
        ],
        "passed": all(one.is_met for one in thresholds),
    }


def _counts(counter: Counter[str]) -> Mapping[str, int]:
    return dict(sorted(counter.items()))


def _seen(seen: Seen) -> dict[str, Any]:
    return {
        "traceId": seen.trace_id,
        "status": seen.status or None,
        "ms": round(seen.ms, 3),
        "words": seen.words or None,
    }


def progress(result: Result) -> str:
    """Return one line that tells how it goes after `result.seconds`."""
    reached = share_of(result.sent, result.seconds)
    p95 = result.percentile(95)
    return (
        f"{result.seconds:>5.0f} s  {result.sent:>7,} sent  {reached:>6.1f}/s  200: {result.statuses[200]:,}  "
        f"5xx: {sum(result.statuses[status] for status in EXPECTED[1:]):,}  unexpected: {result.failed:,}  "
        f"p95 {0 if p95 is None else p95:,.0f} ms"
    )
