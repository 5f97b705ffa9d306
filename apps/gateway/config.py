"""The gateway's settings, from the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from apps.gateway.members import Policy
from apps.gateway.membership import parse_members
from apps.web.guards import read_token
from apps.web.node import NodeConfig
from apps.web.ports import port
from apps.web.settings import Settings

DEFAULT_ENTITIES: Final = ("orders", "payments", "deliveries")


def _entities(value: str) -> tuple[str, ...]:
    items = tuple(item.strip() for item in value.split(",") if item.strip())
    for item in items:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", item):
            raise ValueError(f"{item!r} is not lower-case letters, digits and hyphens")
    return items


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Everything a gateway has to be told."""

    node: NodeConfig
    """Who this node is and where it listens."""
    service_token: str = field(repr=False)
    """Asked for on ``/internal``."""
    admin_token: str = field(repr=False)
    """Asked for where rings are looked into."""
    service1_members: tuple[str, ...] = ()
    """``host:port`` of each replica of service 1; ``dns+host:port`` for every address of a name."""
    service2_members: tuple[str, ...] = ()
    """The same of service 2."""
    entities: tuple[str, ...] = DEFAULT_ENTITIES
    """Business entities that the client API serves."""
    deadline_ms: int = 5_000
    """Milliseconds a client request may take; a client can ask for less."""
    fault_headers: bool = False
    """Whether a request may order a bug by ``X-Carousel-Fault``."""
    probe_interval_s: float = 0.5
    """Seconds between two looks at each member's ``/readyz``."""
    dns_interval_s: float = 3.0
    """Seconds between two look-ups of each name among the members."""
    policy: Policy = field(default_factory=Policy)
    """When a member is ejected, and how it is warmed up."""

    @property
    def state_file(self) -> Path:
        """Where orders are kept over a restart."""
        name = re.sub(r"[^A-Za-z0-9._-]", "_", self.node.node)
        return self.node.run_dir / "state" / f"{name}.json"

    @property
    def streams(self) -> int:
        """Event streams that may be open at once: each holds a thread. None where there are fewer than four."""
        return self.node.threads // 4

    @property
    def admitted(self) -> int:
        """Client requests that may be inside at once: each needs a second thread for its call back."""
        return max((self.node.threads - 4) // 2, 1)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "GatewayConfig":
        """Return the settings of this process.

        Raises:
            SettingError: a variable has a value that will not do, or a token file is missing.
        """
        settings = Settings(environ)
        node = NodeConfig.from_env("gateway", environ, threads=32)
        offset = settings.whole("CAROUSEL_PORT_OFFSET", 0)
        secrets = node.run_dir / "secrets"
        form = "a comma-separated list of host:port or dns+host:port"
        return cls(
            node=node,
            service_token=read_token(settings.file("CAROUSEL_SERVICE_TOKEN_FILE", secrets / "service")),
            admin_token=read_token(settings.file("CAROUSEL_ADMIN_TOKEN_FILE", Path(secrets / "admin"))),
            service1_members=settings.parsed(
                "CAROUSEL_SERVICE1_MEMBERS", (f"127.0.0.1:{port('service1', offset)}",), parse_members, form
            ),
            service2_members=settings.parsed(
                "CAROUSEL_SERVICE2_MEMBERS", (f"127.0.0.1:{port('service2', offset)}",), parse_members, form
            ),
            entities=settings.parsed(
                "CAROUSEL_ENTITIES", DEFAULT_ENTITIES, _entities, "a comma-separated list of names"
            ),
            deadline_ms=settings.whole("CAROUSEL_DEADLINE_MS", 5_000, at_least=100, at_most=60_000),
            fault_headers=settings.flag("CAROUSEL_FAULT_HEADERS", False),
            probe_interval_s=settings.number("CAROUSEL_PROBE_INTERVAL_S", 0.5, at_least=0.05, at_most=60),
            dns_interval_s=settings.number("CAROUSEL_DNS_INTERVAL_S", 3.0, at_least=0.1, at_most=3_600),
            policy=Policy(
                failures=settings.whole("CAROUSEL_EJECT_AFTER", 5, at_least=1, at_most=1_000),
                ejection_s=settings.number("CAROUSEL_EJECTION_S", 2.0, at_least=0.1, at_most=600),
                warm_up=settings.whole("CAROUSEL_WARM_UP", 10, at_most=1_000),
            ),
        )
