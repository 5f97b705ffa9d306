"""The programs of a native stack as data: what runs, on which port, with which environment, and how it is asked.

Pure: decides and touches nothing. `render` writes it down for supervisor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from deploy.native import grafana, loki, tempo
from deploy.native.collector import CONFIG, OVERLAYS, config_words
from deploy.native.config import APP_KEYS, StackConfig
from deploy.native.tools import ROOT
from deploy.native.venv import PYTHON

KEPT_BY = "CAROUSEL_KEPT_BY"
"""Marks every process of a stack with its run directory: whose a process is can be read off the process."""
LOAD = "load"
IN_RINGS = ("service1", "service2")
"""The services whose nodes the gateways keep in rings."""
DRAIN_S = 1.5
"""Seconds that an app serves on when it drains, unless `CAROUSEL_DRAIN_S` says otherwise."""
LOAD_USERS = 4
"""Of a light load; each waits for its answer up to the gateway's deadline."""


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
    awaited: bool = True
    """Whether the stack may be used only when this one is ready; its readiness is shown either way."""
    stop_seconds: int = 8
    stop_signal: str = "TERM"


@dataclass(frozen=True)
class Engines:
    """Which engines this stack has."""

    collector: Path | None = None
    """The binary to run; None: none is run."""
    prometheus: Path | None = None
    prometheus_url: str | None = None
    """The Prometheus to write to and to ask: ours, or one of the user's."""
    loki: Path | None = None
    tempo: Path | None = None
    grafana: Path | None = None


def listed(config: StackConfig, engines: Engines) -> list[Program]:
    """Return the programs of the stack, the ones that are longest in starting first."""
    apps = [_storage(config, engines)]
    apps += [_gateway(config, engines, number + 1) for number in range(config.replicas["gateway"])]
    for service in IN_RINGS:
        apps += [_service(config, engines, service, number + 1) for number in range(config.replicas[service])]
    programs = [*apps]
    if engines.collector is not None:
        programs.append(_collector(config, engines))
    if engines.prometheus is not None:
        programs.append(_prometheus(config, engines.prometheus))
    # Both are fed by the Collector alone: without one they would only stand there.
    if engines.collector is not None and engines.loki is not None:
        programs.append(_loki(config, engines.loki))
    if engines.collector is not None and engines.tempo is not None:
        programs.append(_tempo(config, engines))
    if engines.grafana is not None:
        programs.append(_grafana(config, engines))
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
        # What is in flight is finished (10 s at most, then telemetry is shipped), but nobody has to see it coming:
        # supervisor stops a node when its whole stack ends, or when the gateways have let go of it.
        stop_seconds=20,
        stop_signal="INT",
    )


def number_of(program: Program) -> int:
    """Return which replica of its service *program* is, counted from 1."""
    return int(program.name.rpartition("-")[2])


def drain_s_of(program: Program) -> float:
    """Return how many seconds an app serves on when it drains."""
    return float(program.env.get("CAROUSEL_DRAIN_S") or DRAIN_S)


def address_of(program: Program) -> str:
    """Return ``host:port`` of an app."""
    return urlsplit(program.ready_url or "").netloc


def gateway_urls(addresses: Sequence[str], number: int) -> str:
    """Return the gateways at *addresses* as replica *number* of service 1 is told them: each begins with another."""
    first = (number - 1) % len(addresses)
    return ",".join(f"http://{address}" for address in (*addresses[first:], *addresses[:first]))


def _members(config: StackConfig, service: str) -> str:
    numbers = range(1, config.replicas[service] + 1)
    return ",".join(f"{config.host(service)}:{config.port(service, number)}" for number in numbers)


def _token(config: StackConfig, name: str) -> str:
    return str(config.run_dir / "secrets" / name)


def _gateway(config: StackConfig, engines: Engines, replica: int) -> Program:
    env = {
        "CAROUSEL_SERVICE1_MEMBERS": _members(config, "service1"),
        "CAROUSEL_SERVICE2_MEMBERS": _members(config, "service2"),
        "CAROUSEL_SERVICE_TOKEN_FILE": _token(config, "service"),
        "CAROUSEL_ADMIN_TOKEN_FILE": _token(config, "admin"),
    }
    return _app(config, engines, "gateway", replica, env)


def _service(config: StackConfig, engines: Engines, service: str, replica: int) -> Program:
    env = {"CAROUSEL_ADMIN_TOKEN_FILE": _token(config, "admin")}
    if service == "service1":
        env["CAROUSEL_GATEWAY_URL"] = gateway_urls(_members(config, "gateway").split(","), replica)
        env["CAROUSEL_SERVICE_TOKEN_FILE"] = _token(config, "service")
        # The demo's bugs are service 2's; service 1 has them on demand, by request header.
        env["CAROUSEL_FAULTS"] = config.values.get("CAROUSEL_SERVICE1_FAULTS", "")
    return _app(config, engines, service, replica, env)


def _storage(config: StackConfig, engines: Engines) -> Program:
    url = config.values.get("CAROUSEL_STORAGE_URL") or f"sqlite:///{config.data / 'storage.db'}"
    asked = {key: config.values[key] for key in STORAGE_KEYS if config.values.get(key)}
    # Nobody balances over storage: the Collector keeps what it cannot send, so there is nothing to drain.
    return _app(config, engines, "storage", 1, {"CAROUSEL_STORAGE_URL": url, "CAROUSEL_DRAIN_S": "0", **asked})


