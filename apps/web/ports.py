"""The one table of ports. Everything listens on loopback unless told otherwise.

Knows nothing of who listens; the native stack, the apps' defaults and the command line read it.
"""

PORTS = {
    "gateway": 8080,
    "service1": 8101,
    "service2": 8201,
    "storage": 8300,
    "console": 8400,
    "collector-grpc": 4317,
    "collector-http": 4318,
    "collector-health": 13133,
    "collector-metrics": 8888,
    "prometheus": 9090,
    "alertmanager": 9093,
    "grafana": 3000,
    "loki": 3100,
    "loki-grpc": 9095,
    "tempo": 3200,
    "tempo-otlp": 4319,
    "tempo-grpc": 9096,
    "mongodb": 27017,
    "meilisearch": 7700,
    "locust": 8089,
}

MAX_REPLICAS = 99
"""Replicas of one service that fit between its first port and the next service's."""


def port(name: str, offset: int = 0, replica: int = 1) -> int:
    """Return the TCP port of *name*'s *replica* (counted from 1), moved by *offset*.

    Raises:
        KeyError: *name* is in no table row.
        ValueError: the replica or the resulting port is out of range.
    """
    if not 1 <= replica <= MAX_REPLICAS:
        raise ValueError(f"replica {replica} of {name}: expected 1 to {MAX_REPLICAS}")
    number = PORTS[name] + replica - 1 + offset
    if not 1 <= number <= 65535:
        raise ValueError(f"port {number} of {name}: CAROUSEL_PORT_OFFSET={offset} leaves 1 to 65535")
    return number
