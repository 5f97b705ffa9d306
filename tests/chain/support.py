"""All five nodes of the demo in one process, joined by a transport adapter instead of sockets."""

import contextvars
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import format_span_id, format_trace_id
from werkzeug.test import EnvironBuilder, run_wsgi_app

from apps.gateway.app import create_service as create_gateway
from apps.gateway.config import GatewayConfig
from apps.gateway.members import Policy
from apps.service1.app import create_service as create_service1
from apps.service1.config import Service1Config
from apps.service2.app import create_service as create_service2
from apps.service2.config import Service2Config
from apps.telemetry import steps
from apps.telemetry.setup import Telemetry
from apps.web.node import NodeConfig
from apps.web.replica import ReplicaConfig
from apps.web.work import Workshop
from tests.fakes import Network, Reply, Script, records_of, telemetry_of

GATEWAY = "127.0.0.1:8080"
ADMIN_TOKEN, SERVICE_TOKEN = "admin-token", "service-token"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-00"
"""A client's context that was not sampled."""


@dataclass(frozen=True)
class ClientAnswer:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


def serve(app: Flask, method: str, url: str, headers: Mapping[str, str], body: bytes) -> ClientAnswer:
    """Let *app* answer one request in a context of its own, as a process of its own would."""
    parts = urlsplit(url)
    builder = EnvironBuilder(
        parts.path,
        f"http://{parts.netloc}",
        query_string=parts.query,
        method=method,
        headers=list(headers.items()),
        input_stream=None,
        data=body,
    )
    environ = builder.get_environ()
    chunks, status, answer_headers = contextvars.Context().run(run_wsgi_app, app, environ, True)
    return ClientAnswer(int(status.split(" ", 1)[0]), dict(answer_headers), b"".join(chunks))


def _script_of(app: Flask) -> Script:
    def script(request: requests.PreparedRequest) -> Reply:
        body = request.body or b""
        assert isinstance(body, bytes)
        headers = {name: str(value) for name, value in (request.headers or {}).items()}
        answer = serve(app, request.method or "GET", request.url or "", headers, body)
        return Reply(answer.status, answer.body, answer.headers)

    return script


