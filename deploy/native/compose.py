"""`make compose-up` and `make compose-down`: the container stack, proved by the same canary as the native one.

Docker and Compose do the work; this module finds them, moves the published ports by CAROUSEL_PORT_OFFSET, sends the
canary and asks every store for it. Standard library only: nothing need be installed for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.web.ports import port
from deploy.native import canary as canaries
from deploy.native.canary import Canary, CanaryError, Stores
from deploy.native.config import ConfigError, StackConfig
from deploy.native.progress import Progress, paint, seconds
from deploy.native.tools import ROOT, ask

FILE = ROOT / "deploy" / "compose.yaml"
OLDEST = (2, 20)
"""The first Compose with `include` and with dependencies that may be absent (MongoDB, Meilisearch)."""
WAIT_S = 600
"""Seconds until every container must be healthy, from the moment the images are there."""
CANARY_LIMIT_S = 60.0
GRAFANA_SECRET = "/run/secrets/carousel/grafana/admin"

PUBLISHED: Mapping[str, str] = {
    "CAROUSEL_PUBLISHED_GATEWAY": "gateway",
    "CAROUSEL_PUBLISHED_STORAGE": "storage",
    "CAROUSEL_PUBLISHED_COLLECTOR_GRPC": "collector-grpc",
    "CAROUSEL_PUBLISHED_COLLECTOR_HTTP": "collector-http",
    "CAROUSEL_PUBLISHED_PROMETHEUS": "prometheus",
    "CAROUSEL_PUBLISHED_ALERTMANAGER": "alertmanager",
    "CAROUSEL_PUBLISHED_GRAFANA": "grafana",
    "CAROUSEL_PUBLISHED_LOKI": "loki",
    "CAROUSEL_PUBLISHED_TEMPO": "tempo",
    "CAROUSEL_PUBLISHED_LOCUST": "locust",
}
"""The variables of published ports, each with its row of the table of ports."""
CHOICES: Mapping[str, tuple[str, ...]] = {
    "CAROUSEL_STORE": ("sqlite", "mongodb"),
    "CAROUSEL_SEARCH": ("none", "meilisearch"),
}
"""What storage keeps its records in and what searches beside it, the default first; files of Compose bear the names."""


class ComposeError(Exception):
    """The container stack could not be started; the words say why."""


def environment(environ: Mapping[str, str], config: StackConfig) -> dict[str, str]:
    """Return the environment that Compose is run in: *environ* with the published ports of the offset.

    Raises:
        ConfigError: a choice is none of those there are.
    """
    for key, choices in CHOICES.items():
        if environ.get(key, "") not in ("", *choices):
            raise ConfigError(f"{key}={environ[key]!r}: expected {' or '.join(choices)}")
    ports = {key: str(port(name, config.offset)) for key, name in PUBLISHED.items()}
    return {**environ, **ports}


def files(environ: Mapping[str, str]) -> list[str]:
    """Return Compose's `-f` words: our file and, above it, those that CAROUSEL_COMPOSE_FILES names."""
    more = [name for name in environ.get("CAROUSEL_COMPOSE_FILES", "").split(os.pathsep) if name]
    return [word for name in (str(FILE), *more) for word in ("-f", name)]


def find(environ: Mapping[str, str]) -> list[str]:
    """Return the words that run Compose: Docker's own, else one on the PATH, else the development environment's.

    Raises:
        ComposeError: there is none that is new enough, or no Docker engine answers.
    """
    docker = shutil.which("docker", path=environ.get("PATH"))
    standalone = shutil.which("docker-compose", path=environ.get("PATH"))
    own = ROOT / ".venv" / "bin" / "docker-compose"
    offered = [[docker, "compose"]] if docker else []
    offered += [[str(one)] for one in (standalone, own) if one and Path(one).exists()]
    passed_over = []
    for words in offered:
        said = (ask([*words, "version", "--short"]) or "").strip()
        if version_of(said) >= OLDEST:
            if docker and ask([docker, "version", "--format", "{{.Server.Version}}"]) is None:
                raise ComposeError("no Docker engine answers: start it (`docker info` says more)")
            return words
        passed_over.append(f"{' '.join(words)} ({said or 'says no version'})")
    seen = f"; passed over: {', '.join(passed_over)}" if passed_over else ""
    raise ComposeError(
        f"Docker Compose {OLDEST[0]}.{OLDEST[1]} or newer is needed: docs.docker.com/compose/install{seen}"
    )


