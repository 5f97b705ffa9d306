"""The engines: one table, one rule. On the PATH if it fits, else in `.tools/`, else got (where it can be).

What is missing is named, with the line that gets it and what the stack does without it; nothing is ever silently
thinner. A new engine is a row of `ENGINES`. Standard library only.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.native import collector, grafana, loki, prometheus, tempo
from deploy.native.tools import ROOT, ToolError, Tools, key_of

TOOLS_FOLDER = ROOT / ".tools"


@dataclass(frozen=True)
class Engine:
    """One engine as data: how it is called, asked, got, and what is lost without it."""

    name: str
    title: str
    commands: tuple[str, ...]
    """Names looked for on the PATH, the best first."""
    wanted: str
    """The version that is got, as words."""
    takes: str
    """How it is got and how long that takes, as words for the one who waits."""
    without: str
    """What the stack does without it."""
    key: Callable[[], str]
    misfit: Callable[[Path], str | None]
    """Why a binary will not do; None when it will. May take seconds."""
    get: Callable[[Tools, Callable[[], list[str]]], Path] | None = None
    """Gets it; None: it comes from the user's own machine or not at all."""
    on_demand: bool = False
    """Only `make engines` gets it: it takes long, and the demo is whole without it."""
    variable: str | None = None
    """The environment variable that names its binary; it goes before the PATH."""
    asks: tuple[Path, ...] = ()
    """Files whose change makes an earlier verdict of `misfit` stale."""


@dataclass(frozen=True)
class Found:
    """What was found of an engine: a binary that fits, or why there is none."""

    engine: str
    binary: Path | None
    where: str
    """PATH, .tools, or why there is none."""
    passed_over: tuple[str, ...] = ()
    """What was found first but does not fit, and why."""
    in_vain: bool = False
    """It is there, made of what it should be made of, and does not fit: getting it again would change nothing."""


ENGINES: Mapping[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine(
            name="collector",
            title="OpenTelemetry Collector",
            commands=(collector.COMMAND, "otelcol-contrib", "otelcol"),
            wanted=collector.VERSION,
            takes="building it takes about two minutes, once",
            without="the apps send straight to storage; Prometheus gets `up`, but no request metrics",
            key=collector.build_key,
            misfit=collector.misfit,
            get=collector.build,
            asks=(collector.CONFIG, *collector.OVERLAYS.values()),
        ),
        Engine(
            name="prometheus",
            title="Prometheus",
            commands=("prometheus",),
            wanted=f"{prometheus.OLDEST[0]}.{prometheus.OLDEST[1]} or newer",
            takes="unpacking the system's package takes seconds",
            without="metrics are in storage only; no PromQL and no exemplars",
            key=prometheus.build_key,
            misfit=prometheus.misfit,
            get=prometheus.unpack,
        ),
        Engine(
            name="loki",
            title="Loki",
            commands=(loki.COMMAND,),
            wanted=loki.VERSION,
            takes="building it takes about six minutes, once",
            without="logs are in storage only; no LogQL",
            key=loki.build_key,
            misfit=loki.misfit,
            get=loki.build,
            on_demand=True,
            asks=(loki.CONFIG,),
        ),
        Engine(
            name="tempo",
            title="Tempo",
            commands=("tempo",),
            wanted=f"{tempo.OLDEST[0]}.{tempo.OLDEST[1]} or newer",
            takes="it is not got, only found",
            without="traces are in storage only; no TraceQL and no service map in Prometheus",
            key=tempo.key,
            misfit=tempo.misfit,
            on_demand=True,
            variable="CAROUSEL_TEMPO_BIN",
            asks=(tempo.CONFIG,),
        ),
        Engine(
            name="grafana",
            title="Grafana",
            commands=grafana.COMMANDS,
            wanted=f"{grafana.OLDEST[0]}.{grafana.OLDEST[1]} or newer",
            takes="it is not got, only found",
            without="no boards; what they show is in storage and Prometheus",
            key=grafana.key,
            misfit=grafana.misfit,
            on_demand=True,
            variable="CAROUSEL_GRAFANA_BIN",
            asks=(grafana.CONFIG,),
        ),
    )
}


