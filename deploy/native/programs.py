"""The programs of a native stack as data: what runs, on which port, with which environment, and how it is asked.

Pure: decides and touches nothing. `render` writes it down for supervisor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.native.config import APP_KEYS, StackConfig
from deploy.native.tools import ROOT
from deploy.native.venv import PYTHON

KEPT_BY = "CAROUSEL_KEPT_BY"
"""Marks every process of a stack with its run directory: whose a process is can be read off the process."""
LOAD = "load"
LOAD_USERS = 2


@dataclass(frozen=True)
class Program:
    """One program that supervisor keeps."""

    name: str
    """Its node name: `gateway-1`, `service1-2`, `collector-1`; also its log's."""
    service: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[tuple[str, int], ...] = ()
    """What it listens on: a name for the person, and the port."""
    ready_url: str | None = None
    """Answers 200 when the program may be used; None: nobody waits for it."""
    stop_wave: int = 1
    """Programs of a lower wave are stopped first: those that send before those that receive."""
    starts_by_itself: bool = True
    stop_seconds: int = 8


@dataclass(frozen=True)
class Engines:
    """Which engines this stack has."""

    collector: Path | None = None
    """The binary to run; None: none is run."""
    prometheus: Path | None = None
    prometheus_url: str | None = None
    """The Prometheus to write to and to ask: ours, or one of the user's."""


def listed(config: StackConfig, engines: Engines) -> list[Program]:
    """Return the programs of the stack, the ones that are longest in starting first."""
    apps = [_storage(config, engines), _gateway(config, engines)]
    for service in ("service1", "service2"):
        apps += [_service(config, engines, service, number + 1) for number in range(config.replicas[service])]
    programs = [*apps]
    if engines.collector is not None:
        programs.append(_collector(config, engines))
    if engines.prometheus is not None:
        programs.append(_prometheus(config, engines.prometheus))
    if config.load_rate > 0:
        programs.append(_load(config))
    return programs


STORAGE_KEYS = ("CAROUSEL_STORAGE_MONGODB_AGE_S", "CAROUSEL_SEARCH_URL", "CAROUSEL_SEARCH_KEY_FILE")
"""What storage alone is handed of the environment of `make`."""


def _app_env(config: StackConfig, engines: Engines, node: str, port: int) -> dict[str, str]:
    shared = {key: config.values[key] for key in APP_KEYS if config.values.get(key)}
    endpoint = config.url("storage") if engines.collector is None else config.url("collector", "collector-http")
    return shared | {
        "CAROUSEL_NODE": node,
        "CAROUSEL_PORT": str(port),
        "CAROUSEL_RUN_DIR": str(config.run_dir),
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
    }


def _app(config: StackConfig, engines: Engines, service: str, replica: int, env: Mapping[str, str]) -> Program:
    node, port = f"{service}-{replica}", config.port(service, replica)
    return Program(
        name=node,
        service=service,
        command=(str(PYTHON), "-m", f"apps.{service}"),
        env={**_app_env(config, engines, node, port), **env},
        ports=(("http", port),),
        ready_url=f"http://{config.host(service)}:{port}/readyz",
        stop_wave=2 if service == "storage" else 1,
    )


def _members(config: StackConfig, service: str) -> str:
    numbers = range(1, config.replicas[service] + 1)
    return ",".join(f"{config.host(service)}:{config.port(service, number)}" for number in numbers)


def _token(config: StackConfig, name: str) -> str:
    return str(config.run_dir / "secrets" / name)


def _gateway(config: StackConfig, engines: Engines) -> Program:
    env = {
        "CAROUSEL_SERVICE1_MEMBERS": _members(config, "service1"),
        "CAROUSEL_SERVICE2_MEMBERS": _members(config, "service2"),
        "CAROUSEL_SERVICE_TOKEN_FILE": _token(config, "service"),
        "CAROUSEL_ADMIN_TOKEN_FILE": _token(config, "admin"),
    }
    return _app(config, engines, "gateway", 1, env)


