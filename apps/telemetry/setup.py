"""Builds a node's telemetry: providers, outboxes, the shipper, the registry behind ``/metrics``.

`build` has no effect outside what it returns. `Telemetry.start` begins to ship and makes the providers global, which
only a process's ``__main__`` does. Providers are made in the process that serves: they do not survive a fork.
"""

import os
import platform
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from opentelemetry import _logs, metrics, trace
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from prometheus_client import CollectorRegistry

from apps.telemetry import names
from apps.telemetry.config import TelemetryConfig
from apps.telemetry.exposition import LastCollection, new_registry
from apps.telemetry.logs import route_logging
from apps.telemetry.outbox import MemoryOutbox, Outbox
from apps.telemetry.processors import JourneySpanProcessor, RecordProcessor, new_boot_id
from apps.telemetry.shipper import Route, Shipper
from apps.telemetry.trail import Recorder

SCOPE = "carousel"
PID = "process.pid"
EXPORT_TIMEOUT_S = 4
"""For one export of the metrics with its retries; the next collection brings the same counters again."""
EARLY_COLLECTIONS = 4
"""Collections of the metrics, a second apart, right after a start."""
UNTRACED_URLS = "/healthz$,/readyz$,/metrics$,/v1/(logs|traces|metrics)$,/internal/targets$,/admin/stream$"
"""Routes that make no spans and no duration metric: probes, scrapes, ingest and event streams would feed on
themselves."""


def resource_of(config: TelemetryConfig) -> Resource:
    """Return the resource of a node: service, process and host, by the semantic conventions."""
    return Resource(
        {
            names.APP: config.service,
            names.NODE: config.node,
            "service.namespace": names.SERVICE_NAMESPACE,
            "service.version": config.version,
            "deployment.environment.name": config.environment,
            PID: os.getpid(),
            "process.runtime.name": platform.python_implementation().lower(),
            "process.runtime.version": platform.python_version(),
            "host.name": platform.node(),
            "host.arch": platform.machine(),
            "os.type": platform.system().lower(),
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
        }
    )


def _encode_records(records: Any) -> Any:
    return encode_logs(
        [
            ReadableLogRecord(entry.log_record, entry.resource, entry.instrumentation_scope, entry.limits)
            for entry in records
        ]
    )


