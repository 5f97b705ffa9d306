"""What a command needs before it can run: the environment and the engines, made at the same time.

Standard library only; `bootstrap.py` calls it on the system's Python.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from deploy.native import clean, compose, doctor, engines, golang, hints, mongodb_wire, venv
from deploy.native.engines import ENGINES, Engine, Found
from deploy.native.progress import Progress, seconds
from deploy.native.tools import ROOT, ToolError, Tools, interrupt_on_signals, remove

BOOTSTRAP = ROOT / "deploy" / "native" / "bootstrap.py"
HANDED_OVER = "CAROUSEL_BEGAN"
"""The environment variable that tells the command when `make` began and where the seconds went (JSON)."""


@dataclass(frozen=True)
class Needs:
    """What a command needs first: an environment of a kind (None: none), and whether the engines."""

    environment: str | None
    engines: bool = False
    only_if_run_dir: bool = False
    """Nothing was ever started: nothing to make, nothing to say but that."""


NEEDS: Mapping[str, Needs] = {
    "demo": Needs("run", engines=True),
    "stop": Needs("run", only_if_run_dir=True),
    "status": Needs("run", only_if_run_dir=True),
    "logs": Needs("run", only_if_run_dir=True),
    "load": Needs("run"),
    "scale": Needs("run", only_if_run_dir=True),
    "restart": Needs("run", only_if_run_dir=True),
    "setup": Needs("dev"),
    "test": Needs("dev", engines=True),
    "check": Needs("dev"),
    "fmt": Needs("dev"),
}


def run_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder of the stack's state."""
    return Path(environ.get("CAROUSEL_RUN_DIR") or ROOT / ".run").absolute()


def main(arguments: list[str]) -> int:
    """Run the command in *arguments* and return its exit code; most commands never return here."""
    began = time.time()
    command, rest = (arguments or ["help"])[0], arguments[1:]
    os.chdir(ROOT)
    interrupt_on_signals()
    try:
        if command == "doctor":
            # The environment's Python can tell whose a taken port is; without one doctor answers all the same.
            if venv.fits("run") and Path(sys.prefix) != venv.HOME:
                os.execv(venv.PYTHON, [str(venv.PYTHON), str(BOOTSTRAP), "doctor", *rest])
            return doctor.main(rest)
        if command in compose.COMMANDS:
            return compose.COMMANDS[command](rest)
        if command in ("clean", "distclean"):
            return clean.main(command)
        if command == "engines":
            return _engines()
        if command not in NEEDS:
            print(f"no such command: {command}; `make help` lists them", file=sys.stderr)
            return 2
        return _begin(command, rest, NEEDS[command], began)
    except KeyboardInterrupt:
        print("stopped; nothing is left running", file=sys.stderr)
        return 130


def _begin(command: str, rest: list[str], needs: Needs, began: float) -> int:
    if needs.only_if_run_dir and not run_dir(os.environ).exists():
        print(f"nothing was started here: there is no {run_dir(os.environ)}")
        return 3 if command in ("status", "scale", "restart") else 0
    phases: dict[str, float] = {}
    if needs.environment is not None:
        with Progress() as progress:
            wanted = [engine for engine in ENGINES.values() if needs.engines and not engine.on_demand]
            try:
                made = make(Tools(engines.TOOLS_FOLDER), progress, needs.environment, wanted)
            except ToolError as error:
                progress.say(f"cannot go on: {error}", "red")
                return 1
            phases = made.phases
    environ = {**os.environ, HANDED_OVER: json.dumps({"at": began, "phases": phases})}
    os.execve(venv.PYTHON, [str(venv.PYTHON), "-m", "deploy.native", command, *rest], environ)


def _engines() -> int:
    with Progress() as progress:
        tools = Tools(engines.TOOLS_FOLDER)
        try:
            made = make(tools, progress, "run", list(ENGINES.values()))
        except ToolError as error:
            progress.say(f"cannot go on: {error}", "red")
            return 1
        here = hints.system()
        for name, found in made.found.items():
            for line in describe(found, here):
                progress.say(line)
            if name in made.phases:
                progress.say(f"    took {seconds(made.phases[name])}")
        progress.say(_mongodb_wire(tools))
    return 0 if all(found.binary for name, found in made.found.items() if ENGINES[name].get) else 1


def _mongodb_wire(tools: Tools) -> str:
    """Get the server that tests of MongoDB's protocol need; return the line that tells of it. No stack needs it."""
    title = f"{mongodb_wire.NAME} {mongodb_wire.VERSION}, for tests of MongoDB's protocol"
    try:
        return f"{title}: {mongodb_wire.get(tools)}"
    except ToolError as error:
        return f"{title}: not there, so those tests are skipped: {error}"


def describe(found: Found, here: str | None) -> list[str]:
    """Return the lines that tell a person what was found of an engine, or what is missing and what gets it."""
    engine = ENGINES[found.engine]
    lines = [f"  passed over: {words}" for words in found.passed_over]
    if found.binary is not None:
        return [f"{engine.title}: {found.where} ({found.binary})", *lines]
    wanted = [f"  get it on {line}" for line in hints.lines(engine.name, here)]
    return [f"{engine.title}: missing: {found.where}", *lines, f"  without it {engine.without}", *wanted]


@dataclass(frozen=True)
class Made:
    """What there is now, and the seconds that each thing took; a thing that was there took none."""

    found: Mapping[str, Found]
    phases: dict[str, float]


def make(tools: Tools, progress: Progress, kind: str, wanted: Sequence[Engine]) -> Made:
    """Make the environment of *kind* and get the engines in *wanted*, all at the same time.

    Raises:
        ToolError: the environment cannot be made. An engine that cannot be got is no error: it is in the answer.
    """
    environment = venv.Environment(tools, kind)
    phases: dict[str, float] = {}
    if venv.fits(kind):
        found = {engine.name: engines.find(engine, tools) for engine in wanted}
        if all(one.binary or ENGINES[name].get is None for name, one in found.items()):
            return Made(found, phases)

    def timed(name: str, what: str, work: Callable[[], Found | bool]) -> Found | bool:
        start = time.monotonic()
        with progress.awaiting(what):
            result = work()
        spent = time.monotonic() - start
        if spent > 0.5:
            phases[name] = spent
            progress.say(f"  {name}: {seconds(spent)}")
        return result

    def getter(engine: Engine) -> Callable[[], Found]:
        return lambda: engines.find_or_get(engine, tools, environment.installer)

    pool = ThreadPoolExecutor(max_workers=1 + len(wanted), thread_name_prefix="make")
    try:
        packages = pool.submit(timed, "python packages", "the Python packages", environment.make)
        engine_futures: dict[str, Future[Found | bool]] = {
            engine.name: pool.submit(timed, engine.name, f"{engine.title}: {engine.takes}", getter(engine))
            for engine in wanted
        }
        pending = {packages, *engine_futures.values()}
        while pending:
            done, pending = wait(pending, timeout=0.2)
            for future in done:
                # Without the environment nothing can run: the builds need not go on.
                future.result()
    except BaseException:
        tools.cancel.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    results = {name: future.result() for name, future in engine_futures.items()}
    got = {name: one for name, one in results.items() if isinstance(one, Found)}
    if all(one.binary or ENGINES[name].get is None for name, one in got.items()):
        remove(tools.folder / golang.CACHES)
    return Made(got, phases)