def _service(config: StackConfig, engines: Engines, service: str, replica: int) -> Program:
    env = {}
    if service == "service1":
        env["CAROUSEL_GATEWAY_URL"] = config.url("gateway")
        env["CAROUSEL_SERVICE_TOKEN_FILE"] = _token(config, "service")
        # The demo's bugs are service 2's; service 1 has them on demand, by request header.
        env["CAROUSEL_FAULTS"] = config.values.get("CAROUSEL_SERVICE1_FAULTS", "")
    return _app(config, engines, service, replica, env)


def _storage(config: StackConfig, engines: Engines) -> Program:
    url = config.values.get("CAROUSEL_STORAGE_URL") or f"sqlite:///{config.data / 'storage.db'}"
    asked = {key: config.values[key] for key in STORAGE_KEYS if config.values.get(key)}
    return _app(config, engines, "storage", 1, {"CAROUSEL_STORAGE_URL": url, **asked})


def collector_env(config: StackConfig, engines: Engines) -> dict[str, str]:
    """Return the environment that `otel-collector/config.yaml` reads."""
    listen = config.listen_host
    prometheus = engines.prometheus_url
    return {
        "CAROUSEL_COLLECTOR_GRPC": f"{listen}:{config.port('collector-grpc')}",
        "CAROUSEL_COLLECTOR_HTTP": f"{listen}:{config.port('collector-http')}",
        "CAROUSEL_COLLECTOR_HEALTH": f"{listen}:{config.port('collector-health')}",
        "CAROUSEL_COLLECTOR_METRICS_HOST": listen,
        "CAROUSEL_COLLECTOR_METRICS_PORT": str(config.port("collector-metrics")),
        "CAROUSEL_COLLECTOR_QUEUE_DIR": str(config.data / "collector"),
        "CAROUSEL_STORAGE_ADDRESS": config.url("storage"),
        "CAROUSEL_PROMETHEUS_WRITE": f"{prometheus or config.url('prometheus')}/api/v1/write",
        "CAROUSEL_METRICS_ALSO_TO": "prometheusremotewrite" if prometheus else "debug",
    }


def _collector(config: StackConfig, engines: Engines) -> Program:
    names = ("collector-grpc", "collector-http", "collector-health", "collector-metrics")
    return Program(
        name="collector-1",
        service="collector",
        command=(str(engines.collector), "--config", str(ROOT / "otel-collector" / "config.yaml")),
        env=collector_env(config, engines),
        ports=tuple((name.removeprefix("collector-"), config.port(name)) for name in names),
        ready_url=config.url("collector", "collector-health") + "/",
        # After storage, whose last records it keeps in its queue for the next start.
        stop_wave=3,
    )


def _prometheus(config: StackConfig, binary: Path) -> Program:
    port = config.port("prometheus")
    return Program(
        name="prometheus-1",
        service="prometheus",
        command=(
            str(binary),
            f"--config.file={config.run_dir / 'prometheus' / 'prometheus.yml'}",
            f"--storage.tsdb.path={config.data / 'prometheus'}",
            "--storage.tsdb.retention.time=7d",
            f"--web.listen-address={config.listen_host}:{port}",
            "--web.enable-remote-write-receiver",
            "--enable-feature=exemplar-storage",
        ),
        ports=(("http", port),),
        ready_url=config.url("prometheus") + "/-/ready",
        stop_wave=3,
    )


def _load(config: StackConfig) -> Program:
    locustfile = str(ROOT / "tests" / "load" / "locustfile.py")
    return Program(
        name=LOAD,
        service=LOAD,
        command=(
            *(str(PYTHON), "-m", "locust", "--headless", "--only-summary", "--skip-log-setup"),
            *("--locustfile", locustfile, "--host", config.url("gateway")),
            *("--users", str(LOAD_USERS), "--spawn-rate", str(LOAD_USERS)),
        ),
        env={"CAROUSEL_LOAD_RATE": f"{config.load_rate:g}", "CAROUSEL_LOAD_USERS": str(LOAD_USERS)},
        stop_wave=0,
        starts_by_itself=False,
        stop_seconds=3,
    )
