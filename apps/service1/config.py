"""The settings of a replica of service 1."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from apps.web.guards import read_token
from apps.web.ports import port
from apps.web.replica import ReplicaConfig
from apps.web.settings import Settings
from apps.web.work import parse_range

_ADDRESSES = "base addresses, comma-separated, as in http://127.0.0.1:8080,http://127.0.0.1:8081"
_RANGE = "milliseconds, as in 20 or 5-15"


def _base_addresses(value: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(part.strip().rstrip("/") for part in value.split(",") if part.strip()))
    parts = [urlsplit(address) for address in found]
    if not found or not all(part.scheme in ("http", "https") and part.hostname and part.port != 0 for part in parts):
        raise ValueError
    return found


@dataclass(frozen=True, slots=True)
class Service1Config:
    """Everything a replica of service 1 has to be told."""

    replica: ReplicaConfig
    """Who this node is and how it misbehaves."""
    service_token: str = field(repr=False)
    """Shown to the gateway when service 2 is asked for."""
    gateway_urls: tuple[str, ...] = ("http://127.0.0.1:8080",)
    """Base addresses of the gateways: the first that can be connected to is asked."""
    part1_ms: tuple[float, float] = (5.0, 15.0)
    """Least and most milliseconds of work before service 2 is asked."""
    part2_ms: tuple[float, float] = (5.0, 15.0)
    """Least and most milliseconds of work after service 2 has answered."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Service1Config":
        """Return the settings of this process.

        Raises:
            SettingError: a variable has a value that will not do, or the token file is missing.
        """
        settings = Settings(environ)
        replica = ReplicaConfig.from_env("service1", environ)
        offset = settings.whole("CAROUSEL_PORT_OFFSET", 0)
        default = f"http://127.0.0.1:{port('gateway', offset)}"
        secret = replica.node.run_dir / "secrets" / "service"
        return cls(
            replica=replica,
            service_token=read_token(settings.file("CAROUSEL_SERVICE_TOKEN_FILE", secret)),
            gateway_urls=settings.parsed("CAROUSEL_GATEWAY_URL", (default,), _base_addresses, _ADDRESSES),
            part1_ms=settings.parsed("CAROUSEL_PART1_MS", (5.0, 15.0), parse_range, _RANGE),
            part2_ms=settings.parsed("CAROUSEL_PART2_MS", (5.0, 15.0), parse_range, _RANGE),
        )
