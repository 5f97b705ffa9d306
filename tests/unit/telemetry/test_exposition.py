"""The last collection as Prometheus text: names, types, labels, one recording read twice."""

import textwrap
from collections.abc import Iterator

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from prometheus_client import CollectorRegistry, generate_latest

from apps.telemetry.exposition import LastCollection, family_name, new_registry

GOLDEN = """\
# HELP carousel_bugs_total Bugs that showed
# TYPE carousel_bugs_total counter
carousel_bugs_total{carousel_bug="slow"} 2.0
carousel_bugs_total{carousel_bug="say \\"hi\\"\\n"} 0.0
# HELP carousel_work_duration_seconds Duration of simulated work
# TYPE carousel_work_duration_seconds histogram
carousel_work_duration_seconds_bucket{carousel_work="part1",le="0.1"} 1.0
carousel_work_duration_seconds_bucket{carousel_work="part1",le="1.0"} 2.0
carousel_work_duration_seconds_bucket{carousel_work="part1",le="+Inf"} 3.0
carousel_work_duration_seconds_count{carousel_work="part1"} 3.0
carousel_work_duration_seconds_sum{carousel_work="part1"} 5.5625
carousel_work_duration_seconds_bucket{carousel_work="part1",error_type="error",le="0.1"} 1.0
carousel_work_duration_seconds_bucket{carousel_work="part1",error_type="error",le="1.0"} 1.0
carousel_work_duration_seconds_bucket{carousel_work="part1",error_type="error",le="+Inf"} 1.0
carousel_work_duration_seconds_count{carousel_work="part1",error_type="error"} 1.0
carousel_work_duration_seconds_sum{carousel_work="part1",error_type="error"} 0.0625
# HELP inside requests inside
# TYPE inside gauge
inside -1.0
# HELP memory_bytes memory
# TYPE memory_bytes gauge
memory_bytes{kind="rss"} 1024.0
"""


class Backend(MetricExporter):
    """An exporter that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.exported: list[MetricsData] = []
        self.is_shut_down = False

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: object) -> MetricExportResult:
        """Remember and fail, as one whose Collector is away."""
        self.exported.append(metrics_data)
        return MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """There is nothing to flush."""
        return False

    def shutdown(self, timeout_millis: float = 30_000, **_: object) -> None:
        """Remember that it was told."""
        self.is_shut_down = True


class Meters:
    """A meter provider whose collections are read by a registry."""

    def __init__(self, inner: MetricExporter | None = None) -> None:
        self.last = LastCollection(inner)
        reader = PeriodicExportingMetricReader(self.last, export_interval_millis=float("inf"))
        self.provider = MeterProvider([reader], shutdown_on_exit=False)
        self.meter = self.provider.get_meter("test")
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self.last)

    def text(self) -> str:
        """Return the exposition of the last collection."""
        return generate_latest(self.registry).decode()


@pytest.fixture
def meters() -> Iterator[Meters]:
    """Meters without a back end."""
    meters = Meters()
    yield meters
    meters.provider.shutdown()


def test_the_last_collection_is_prometheus_text(meters: Meters) -> None:
    """Counters end in _total, units are words, histograms are cumulative, labels are escaped."""
    bugs = meters.meter.create_counter("carousel.bugs", "{bug}", "Bugs that showed")
    bugs.add(2, {"carousel.bug": "slow"})
    bugs.add(0, {"carousel.bug": 'say "hi"\n'})
    duration = meters.meter.create_histogram(
        "carousel.work.duration", "s", "Duration of simulated work", explicit_bucket_boundaries_advisory=[0.1, 1.0]
    )
    for seconds in (0.0625, 0.5, 5.0):
        duration.record(seconds, {"carousel.work": "part1"})
    duration.record(0.0625, {"carousel.work": "part1", "error.type": "error"})
    meters.meter.create_up_down_counter("inside", "{request}", "requests inside").add(-1)

    def observe(_options: CallbackOptions) -> list[Observation]:
        return [Observation(1024, {"kind": "rss"})]

    meters.meter.create_observable_gauge("memory", [observe], "By")

    meters.provider.force_flush()

    assert textwrap.dedent(GOLDEN) == meters.text()


def test_before_the_first_collection_there_is_nothing(meters: Meters) -> None:
    """An empty text, not an error."""
    meters.meter.create_counter("c").add(1)

    assert "" == meters.text()


def test_what_is_shown_is_what_was_collected_last(meters: Meters) -> None:
    """No second recording: between two collections the text stays the same."""
    counter = meters.meter.create_counter("c")
    counter.add(1)
    meters.provider.force_flush()
    counter.add(1)

    assert "c_total 1.0" in meters.text()


def test_the_collection_is_passed_on_as_it_is() -> None:
    """Also when the back end is away: /metrics does not depend on it."""
    backend = Backend()
    meters = Meters(backend)
    meters.meter.create_counter("c").add(1)

    meters.provider.force_flush()
    meters.provider.shutdown()

    assert "c_total 1.0" in meters.text()
    assert ["c"] == [
        metric.name
        for metric in backend.exported[0].resource_metrics[0].scope_metrics[0].metrics
    ]  # fmt: skip
    assert backend.is_shut_down


@pytest.mark.parametrize(("name", "unit", "expected"), [
    ("http.server.request.duration", "s", "http_server_request_duration_seconds"),
    ("carousel.balancer.picks", "{pick}", "carousel_balancer_picks"),
    ("carousel.memory", "By", "carousel_memory_bytes"),
    ("memory.bytes", "By", "memory_bytes"),
    ("share", "1", "share_ratio"),
    ("cpu", "%", "cpu_percent"),
    ("wait", "ms", "wait_milliseconds"),
    ("odd-name", "", "odd_name"),
    ("odd", "furlong", "odd"),
])  # fmt: skip
def test_a_name_is_made_as_the_specification_says(name: str, unit: str, expected: str) -> None:
    """Dots become underscores, the unit a word."""
    assert expected == family_name(name, unit)


def test_the_registry_also_has_the_process() -> None:
    """process_* and python_* come from prometheus-client."""
    text = generate_latest(new_registry(LastCollection())).decode()

    assert "process_resident_memory_bytes" in text
    assert "python_gc_collections_total" in text
    assert "python_info" in text