@dataclass
class Chain:
    """A gateway with its replicas, and a client that asks it.

    *replicas* are as many of each service; *threads* of the gateway bound what is let in; work takes no time.
    """

    replicas: int = 2
    threads: int = 32
    fault_headers: bool = True
    policy: Policy = field(default_factory=Policy)
    run_dir: Path = field(default_factory=lambda: Path(mkdtemp(prefix="carousel-chain-")))
    network: Network = field(default_factory=Network)
    telemetry: dict[str, Telemetry] = field(default_factory=dict)
    address: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        session = self.network.session()
        for number in range(1, self.replicas + 1):
            self._add_service1(number, session)
            self._add_service2(number)
        node = NodeConfig("gateway", "gateway-1", threads=self.threads, run_dir=self.run_dir)
        config = GatewayConfig(
            node=node,
            service_token=SERVICE_TOKEN,
            admin_token=ADMIN_TOKEN,
            service1_members=self._members("service1"),
            service2_members=self._members("service2"),
            fault_headers=self.fault_headers,
            policy=self.policy,
        )
        telemetry = self.telemetry["gateway-1"] = telemetry_of("gateway")
        service, self.prober = create_gateway(config, telemetry, session=session)
        self.gateway = service.app
        self.network.scripts[GATEWAY] = _script_of(service.app)
        self.probe()

    def _members(self, service: str) -> tuple[str, ...]:
        return tuple(address for node, address in self.address.items() if node.startswith(service))

    def _replica(self, service: str, number: int, port: int) -> tuple[ReplicaConfig, Telemetry, Workshop]:
        node = f"{service}-{number}"
        self.address[node] = f"127.0.0.1:{port}"
        telemetry = self.telemetry[node] = telemetry_of(service, node)
        config = ReplicaConfig(NodeConfig(service, node), fault_headers=self.fault_headers)
        return config, telemetry, Workshop(telemetry, sleep=lambda _seconds: None)

    def _add_service1(self, number: int, session: requests.Session) -> None:
        replica, telemetry, workshop = self._replica("service1", number, 8100 + number)
        config = Service1Config(replica, SERVICE_TOKEN, f"http://{GATEWAY}", (0, 0), (0, 0))
        service = create_service1(config, telemetry, session=session, workshop=workshop)
        self.network.scripts[self.address[f"service1-{number}"]] = _script_of(service.app)

    def _add_service2(self, number: int) -> None:
        replica, telemetry, workshop = self._replica("service2", number, 8200 + number)
        service = create_service2(Service2Config(replica, (0, 0)), telemetry, workshop=workshop)
        self.network.scripts[self.address[f"service2-{number}"]] = _script_of(service.app)

    def nodes(self, service: str) -> list[str]:
        """Return the names of the nodes of *service*."""
        return [node for node in self.address if node.startswith(service)]

    def script(self, service: str, script: Script) -> None:
        """Let every node of *service* (or the one node of that name) answer by *script* from now on."""
        for node in self.nodes(service):
            self.network.scripts[self.address[node]] = script

    def after(self, service: str, ending: Script) -> None:
        """Let the nodes of *service* do their part, but lose their answers as *ending* does."""
        for node in self.nodes(service):
            self.network.scripts[self.address[node]] = _then(self.network.scripts[self.address[node]], ending)

    def probe(self) -> None:
        """Look at every member's /readyz once, one after the other."""
        with ThreadPoolExecutor(1) as pool:
            self.prober.probe_all(pool)

    def send(
        self,
        method: str = "POST",
        path: str = "/api/orders",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> ClientAnswer:
        """Send a client's request."""
        headers = {"Content-Type": "application/json", **(headers or {})} if body else headers or {}
        return serve(self.gateway, method, f"http://{GATEWAY}{path}", headers, body)

    def rings(self) -> dict[str, dict[str, str]]:
        """Return the state of each member by service and address, as /admin/rings tells."""
        answer = self.send("GET", "/admin/rings", {"Authorization": f"Bearer {ADMIN_TOKEN}"})
        return {
            ring["service"]: {member["node"] or member["address"]: member["state"] for member in ring["members"]}
            for ring in answer.json["rings"]
        }

    def records(self) -> list[dict[str, Any]]:
        """Return every record of every node, by time."""
        records = [record for telemetry in self.telemetry.values() for record in records_of(telemetry)]
        return sorted(records, key=lambda record: record["time"])

    def steps(self, journey: str | None = None) -> list[dict[str, Any]]:
        """Return the step records, of one journey if it is named, by time."""
        return [
            record
            for record in self.records()
            if "step" in record and journey in (None, record["attributes"]["carousel.journey.id"])
        ]

    def spans(self) -> list[ReadableSpan]:
        """Return every ended span, by start."""
        spans = [span for telemetry in self.telemetry.values() for span in telemetry.spans.oldest(100_000)]
        return sorted(spans, key=lambda span: span.start_time or 0)

    def close(self) -> None:
        """End what the telemetry holds."""
        for telemetry in self.telemetry.values():
            telemetry.meter_provider.shutdown()
        rmtree(self.run_dir)


def _then(first: Script, ending: Script) -> Script:
    def script(request: requests.PreparedRequest) -> Reply:
        first(request)
        return ending(request)

    return script


def last_attempts(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps of a journey's last attempts in the order of their places."""
    last1 = max((_attempt(record) for record in records if _leg(record) is steps.Leg.SERVICE1), default=1)
    inner = [record for record in records if _leg(record) is steps.Leg.SERVICE2 and _outer(record) == last1]
    last2 = max((_attempt(record) for record in inner), default=1)
    kept = [record for record in records if _leg(record) is steps.Leg.CLIENT]
    kept += [record for record in records if _leg(record) is steps.Leg.SERVICE1 and _attempt(record) == last1]
    kept += [record for record in inner if _attempt(record) == last2]
    return sorted(kept, key=lambda record: steps.BY_NAME[record["step"]].n)


def _leg(record: dict[str, Any]) -> steps.Leg:
    return steps.BY_NAME[record["step"]].leg


def _attempt(record: dict[str, Any]) -> int:
    return int(record["attributes"]["carousel.attempt"])


def _outer(record: dict[str, Any]) -> int:
    return int(record["attributes"]["carousel.parent_attempt"])


def names(records: list[dict[str, Any]]) -> list[str]:
    """Return the step names of *records*."""
    return [record["step"] for record in records]


def tree(spans: list[ReadableSpan], trace_id: str) -> list[Any]:
    """Return the spans of a trace as nested ``(kind, name, children)``, children by start."""
    inside = [span for span in spans if format_trace_id(span.context.trace_id) == trace_id]
    ids = {span.context.span_id for span in inside}

    def below(parent: int | None) -> list[Any]:
        return [
            (span.kind.name, span.name, below(span.context.span_id))
            for span in inside
            if (span.parent.span_id if span.parent and span.parent.span_id in ids else None) == parent
        ]

    return below(None)


def entry_spans(spans: list[ReadableSpan]) -> list[str]:
    """Return the ids of the gateway's entry spans, oldest first."""
    return [format_span_id(span.context.span_id) for span in spans if span.name.endswith("/api/<entity>")]