def collector_env(config: StackConfig, engines: Engines) -> dict[str, str]:
    """Return the environment that `otel-collector/config.yaml` and its overlays read."""
    listen = config.listen_host
    prometheus = engines.prometheus_url
    return {
        "CAROUSEL_COLLECTOR_GRPC": f"{listen}:{config.port('collector-grpc')}",
        "CAROUSEL_COLLECTOR_HTTP": f"{listen}:{config.port('collector-http')}",
        "CAROUSEL_COLLECTOR_HEALTH": f"{listen}:{config.port('collector-health')}",
        "CAROUSEL_COLLECTOR_METRICS_HOST": listen,
        "CAROUSEL_COLLECTOR_METRICS_PORT": str(config.port("collector-metrics")),
        "CAROUSEL_COLLECTOR_QUEUE_DIR": str(config.data / "collector"),
        "CAROUSEL_NODE": "collector-1",
        "CAROUSEL_COLLECTOR_SELF": config.url("collector", "collector-http"),
        "CAROUSEL_STORAGE_ADDRESS": config.url("storage"),
        "CAROUSEL_LOKI_OTLP": f"{config.url('loki')}/otlp",
        "CAROUSEL_TEMPO_OTLP": config.url("tempo", "tempo-otlp"),
        "CAROUSEL_PROMETHEUS_WRITE": f"{prometheus or config.url('prometheus')}/api/v1/write",
        "CAROUSEL_METRICS_ALSO_TO": "prometheusremotewrite" if prometheus else "debug",
    }


def _collector(config: StackConfig, engines: Engines) -> Program:
    configs = [CONFIG, *(path for name, path in OVERLAYS.items() if getattr(engines, name) is not None)]
    names = ("collector-grpc", "collector-http", "collector-health", "collector-metrics")
    return Program(
        name="collector-1",
        service="collector",
        command=(str(engines.collector), *config_words(configs)),
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


def _loki(config: StackConfig, binary: Path) -> Program:
    return Program(
        name="loki-1",
        service="loki",
        command=loki.command(binary),
        env={
            "CAROUSEL_LOKI_HOST": config.listen_host,
            "CAROUSEL_LOKI_PORT": str(config.port("loki")),
            "CAROUSEL_LOKI_GRPC_PORT": str(config.port("loki-grpc")),
            "CAROUSEL_LOKI_DIR": str(config.data / "loki"),
        },
        ports=(("http", config.port("loki")), ("grpc", config.port("loki-grpc"))),
        ready_url=config.url("loki") + "/ready",
        stop_wave=3,
        awaited=False,
    )


def _tempo(config: StackConfig, engines: Engines) -> Program:
    names = ("tempo-otlp", "tempo-grpc")
    return Program(
        name="tempo-1",
        service="tempo",
        command=tempo.command(str(engines.tempo)),
        env={
            "CAROUSEL_TEMPO_HOST": config.listen_host,
            "CAROUSEL_TEMPO_PORT": str(config.port("tempo")),
            "CAROUSEL_TEMPO_OTLP_PORT": str(config.port("tempo-otlp")),
            "CAROUSEL_TEMPO_GRPC_PORT": str(config.port("tempo-grpc")),
            "CAROUSEL_TEMPO_DIR": str(config.data / "tempo"),
            "CAROUSEL_PROMETHEUS_WRITE": f"{engines.prometheus_url or config.url('prometheus')}/api/v1/write",
        },
        ports=(("http", config.port("tempo")), *((name.removeprefix("tempo-"), config.port(name)) for name in names)),
        ready_url=config.url("tempo") + "/ready",
        stop_wave=3,
        awaited=False,
    )


def _grafana(config: StackConfig, engines: Engines) -> Program:
    # Tempo, Loki and Alertmanager may come and go: their data sources are where they would be.
    addresses = {name: config.url(name) for name in ("tempo", "loki", "alertmanager")}
    addresses["prometheus"] = engines.prometheus_url or config.url("prometheus")
    port = config.port("grafana")
    return Program(
        name="grafana-1",
        service="grafana",
        command=grafana.command(Path(str(engines.grafana))),
        env=grafana.environment(config.run_dir, config.listen_host, port, addresses),
        ports=(("http", port),),
        ready_url=config.url("grafana") + "/api/health",
        # Its first start makes a database, which takes longer than anybody should wait for the demo.
        awaited=False,
    )


def _load(config: StackConfig) -> Program:
    env = {
        "CAROUSEL_LOAD_SHAPE": "steady",
        "CAROUSEL_LOAD_TIME": "0",
        "CAROUSEL_LOAD_RATE": f"{config.load_rate:g}",
        "CAROUSEL_LOAD_USERS": str(load_users(config.load_rate)),
        # Its journeys are looked at by whoever wants to; searching storage all the time would be a load of its own.
        "CAROUSEL_LOAD_SAMPLE": "0",
        "CAROUSEL_GATEWAY_URL": gateway_urls(_members(config, "gateway").split(","), 1),
        "CAROUSEL_GATEWAY_HOST": config.host("gateway"),
        "CAROUSEL_ENTITIES": config.values.get("CAROUSEL_ENTITIES", ""),
    }
    return Program(
        name=LOAD,
        service=LOAD,
        command=(*locust(config.url("gateway"), PYTHON), "--headless", "--stop-timeout", "1"),
        env=env,
        stop_wave=0,
        starts_by_itself=False,
        stop_seconds=3,
    )


def load_users(rate: float) -> int:
    """Return how many clients share the steady load of *rate* requests/s: a slow answer must not hold the others up."""
    return max(LOAD_USERS, math.ceil(rate / 2))


def locust(gateway: str, python: str | Path) -> list[str]:
    """Return the words that begin every command of the load: *python* runs locust against *gateway*."""
    file = ROOT / "tests" / "load" / "locustfile.py"
    words = [str(python), "-m", "locust", "--locustfile", str(file), "--host", gateway]
    return [*words, "--only-summary", "--skip-log-setup"]