def find(engine: Engine, tools: Tools) -> Found:
    """Return what there is of *engine* without getting anything."""
    passed_over: list[str] = []
    for binary, where in _offered(engine, tools):
        why = _verdict(engine, binary, tools)
        if why is None:
            return Found(engine.name, binary, where, tuple(passed_over))
        passed_over.append(f"{binary}: {why}")
    home = tools.home(engine.name, engine.key())
    binary = home / engine.commands[0]
    if binary.exists():
        why = _verdict(engine, binary, tools)
        if why is None:
            return Found(engine.name, binary, _short(home), tuple(passed_over))
        # Made of the same inputs it would be the same again.
        return Found(engine.name, None, f"{_short(binary)}: {why}", tuple(passed_over), in_vain=True)
    reason = _reason_file(tools, engine)
    why_not = reason.read_text(encoding="utf-8") if reason.exists() else "not there"
    return Found(engine.name, None, why_not, tuple(passed_over))


def _offered(engine: Engine, tools: Tools) -> Iterator[tuple[Path, str]]:
    """Yield the binaries that are not ours, the one that is asked for by name first, each with where it is."""
    named = tools.environ.get(engine.variable) if engine.variable else None
    if named and (whole := shutil.which(named, path=tools.environ.get("PATH"))):
        yield Path(whole), engine.variable or ""
    for command in engine.commands:
        if where := shutil.which(command, path=tools.environ.get("PATH")):
            yield Path(where), "PATH"


def find_all(tools: Tools | None = None, names: Iterable[str] = ENGINES) -> dict[str, Found]:
    """Return what there is of each engine in *names*."""
    chosen = tools or Tools(TOOLS_FOLDER)
    return {name: find(ENGINES[name], chosen) for name in names}


def find_or_get(engine: Engine, tools: Tools, pip: Callable[[], list[str]]) -> Found:
    """Return *engine*, got if it was not there. Why it could not be got is in the answer and kept for later.

    Raises:
        Cancelled: the one who waits gave up.
    """
    found = find(engine, tools)
    if found.binary is not None or found.in_vain or engine.get is None:
        return found
    reason = _reason_file(tools, engine)
    with tools.locked(engine.name):
        # Another command may have made it meanwhile.
        found = find(engine, tools)
        if found.binary is not None:
            return found
        try:
            engine.get(tools, pip)
        except ToolError as error:
            if tools.cancel.is_set():
                raise
            reason.parent.mkdir(parents=True, exist_ok=True)
            reason.write_text(str(error), encoding="utf-8")
        else:
            reason.unlink(missing_ok=True)
    return find(engine, tools)


def _reason_file(tools: Tools, engine: Engine) -> Path:
    return tools.folder / f".{engine.name}.missing"


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _verdict(engine: Engine, binary: Path, tools: Tools) -> str | None:
    """Return `misfit`'s word on *binary*; that it fits is remembered until it or what it is asked about changes."""
    stat = binary.stat()
    key = key_of(
        f"{binary} {stat.st_size} {stat.st_mtime_ns} {engine.key()}", *(path.read_bytes() for path in engine.asks)
    )
    memory = tools.folder / f".{engine.name}.verdicts"
    try:
        known: list[str] = list(json.loads(memory.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        known = []
    if key in known:
        return None
    why = engine.misfit(binary)
    if why is not None:
        # Not remembered: it may have been a machine too busy to answer.
        return why
    kept = [*known[-7:], key]
    tools.folder.mkdir(parents=True, exist_ok=True)
    temporary = memory.with_name(f"{memory.name}.{os.getpid()}")
    temporary.write_text(json.dumps(kept), encoding="utf-8")
    temporary.replace(memory)
    return why