def version_of(text: str) -> tuple[int, int]:
    """Return (major, minor) of what `compose version --short` says; (0, 0) if it says something else.

    >>> version_of("v2.39.1")
    (2, 39)
    """
    parts = text.removeprefix("v").split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) >= 2 and parts[0].isdigit() and parts[1].isdigit() else (0, 0)


@dataclass(frozen=True)
class Compose:
    """Compose with our files, ready to be run."""

    words: Sequence[str]
    environ: Mapping[str, str]

    def run(self, *arguments: str) -> int:
        """Run a command whose output the person sees; return its exit code."""
        return subprocess.run([*self.words, *arguments], env=dict(self.environ), cwd=ROOT, check=False).returncode

    def said(self, *arguments: str) -> str:
        """Return what a command writes; empty when it fails."""
        return (ask([*self.words, *arguments], env=self.environ, limit_s=30) or "").strip()


def compose(environ: Mapping[str, str], config: StackConfig) -> Compose:
    """Return Compose as it is run here.

    Raises:
        ComposeError, ConfigError: with the words for a person.
    """
    made = environment(environ, config)
    return Compose([*find(environ), *files(environ)], made)


def up(arguments: Sequence[str]) -> int:
    """Build, start, wait until all is healthy, and find the canary in every store. *arguments* go to Compose's `up`."""
    return _said_plainly(lambda: _up(arguments))


def _up(arguments: Sequence[str]) -> int:
    began = time.monotonic()
    config = StackConfig.from_env(os.environ)
    running = compose(os.environ, config)
    build = [] if "--no-build" in arguments else ["--build"]
    if running.run("up", *build, "--wait", "--wait-timeout", str(WAIT_S), *arguments) != 0:
        running.run("ps", "--all")
        raise ComposeError(
            "not every container got healthy; their words: docker compose -f deploy/compose.yaml logs NAME"
        )
    healthy = time.monotonic() - began
    services = running.said("config", "--services").split()
    with Progress(sys.stdout) as progress:
        with progress.awaiting("the canary in every store"):
            seen = prove(config, services)
        colour = progress.colour
        total = time.monotonic() - began
        progress.say(paint(f"ready in {seconds(total)}", "bold", colour) + f"  (healthy after {seconds(healthy)})")
        for line in _addresses(config, services, running):
            progress.say(line)
        progress.say(_canary_words(seen, services))
    return 0


def prove(config: StackConfig, services: Sequence[str]) -> Canary:
    """Send the canary and return it once every store of *services* has it.

    Raises:
        CanaryError: it was not answered, or not found in time.
    """
    url = {name: config.url(name) if name in services else None for name in ("prometheus", "loki", "tempo")}
    seen = canaries.send(config, limit_s=30.0)
    canaries.find(config, seen, Stores(url["prometheus"], url["loki"], url["tempo"]), CANARY_LIMIT_S)
    return seen


def _addresses(config: StackConfig, services: Sequence[str], running: Compose) -> list[str]:
    names = [name for name in ("gateway", "storage", "prometheus", "alertmanager", "loki", "tempo") if name in services]
    lines = [f"  {name:<13}{config.url(name)}" for name in names]
    if "grafana" in services:
        password = running.said("exec", "-T", "grafana", "cat", GRAFANA_SECRET)
        lines.append(f"  {'grafana':<13}{config.url('grafana')}   user admin, password {password or 'not readable'}")
    return lines


def _canary_words(seen: Canary, services: Sequence[str]) -> str:
    places = [f"{seen.steps} steps and {seen.spans} spans in storage"]
    if "loki" in services:
        places.append(f"{seen.loki_steps} steps in Loki")
    if "tempo" in services:
        places.append(f"{seen.tempo_spans} spans in Tempo")
    if "prometheus" in services:
        places.append("counted in Prometheus")
    return f"the canary: trace {seen.trace_id}, answered in {seen.answered_ms:.0f} ms; {', '.join(places)}"


def down(arguments: Sequence[str]) -> int:
    """Stop and remove the containers; the volumes stay unless *arguments* hold `--volumes`."""

    def work() -> int:
        config = StackConfig.from_env(os.environ)
        return compose(os.environ, config).run("--profile", "load", "down", "--remove-orphans", *arguments)

    return _said_plainly(work)


def _said_plainly(work: Callable[[], int]) -> int:
    try:
        return work()
    except (ComposeError, CanaryError) as error:
        print(f"cannot go on: {error}", file=sys.stderr)
        return 1
    except ConfigError as error:
        print(f"cannot go on: {error}", file=sys.stderr)
        return 2


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {"compose-up": up, "compose-down": down}
