"""How the nodes do: requests a second, errors, p95, processor, memory. Decoding is pure; `ask` asks.

Prometheus knows all of it, over the last minute. Without it, the newest points in storage tell errors and p95 since
each node's start, and nothing else.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from apps.cli import errors, shape
from apps.cli.api import Api
from apps.cli.shape import Object
from apps.telemetry import names

DURATION: Final = "http.server.request.duration"
_OURS: Final = 'job=~"carousel/.+"'
_SECONDS: Final = "http_server_request_duration_seconds"
QUERIES: Final[Mapping[str, str]] = {
    "rate": f"sum by (instance) (rate({_SECONDS}_count{{{_OURS}}}[1m]))",
    "errors": f'sum by (instance) (rate({_SECONDS}_count{{{_OURS},http_response_status_code=~"5.."}}[1m]))',
    "p95_s": f"histogram_quantile(0.95, sum by (instance, le) (rate({_SECONDS}_bucket{{{_OURS}}}[1m])))",
    "cpu": f"sum by (instance) (rate(process_cpu_seconds_total{{{_OURS}}}[1m]))",
    "memory": f"sum by (instance) (process_resident_memory_bytes{{{_OURS}}})",
}
"""What Prometheus is asked, by what it tells; each answer has a value a node (label `instance`)."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """How a node does; None where nobody knows. *error_share* is of its requests, 0 to 1; *cpu* of one core, 0 to 1."""

    rate: float | None = None
    error_share: float | None = None
    p95_ms: float | None = None
    cpu: float | None = None
    memory_bytes: float | None = None

    def as_json(self) -> dict[str, float | None]:
        """Return it for ``--json``."""
        return {
            "requestsPerSecond": self.rate,
            "errorShare": self.error_share,
            "p95Ms": self.p95_ms,
            "cpuShare": self.cpu,
            "memoryBytes": self.memory_bytes,
        }


NOTHING: Final = Vitals()


def ask(prometheus: Api | None, storage: Api | None) -> tuple[dict[str, Vitals], str]:
    """Return how each node does, and what is missing and why, empty if nothing is."""
    why = "no Prometheus is known"
    if prometheus is not None:
        try:
            answers = {name: prometheus.get("/api/v1/query", [("query", query)]) for name, query in QUERIES.items()}
            return from_prometheus(answers), ""
        except errors.CliError as error:
            why = str(error)
    unknown = "rate, processor and memory"
    try:
        if storage is None:
            raise errors.CliError("storage does not answer either")
        found = from_storage(storage.get("/api/v1/metrics", [("name", DURATION)]))
    except errors.CliError:
        return {}, f"without rate, errors, p95, processor and memory: {why}"
    return found, f"without {unknown}, and with errors and p95 since each node's start: {why}"


def from_prometheus(answers: Mapping[str, Object]) -> dict[str, Vitals]:
    """Return the vitals by node out of the answers to `QUERIES`."""
    values = {name: _by_instance(answer) for name, answer in answers.items()}
    found = {}
    for node in dict.fromkeys(node for known in values.values() for node in known):
        rate = values["rate"].get(node)
        p95_s = values["p95_s"].get(node)
        found[node] = Vitals(
            rate,
            values["errors"].get(node, 0.0) / rate if rate else None,
            p95_s * 1000 if p95_s is not None else None,
            values["cpu"].get(node),
            values["memory"].get(node),
        )
    return found


def _by_instance(answer: Object) -> dict[str, float]:
    found = {}
    for one in shape.children(shape.child(answer, "data"), "result"):
        pair = one.get("value")
        try:
            value = float(pair[1]) if isinstance(pair, list) else math.nan
        except (ValueError, TypeError, IndexError):
            continue
        if math.isfinite(value):
            found[shape.text(shape.child(one, "metric"), "instance")] = value
    return found


def from_storage(answer: Object) -> dict[str, Vitals]:
    """Return errors and p95 by node out of storage's newest points, since each node's start."""
    series: dict[str, list[Object]] = {}
    for one in shape.children(answer, "metrics"):
        series.setdefault(shape.text(one, "node"), []).append(one)
    return {node: _since_start(points) for node, points in series.items() if node}


def _since_start(points: Iterable[Object]) -> Vitals:
    points = list(points)
    total = sum(shape.whole(one, "count") for one in points)
    failed = sum(
        shape.whole(one, "count") for one in points if shape.whole(shape.child(one, "attributes"), names.STATUS) >= 500
    )
    if not total:
        return NOTHING
    return replace(NOTHING, error_share=failed / total, p95_ms=_percentile_ms(points, 0.95))


def _percentile_ms(points: Iterable[Object], share: float) -> float | None:
    """Return the upper bound of the bucket that holds the percentile, of all series together; None if none has it."""
    sums: dict[float, int] = {}
    for one in points:
        bounds = [*_numbers(one, "bounds"), math.inf]
        for bound, count in zip(bounds, _numbers(one, "buckets"), strict=False):
            sums[bound] = sums.get(bound, 0) + int(count)
    rank, seen = share * sum(sums.values()), 0
    for bound in sorted(sums):
        seen += sums[bound]
        if seen >= rank and seen:
            return bound * 1000 if math.isfinite(bound) else None
    return None


def _numbers(source: Object, key: str) -> list[float]:
    values = source.get(key)
    return [value for value in values if isinstance(value, int | float)] if isinstance(values, list) else []
