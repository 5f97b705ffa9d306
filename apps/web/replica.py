"""What the replicas of both services have in common: their settings, and the frame around their work."""

import contextlib
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flask import Blueprint, Response, request
from opentelemetry._logs import SeverityNumber

from apps.telemetry import names
from apps.telemetry.steps import Leg, Step
from apps.telemetry.trail import Recorder, Trail
from apps.web import headers
from apps.web.client import monotonic_ms
from apps.web.deadline import Deadline, deadline_ms
from apps.web.faults import Fault, FaultPlan, Rates, parse_rates
from apps.web.guards import read_token
from apps.web.node import NodeConfig
from apps.web.problem import problem
from apps.web.settings import Settings
from apps.web.work import Silenced

MAX_DEADLINE_MS = 60_000


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """How a replica misbehaves."""

    node: NodeConfig
    """Who this node is and where it listens."""
    faults: Rates = ()
    """Bugs that happen by themselves, with their probabilities."""
    fault_headers: bool = False
    """Whether a request may order a bug by ``X-Carousel-Fault``."""
    seed: int | None = None
    """Makes bugs and durations of this node repeatable; None for a new run each time."""
    admin_token: str = field(default="", repr=False)
    """Asked for by the admin API; empty: nobody may use it."""

    @classmethod
    def from_env(cls, service: str, environ: Mapping[str, str]) -> "ReplicaConfig":
        """Return the settings of a replica of *service*.

        Raises:
            SettingError: a variable has a value that will not do, or names a token file that cannot be read.
        """
        settings = Settings(environ)
        node = NodeConfig.from_env(service, environ, threads=32)
        form = "kind=probability, comma-separated, as in slow=0.01;ms=400,error=0.02"
        return cls(
            node=node,
            faults=settings.parsed("CAROUSEL_FAULTS", (), parse_rates, form),
            fault_headers=settings.flag("CAROUSEL_FAULT_HEADERS", False),
            seed=settings.parsed("CAROUSEL_SEED", None, int, "a whole number"),
            admin_token=_admin_token(settings, node),
        )

    def generator(self, purpose: str) -> random.Random:
        """Return a source of chance for one purpose, so that one purpose does not shift another's numbers."""
        return random.Random(f"{self.seed}/{self.node.node}/{purpose}" if self.seed is not None else None)

    def plan(self) -> FaultPlan:
        """Return what decides which bug a request meets here."""
        return FaultPlan(
            self.node.service,
            self.node.node,
            self.faults,
            generator=self.generator("faults"),
            honours_header=self.fault_headers,
        )


def _admin_token(settings: Settings, node: NodeConfig) -> str:
    """Return the admin's token; empty where none was made and none is named, since a replica can do without."""
    named = settings.text("CAROUSEL_ADMIN_TOKEN_FILE", "")
    path = Path(named) if named else node.run_dir / "secrets" / "admin"
    return read_token(path) if named or path.exists() else ""


@dataclass(frozen=True, slots=True)
class Ends:
    """The steps at the two ends of a replica's part of the way, and the leg that they belong to."""

    leg: Leg
    received: Step
    answered: Step


Work = Callable[[Trail, Deadline, Fault | None], Response]
"""Does a replica's part for one request, within its deadline and with the bug it meets, and returns the answer.

Raises `Silenced` where there is to be none."""


def work_blueprint(name: str, ends: Ends, recorder: Recorder, plan: FaultPlan, work: Work) -> Blueprint:
    """Return ``/work/<entity>`` of the replica *name*: what comes in and what goes out is logged around *work*."""
    blueprint = Blueprint(name, __name__)

    @blueprint.route("/work/<entity>", methods=["GET", "POST"])
    def view(entity: str) -> Response:
        try:
            deadline = Deadline(deadline_ms(request.headers.get(headers.DEADLINE_MS), MAX_DEADLINE_MS))
            fault = plan.choose(request.headers.get(headers.FAULT, ""))
        except ValueError as error:
            return problem(400, f"{error}.")
        started = time.monotonic()
        trail = recorder.trail(entity, request.method, ends.leg)
        trail.step(ends.received, {names.PEER: "gateway", names.PATH: request.path})
        try:
            answer = work(trail, deadline, fault)
        except Silenced as silence:
            return _broken_off(f"{silence}")
        trail.step(
            ends.answered,
            {names.PEER: "gateway", names.STATUS: answer.status_code, names.DURATION_MS: monotonic_ms(started)},
            severity=SeverityNumber.ERROR if answer.status_code >= 500 else SeverityNumber.INFO,
        )
        return answer

    return blueprint


def own_fault(node: str, status: int, detail: str) -> Response:
    """Return a 5xx that names *node* as the one to blame."""
    answer = problem(status, detail, errorNode=node)
    answer.headers[headers.ERROR_NODE] = node
    return answer


def _broken_off(why: str) -> Response:
    """Close the connection under the server, so that what is returned here reaches nobody."""
    connection: socket.socket | None = request.environ.get("gunicorn.socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    return problem(504, f"{why}.")


def garbage() -> Response:
    """Return what the bug `garbage` answers: a status that says well, and a body that no parser takes."""
    return Response('{"node": "service', 200, content_type="application/json")
