"""A node's telemetry, built: its identity, its metrics, and how it ships to a Collector."""

import threading
import time

from opentelemetry import trace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apps.telemetry.config import TelemetryConfig
from apps.telemetry.process import Usage, UsageSampler
from apps.telemetry.setup import build, resource_of
from tests.fakes import Collector, free_port, telemetry_of


def test_the_resource_tells_service_node_process_and_host() -> None:
    """service.name is the same for all replicas, service.instance.id differs."""
    attributes = resource_of(TelemetryConfig("service1", "service1-2")).attributes

    assert ("carousel", "service1", "service1-2", "0.1.0", "demo") == tuple(
        attributes[key]
        for key in (
            "service.namespace", "service.name", "service.instance.id", "service.version",
            "deployment.environment.name",
        )
    )  # fmt: skip
    assert {"process.pid", "host.name", "os.type"} <= attributes.keys()


def test_building_has_no_effect_outside_of_what_it_returns() -> None:
    """No thread, no global provider."""
    before = threading.active_count()
    telemetry = telemetry_of("gateway")

    assert before == threading.active_count()
    assert trace.get_tracer_provider() is not telemetry.tracer_provider


def test_two_nodes_in_one_process_do_not_mix() -> None:
    """Each has its own records, boot id and numbers."""
    one, two = telemetry_of("service1", "service1-1"), telemetry_of("service1", "service1-2")
    one.recorder.event("e", "text")

    assert (1, 0) == (len(one.records), len(two.records))


def test_outboxes_are_watched() -> None:
    """What waits and what was lost, by signal, from zero."""
    telemetry = telemetry_of("gateway", capacity=2)
    for _ in range(3):
        telemetry.recorder.event("e", "text")
    telemetry.meter_provider.force_flush()

    value = telemetry.registry.get_sample_value
    assert (2.0, 0.0, 1.0, 0.0) == (
        value("carousel_outbox_records", {"signal": "logs"}),
        value("carousel_outbox_records", {"signal": "traces"}),
        value("carousel_outbox_dropped_total", {"signal": "logs", "reason": "full"}),
        value("carousel_outbox_dropped_total", {"signal": "traces", "reason": "full"}),
    )


def test_all_three_signals_reach_the_collector_as_otlp() -> None:
    """What was emitted is what arrives, under the node's name."""
    with Collector().running() as collector:
        telemetry = build(TelemetryConfig("gateway", "gateway-1", endpoint=collector.endpoint + "/"))
        assert telemetry._shipper is not None
        telemetry._shipper.start()
        with telemetry.tracer.start_as_current_span("POST"):
            telemetry.recorder.event("carousel.request.received", "request received", {"carousel.step": "s"})
        telemetry.meter.create_counter("carousel.bugs").add(3)
        telemetry.stop(5)

    bodies = {path: b"".join(r.body for r in collector.received if r.path == path) for path in _PATHS}
    logs = ExportLogsServiceRequest.FromString(bodies["/v1/logs"])
    spans = ExportTraceServiceRequest.FromString(bodies["/v1/traces"])
    metrics = ExportMetricsServiceRequest.FromString(bodies["/v1/metrics"])
    records = [record for rl in logs.resource_logs for sl in rl.scope_logs for record in sl.log_records]
    assert ["carousel.request.received", "carousel.process.stopped"] == [record.event_name for record in records]
    ended = [span for rs in spans.resource_spans for ss in rs.scope_spans for span in ss.spans]
    assert [("POST", records[0].span_id)] == [(span.name, span.span_id) for span in ended]
    assert "carousel.bugs" in {
        metric.name for rm in metrics.resource_metrics for sm in rm.scope_metrics for metric in sm.metrics
    }
    assert {"gateway-1"} == {
        pair.value.string_value
        for resource in (logs.resource_logs[0].resource, spans.resource_spans[0].resource)
        for pair in resource.attributes
        if pair.key == "service.instance.id"
    }


_PATHS = ("/v1/logs", "/v1/traces", "/v1/metrics")


def test_records_of_one_moment_share_a_sample_of_the_process() -> None:
    """A sample costs more than a record."""
    sampler = UsageSampler(interval_s=60)

    first = sampler.usage()

    assert isinstance(first, Usage)
    assert sampler.usage() is first
    assert first.memory_bytes > 1_000_000
    assert first.cpu_percent >= 0


def test_a_sample_is_taken_anew_after_its_time() -> None:
    """Between two records of work that took its time."""
    sampler = UsageSampler(interval_s=0)

    assert sampler.usage() is not sampler.usage()


def test_what_is_recorded_by_now_can_be_waited_for() -> None:
    """A node that is about to die has its last words heard, the count of its metrics included."""
    with Collector().running() as collector:
        telemetry = build(TelemetryConfig("service2", "service2-1", endpoint=collector.endpoint, ship_delay_s=0.01))
        telemetry.meter.create_counter("carousel.bugs").add(1)
        telemetry.recorder.event("e", "last words")
        assert not telemetry.flush(0.01), "nothing ships before the start"
        telemetry.start()

        assert telemetry.flush(10.0)

        told = {request.path for request in list(collector.received)}
        telemetry.stop()
    assert {"/v1/logs", "/v1/metrics"} <= told


def test_nobody_waits_longer_for_a_collector_than_it_was_told_to() -> None:
    """A node that crashes does so in time, whoever hears of it."""
    telemetry = build(TelemetryConfig("service2", "service2-1", endpoint=f"http://127.0.0.1:{free_port()}"))
    telemetry.recorder.event("e", "last words")
    began = time.monotonic()

    assert not telemetry.flush(0.05)

    assert time.monotonic() - began < 5
    telemetry.meter_provider.shutdown()
