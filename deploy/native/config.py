"""What a native stack is asked to be: where its state lives, how its ports are moved, how many replicas.

Read from `deploy/env/native.env` and, above it, the environment. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from apps.web.ports import MAX_REPLICAS, port
from deploy.native.tools import ROOT

ENV_FILE = ROOT / "deploy" / "env" / "native.env"
DEFAULT_RUN_DIR = ROOT / ".run"
MAX_GATEWAYS = 8
BOUNDS = {"gateway": (1, MAX_GATEWAYS), "service1": (1, MAX_REPLICAS), "service2": (1, MAX_REPLICAS)}
"""The services that have replicas, and how many of each there may be."""
SOCKET_PATH_LIMIT = 90
"""Bytes of a unix socket's path that every system takes (macOS: 104), less the suffix supervisor adds while binding."""

ENGINE_NAMES = frozenset({"collector", "prometheus", "loki", "tempo", "grafana"})
APP_KEYS = (
    "CAROUSEL_HOST",
    "CAROUSEL_ALLOWED_HOSTS",
    "CAROUSEL_ENVIRONMENT",
    "CAROUSEL_THREADS",
    "CAROUSEL_DRAIN_S",
    "CAROUSEL_ENTITIES",
    "CAROUSEL_DEADLINE_MS",
    "CAROUSEL_FAULTS",
    "CAROUSEL_FAULT_HEADERS",
    "CAROUSEL_SEED",
    "CAROUSEL_ECHO",
    "CAROUSEL_PART1_MS",
    "CAROUSEL_PART2_MS",
    "CAROUSEL_WORK_MS",
    "CAROUSEL_EJECT_AFTER",
    "CAROUSEL_EJECTION_S",
    "CAROUSEL_PROBE_INTERVAL_S",
    "CAROUSEL_DNS_INTERVAL_S",
    "CAROUSEL_WARM_UP",
)
"""Variables that are handed to the apps as they are, where they are set."""


class ConfigError(ValueError):
    """A variable's value will not do; the message names variable, value and form."""


def read_env_file(path: Path = ENV_FILE) -> dict[str, str]:
    """Return the variables of an env file: KEY=value lines, `#` comments on lines of their own, no quoting."""
    pairs = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text and not text.startswith("#"):
            key, _, value = text.partition("=")
            pairs[key.strip()] = value.strip()
    return pairs


def _whole(values: Mapping[str, str], key: str, default: int, low: int, high: int) -> int:
    value = values.get(key) or str(default)
    try:
        number = int(value)
        if low <= number <= high:
            return number
    except ValueError:
        pass
    raise ConfigError(f"{key}={value!r}: expected a whole number from {low} to {high}")


def _number(values: Mapping[str, str], key: str, default: float) -> float:
    value = values.get(key) or str(default)
    try:
        number = float(value)
        if 0 <= number <= 1000:
            return number
    except ValueError:
        pass
    raise ConfigError(f"{key}={value!r}: expected a number from 0 to 1000")


def _without(values: Mapping[str, str]) -> frozenset[str]:
    value = values.get("CAROUSEL_WITHOUT", "")
    names = frozenset(name.strip() for name in value.split(",") if name.strip())
    if names <= ENGINE_NAMES:
        return names
    raise ConfigError(
        f"CAROUSEL_WITHOUT={value!r}: expected a comma-separated list of {', '.join(sorted(ENGINE_NAMES))}"
    )


@dataclass(frozen=True)
class StackConfig:
    """A native stack as data. Paths are absolute."""

    run_dir: Path
    offset: int
    replicas: Mapping[str, int]
    """How many of gateway, of service1 and of service2."""
    load_rate: float
    """Requests per second of the steady load; 0 means none."""
    without: frozenset[str]
    """Engines that are not started although they may be there."""
    values: Mapping[str, str]
    """The env file's variables with the environment's above them."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> StackConfig:
        """Return the stack that *environ* asks for.

        Raises:
            ConfigError: a value is not of its form.
        """
        values = read_env_file()
        values |= {key: value for key, value in environ.items() if key.startswith("CAROUSEL_")}
        run_dir = Path(values.get("CAROUSEL_RUN_DIR") or DEFAULT_RUN_DIR).absolute()
        # The highest port of what is started here is 13133.
        offset = _whole(values, "CAROUSEL_PORT_OFFSET", 0, 0, 50_000)
        replicas = {
            name: _whole(values, f"CAROUSEL_{name.upper()}_REPLICAS", 1 if name == "gateway" else 2, *bounds)
            for name, bounds in BOUNDS.items()
        }
        return cls(run_dir, offset, replicas, _number(values, "CAROUSEL_LOAD_RATE", 2.0), _without(values), values)

    def port(self, name: str, replica: int = 1) -> int:
        """Return the port of *name*'s *replica* in this stack."""
        return port(name, self.offset, replica)

    def host(self, name: str) -> str:
        """Return where *name* (an app or an engine of the table of ports) is found."""
        return self.values.get(f"CAROUSEL_{name.upper()}_HOST") or "127.0.0.1"

    @property
    def listen_host(self) -> str:
        """Where everything listens."""
        return self.values.get("CAROUSEL_HOST") or "127.0.0.1"

    def url(self, name: str, port_name: str | None = None) -> str:
        """Return the base address of *name*."""
        return f"http://{self.host(name)}:{self.port(port_name or name)}"

    @property
    def logs(self) -> Path:
        """The folder of the programs' logs."""
        return self.run_dir / "logs"

    @property
    def data(self) -> Path:
        """The folder of what storage, Collector and Prometheus keep."""
        return self.run_dir / "data"

    @property
    def socket(self) -> Path:
        """Supervisor's unix socket: in the run directory, or in a short place of this user's when that is too long."""
        inside = self.run_dir / "supervisor.sock"
        if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT:
            return inside
        digest = hashlib.sha256(os.fsencode(self.run_dir)).hexdigest()[:10]
        return Path("/tmp") / f"carousel-{os.getuid()}" / f"{digest}.sock"
