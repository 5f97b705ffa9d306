"""What a node tells its telemetry about itself, and where that telemetry goes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TelemetryConfig:
    """The identity of a node and the address of its Collector."""

    service: str
    """``service.name``: the same for all replicas."""
    node: str
    """``service.instance.id``: this replica."""
    version: str = "0.1.0"
    """``service.version``."""
    environment: str = "demo"
    """``deployment.environment.name``."""
    endpoint: str = "http://127.0.0.1:4318"
    """Base address of an OTLP/HTTP receiver: the Collector, or storage where there is none."""
    metrics_interval_s: float = 5.0
    """Seconds between two collections of the metrics."""
    ship_delay_s: float = 0.1
    """The longest that a log record or a span waits in this process before it is sent, in seconds."""
    outbox_capacity: int = 65_536
    """Records of each signal that wait here while the Collector is away; the oldest goes when it is full."""