@dataclass
class Telemetry:
    """A node's telemetry, ready to be used by an app."""

    config: TelemetryConfig
    recorder: Recorder
    tracer: trace.Tracer
    meter: metrics.Meter
    registry: CollectorRegistry
    records: Outbox[ReadWriteLogRecord]
    spans: Outbox[ReadableSpan]
    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    logger_provider: LoggerProvider
    _shipper: Shipper | None = field(default=None, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)

    def instrument(self, app: Flask) -> None:
        """Let *app* make SERVER spans and HTTP metrics, except on the routes in `UNTRACED_URLS`."""
        FlaskInstrumentor().instrument_app(  # type: ignore[no-untyped-call]
            app,
            tracer_provider=self.tracer_provider,
            meter_provider=self.meter_provider,
            excluded_urls=UNTRACED_URLS,
            enable_commenter=False,
        )

    def instrument_client(self, request_hook: Callable[[Any, Any], None] | None = None) -> None:
        """Let every ``requests`` session of this process make CLIENT spans and hand the context on."""
        RequestsInstrumentor().instrument(
            tracer_provider=self.tracer_provider,
            meter_provider=self.meter_provider,
            request_hook=request_hook,
        )

    def start(self) -> None:
        """Begin to ship; make the providers global; take over the standard library's logging."""
        if self._shipper is not None:
            self._shipper.start()
            threading.Thread(target=self._show_early, name="telemetry-early-metrics", daemon=True).start()
        trace.set_tracer_provider(self.tracer_provider)
        metrics.set_meter_provider(self.meter_provider)
        _logs.set_logger_provider(self.logger_provider)
        route_logging(self.recorder)
        self.recorder.event(names.PROCESS_STARTED, f"{self.config.node} started")

    def _show_early(self) -> None:
        """Collect a few times before the first interval is over, so that a node that came is seen at once."""
        for _ in range(EARLY_COLLECTIONS):
            if self._stopping.wait(1.0):
                return
            self.meter_provider.force_flush()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Ship what is left, at most *timeout_s* long."""
        self._stopping.set()
        self.recorder.event(names.PROCESS_STOPPED, f"{self.config.node} stopped")
        self.tracer_provider.shutdown()
        self.logger_provider.shutdown()
        if self._shipper is not None:
            self._shipper.stop(timeout_s)
        self.meter_provider.shutdown(timeout_millis=timeout_s * 1000)


def build(
    config: TelemetryConfig,
    *,
    ships: bool = True,
    echo: Callable[[Mapping[str, Any]], None] | None = None,
) -> Telemetry:
    """Return the telemetry of the node that *config* describes.

    Args:
        config: who the node is and where its Collector listens.
        ships: False keeps every record in the outboxes, for tests that look at them.
        echo: called with each log record's JSON shape; `StdoutEcho` prints it.
    """
    # Read by the instrumentations when they are first used (stable HTTP semantic conventions only).
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
    resource = resource_of(config)
    records: Outbox[ReadWriteLogRecord] = MemoryOutbox(config.outbox_capacity)
    spans: Outbox[ReadableSpan] = MemoryOutbox(config.outbox_capacity)

    logger_provider = LoggerProvider(resource, shutdown_on_exit=False)
    logger_provider.add_log_record_processor(RecordProcessor(records, new_boot_id(), echo))
    tracer_provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
    tracer_provider.add_span_processor(JourneySpanProcessor(spans))

    exporter: MetricExporter | None = None
    shipper: Shipper | None = None
    if ships:
        exporter = OTLPMetricExporter(f"{config.endpoint.rstrip('/')}/v1/metrics", timeout=EXPORT_TIMEOUT_S)
        routes = (
            Route("/v1/logs", records, _encode_records),
            Route("/v1/traces", spans, encode_spans),
        )
        shipper = Shipper(config.endpoint, routes, delay_s=config.ship_delay_s)
    last = LastCollection(exporter)
    interval_ms = config.metrics_interval_s * 1000 if ships else float("inf")
    reader = PeriodicExportingMetricReader(last, export_interval_millis=interval_ms)
    # A start of the process is a reset of its counters, not new series of them.
    lasting = Resource({key: value for key, value in resource.attributes.items() if key != PID})
    meter_provider = MeterProvider([reader], resource=lasting, shutdown_on_exit=False)
    telemetry = Telemetry(
        config,
        Recorder(logger_provider.get_logger(SCOPE, config.version)),
        tracer_provider.get_tracer(SCOPE, config.version),
        meter_provider.get_meter(SCOPE, config.version),
        new_registry(last),
        records,
        spans,
        tracer_provider,
        meter_provider,
        logger_provider,
        shipper,
    )
    _watch_outboxes(telemetry, shipper)
    return telemetry


def _watch_outboxes(telemetry: Telemetry, shipper: Shipper | None) -> None:
    def waiting(_options: metrics.CallbackOptions) -> list[metrics.Observation]:
        return [
            metrics.Observation(len(telemetry.records), {"signal": "logs"}),
            metrics.Observation(len(telemetry.spans), {"signal": "traces"}),
        ]

    def dropped(_options: metrics.CallbackOptions) -> list[metrics.Observation]:
        return [
            metrics.Observation(telemetry.records.dropped, {"signal": "logs", "reason": "full"}),
            metrics.Observation(telemetry.spans.dropped, {"signal": "traces", "reason": "full"}),
            metrics.Observation(shipper.refused if shipper else 0, {"signal": "all", "reason": "refused"}),
        ]

    telemetry.meter.create_observable_up_down_counter(
        names.METRIC_OUTBOX_RECORDS, [waiting], "{record}", "Records that wait to be shipped"
    )
    telemetry.meter.create_observable_counter(
        names.METRIC_OUTBOX_DROPPED, [dropped], "{record}", "Records that were lost"
    )
