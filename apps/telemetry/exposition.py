"""The last collection of the OTel metrics as Prometheus families: read twice, recorded once.

Names follow "Prometheus and OpenMetrics Compatibility" of the OpenTelemetry specification: dots become underscores,
the unit is appended in words, counters end in ``_total``.
"""

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry.sdk.metrics.export import (
    Gauge,
    Histogram,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    Sum,
)
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

_UNITS: Final = {"s": "seconds", "ms": "milliseconds", "By": "bytes", "%": "percent", "1": "ratio"}


def family_name(name: str, unit: str) -> str:
    """Return the Prometheus name of the instrument *name*, without ``_total``."""
    name = re.sub(r"[^a-zA-Z0-9_:]", "_", name)
    word = "" if unit.startswith("{") else _UNITS.get(unit, "")
    return f"{name}_{word}" if word and not name.endswith(f"_{word}") else name


def _labels(attributes: Mapping[str, Any] | None) -> dict[str, str]:
    return {re.sub(r"[^a-zA-Z0-9_]", "_", key): str(value) for key, value in (attributes or {}).items()}


def _add_histogram(family: HistogramMetricFamily, point: Any, labels: Mapping[str, str]) -> None:
    total = 0
    buckets = []
    for bound, count in zip((*point.explicit_bounds, float("inf")), point.bucket_counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), float(total)))
    family.add_metric(list(labels.values()), buckets, sum_value=point.sum)


def _families(metric: Metric) -> Iterable[Family]:
    """Return *metric* as families, one for each set of label names."""
    name = family_name(metric.name, metric.unit or "")
    by_names: dict[tuple[str, ...], Any] = {}
    points: Iterable[Any] = metric.data.data_points
    for point in points:
        labels = _labels(point.attributes)
        keys = tuple(labels)
        if keys not in by_names:
            by_names[keys] = _family(metric, name, keys)
        if isinstance(metric.data, Histogram):
            _add_histogram(by_names[keys], point, labels)
        else:
            by_names[keys].add_metric(list(labels.values()), point.value)
    return by_names.values()


def _family(metric: Metric, name: str, keys: tuple[str, ...]) -> Any:
    text = metric.description or metric.name
    match metric.data:
        case Histogram():
            return HistogramMetricFamily(name, text, labels=keys)
        case Sum(is_monotonic=True):
            return CounterMetricFamily(name, text, labels=keys)
        case Sum() | Gauge():
            return GaugeMetricFamily(name, text, labels=keys)
    raise TypeError(f"{metric.name}: no Prometheus type for {type(metric.data).__name__}")


def families(data: MetricsData | None) -> Iterable[Family]:
    """Return the families of *data*; none before the first collection. Series of one name come together."""
    grouped: dict[str, Family] = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for family in _families(metric):
                    first = grouped.setdefault(family.name, family)
                    if first is not family:
                        first.samples.extend(family.samples)
    return grouped.values()


class LastCollection(MetricExporter):
    """An exporter that remembers what it passes on, so that ``/metrics`` can show the same."""

    def __init__(self, inner: MetricExporter | None = None) -> None:
        super().__init__(preferred_temporality={}, preferred_aggregation={})
        self._inner = inner
        self._lock = threading.Lock()
        self._last: MetricsData | None = None

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Remember *metrics_data* and pass it on."""
        with self._lock:
            self._last = metrics_data
        if self._inner is None:
            return MetricExportResult.SUCCESS
        return self._inner.export(metrics_data, timeout_millis=timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the exporter behind this one."""
        return self._inner.force_flush(timeout_millis) if self._inner else True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Shut the exporter behind this one down."""
        if self._inner is not None:
            self._inner.shutdown(timeout_millis, **kwargs)

    def collect(self) -> Iterable[Family]:
        """Return the families of the last collection (prometheus-client's Collector protocol)."""
        with self._lock:
            last = self._last
        return families(last)


def new_registry(last: LastCollection) -> CollectorRegistry:
    """Return a registry with the last collection and prometheus-client's process, platform and GC collectors."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(last)
    return registry
