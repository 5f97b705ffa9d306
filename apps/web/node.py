"""Settings that every app has: who this node is and where it listens."""

import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from apps.telemetry.config import TelemetryConfig
from apps.web.ports import port
from apps.web.reverse import own_name
from apps.web.settings import Settings

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


def _name(service: str, host: str, known_as: Callable[[], str | None]) -> str:
    """Return a node's name where none was given: the network's for a replica (Compose: ``carousel-service1-2``)."""
    if host not in ("localhost", "127.0.0.1", "::1"):
        label = (known_as() or "").partition(".")[0]
        # Of any other name nobody can tell the replica.
        if found := re.fullmatch(rf"(?:.+[-_])?({re.escape(service)})[-_](\d+)", label):
            return f"{found[1]}-{found[2]}"
    return f"{service}-{socket.gethostname()}"


def _hosts(value: str) -> tuple[str, ...]:
    items = tuple(item.strip() for item in value.split(",") if item.strip())
    for item in items:
        if "/" in item:
            ipaddress.ip_network(item)
    return items


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Who a node is and where it listens."""

    service: str
    """``service.name`` of the app."""
    node: str
    """Name of this node, its ``service.instance.id``."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 0
    """TCP port to listen on."""
    threads: int = 16
    """Requests that are worked on at once."""
    allowed_hosts: tuple[str, ...] = LOOPBACK
    """Names, and networks of addresses, that requests may be addressed to; others are answered 421."""
    environment: str = "demo"
    """``deployment.environment.name``."""
    otlp_endpoint: str = "http://127.0.0.1:4318"
    """Base address that telemetry is sent to."""
    run_dir: Path = Path(".run")
    """Where state and secrets are kept."""
    echo: bool = True
    """Whether each log record is also printed on stdout as one JSON line."""
    drain_s: float = 1.5
    """Seconds that a node which was told to end goes on serving, so that everybody sees that it is not ready."""

    @classmethod
    def from_env(
        cls,
        service: str,
        environ: Mapping[str, str],
        *,
        threads: int = 16,
        known_as: Callable[[], str | None] = own_name,
    ) -> "NodeConfig":
        """Return the settings of a node of *service*.

        Args:
            service: the app.
            environ: the process's environment.
            threads: how many, where the environment does not say.
            known_as: finds the name that the network has for this host, None if it has none.

        Raises:
            SettingError: a variable has a value that will not do.
        """
        settings = Settings(environ)
        offset = settings.whole("CAROUSEL_PORT_OFFSET", 0, at_most=50_000)
        host = settings.text("CAROUSEL_HOST", "127.0.0.1")
        return cls(
            service=service,
            node=settings.text("CAROUSEL_NODE", "") or _name(service, host, known_as),
            host=host,
            port=settings.whole("CAROUSEL_PORT", port(service, offset), at_least=1, at_most=65_535),
            threads=settings.whole("CAROUSEL_THREADS", threads, at_least=2, at_most=1_000),
            allowed_hosts=settings.parsed(
                "CAROUSEL_ALLOWED_HOSTS", LOOPBACK, _hosts, "a comma-separated list of names and networks"
            ),
            environment=settings.text("CAROUSEL_ENVIRONMENT", "demo"),
            otlp_endpoint=settings.text(
                "OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port('collector-http', offset)}"
            ),
            run_dir=settings.file("CAROUSEL_RUN_DIR", Path(".run")),
            echo=settings.flag("CAROUSEL_ECHO", True),
            drain_s=settings.number("CAROUSEL_DRAIN_S", 1.5, at_most=60),
        )

    def telemetry(self) -> TelemetryConfig:
        """Return what the telemetry library has to know of this node."""
        return TelemetryConfig(self.service, self.node, environment=self.environment, endpoint=self.otlp_endpoint)
