"""The native stack as an object: start it, stop it, hurt it, ask it. The commands and the end-to-end tests use it.

stack = Stack(run_dir, offset=10_000, replicas={"service1": 2, "service2": 2}, load=False)
stack.start(); stack.kill("service1-2"); stack.stop()
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from deploy.native import canary as canaries
from deploy.native import engines as engine_table
from deploy.native import (
    files,
    grafana,
    listeners,
    processes,
    programs,
    readiness,
    restarting,
    running,
    scaling,
    state,
    tokens,
)
from deploy.native.canary import Canary, CanaryError, Stores
from deploy.native.config import StackConfig
from deploy.native.engines import ENGINES, Found
from deploy.native.keeper import Keeper, KeeperError
from deploy.native.processes import end
from deploy.native.programs import LOAD, Engines, Program
from deploy.native.progress import Progress
from deploy.native.readiness import NotReady

READY_LIMIT_S = 60.0
CANARY_LIMIT_S = 25.0
STOP_LIMIT_S = 20.0


class StackError(Exception):
    """The stack could not be started or reached; the words say what, and `looks` names the programs to look at."""

    def __init__(self, words: str, looks: Sequence[str] = ()) -> None:
        super().__init__(words)
        self.looks = tuple(looks)


@dataclass
class Report:
    """What a start did."""

    already_ran: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    """By phase: engines, ports, start, canary."""
    ready: dict[str, float] = field(default_factory=dict)
    """By program, from supervisord's start."""
    canary: Canary | None = None
    prometheus: str | None = None
    notes: list[str] = field(default_factory=list)
    """What the stack does without, and what of the user's it uses."""


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C, SIGTERM and a closed terminal in the block. Only a main thread can do that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stack:
    """One native stack: a run directory and an offset. Nothing runs until `start`."""

    def __init__(
        self,
        run_dir: Path | None = None,
        offset: int | None = None,
        replicas: Mapping[str, int] | None = None,
        load: bool = True,
        env: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        found: Mapping[str, Found] | None = None,
    ) -> None:
        """What is not given is read from *env*, which is the process's own when that is not given either.

        Args:
            run_dir: where the state lives.
            offset: moves every port.
            replicas: how many of `service1`, `service2` (2 of each without a word) and `gateway` (1).
            load: whether the steady load is among the programs.
            env: variables above `deploy/env/native.env`; CAROUSEL_ ones only are read.
            progress: hears what is awaited; nobody when it is not given.
            found: the engines to use; looked for when it is not given.
        """
        environ = dict(os.environ if env is None else env)
        if run_dir is not None:
            environ["CAROUSEL_RUN_DIR"] = str(run_dir)
        if offset is not None:
            environ["CAROUSEL_PORT_OFFSET"] = str(offset)
        for name, count in (replicas or {}).items():
            environ[f"CAROUSEL_{name.upper()}_REPLICAS"] = str(count)
        if not load:
            environ["CAROUSEL_LOAD_RATE"] = "0"
        self.config = StackConfig.from_env(environ)
        self.keeper = Keeper(self.config)
        self._progress = progress or Progress(quiet=True)
        self._found = found
        self._begun = False

    # --- addresses ---

    @property
    def gateway(self) -> str:
        """The gateway's base address."""
        return self.config.url("gateway")

    @property
    def gateways(self) -> list[str]:
        """The base address of each gateway that was started and not taken away since."""
        return state.gateways(state.read_programs(self.config))

    @property
    def storage(self) -> str:
        """Storage's base address."""
        return self.config.url("storage")

    @property
    def prometheus(self) -> str | None:
        """The base address of the Prometheus that this stack writes to; None when there is none."""
        url = state.read_note(self.config).get("prometheus")
        return str(url) if url else None

    @property
    def engine_addresses(self) -> dict[str, str]:
        """The base address of Loki and of Tempo, of each that this stack runs."""
        note = state.read_note(self.config)
        return {name: str(note[name]) for name in ("loki", "tempo") if note.get(name)}

    def token(self, name: str) -> str:
        """Return the token *name* (admin, service)."""
        return (self.config.run_dir / "secrets" / name).read_text(encoding="ascii").strip()

    def log(self, name: str) -> Path:
        """Return the log of the program *name*."""
        return self.config.logs / f"{name}.log"

    # --- start ---

    def start(self, *, check: bool = True) -> Report:
        """Start the stack and return when it may be used; with *check*, when the canary was found everywhere.

        A healthy stack is left as it is and checked with a fresh canary. Of a half-dead one the rest is ended first.
        Whatever goes wrong, Ctrl-C included, nothing of a stack that this call started is left running.

        Raises:
            StackError: with the words for a person.
        """
        report = Report()
        before = state.read_programs(self.config)
        found = state.look(self.config, before)
        if found.is_healthy and before:
            report.already_ran = True
            report.prometheus = self.prometheus
            self._tell_difference(before, report)
            if check:
                self._check(report)
            return report
        if not found.is_absent or found.words:
            self._end_rest(found)
        try:
            self._start(report, check)
        except BaseException as error:
            if self._begun:
                self._progress.say("stopping what was started")
                with self._progress.awaiting("the programs to stop"):
                    self.stop()
            if isinstance(error, (KeeperError, CanaryError, NotReady)):
                looks = getattr(error, "looks", ()) or (getattr(error, "program", "supervisord"),)
                raise StackError(str(error), looks) from error
            raise
        return report

    def _start(self, report: Report, check: bool) -> None:
        with self._phase(report, "engines", "the engines' own word that they fit"):
            found = dict(self._found or engine_table.find_all())
        with self._phase(report, "ports", "the ports"):
            engines = self._engines(found, report)
            engines = self._beside_the_users(programs.listed(self.config, engines), engines, report)
            listed = programs.listed(self.config, engines)
        report.prometheus = engines.prometheus_url if any(one.service == "collector" for one in listed) else None
        self._render(listed, engines)
        waited = [program for program in listed if program.starts_by_itself and program.awaited]
        with self._phase(report, "start", "every program to be ready"):
            self._begun = True
            pid = self.keeper.start()
            processes.note(self.config.run_dir, {"supervisord": pid})
            self.keeper.wake()
            report.ready = readiness.wait_all(
                waited, self.keeper, READY_LIMIT_S, lambda late: self._progress.now("start", f"{late} to be ready")
            )
        state.write_note(self.config, listed, engines.prometheus_url)
        self._note_pids(pid)
        if check:
            self._check(report)
        if any(program.name == LOAD for program in listed):
            self.keeper.start_program(LOAD)
            self._note_pids(pid)

    def _engines(self, found: Mapping[str, Found], report: Report) -> Engines:
        found = {name: one for name, one in found.items() if name not in self.config.without}
        for one in found.values():
            if one.binary is None:
                engine = ENGINES[one.engine]
                report.notes.append(f"no {engine.title} ({one.where}): {engine.without}")
        binaries = {name: one.binary for name, one in found.items()}
        prometheus = binaries.get("prometheus")
        url = self.config.url("prometheus") if prometheus else None
        extra = (binaries.get(name) for name in ("loki", "tempo", "grafana"))
        return Engines(binaries.get("collector"), prometheus, url, *extra)

    def _beside_the_users(self, listed: Sequence[Program], engines: Engines, report: Report) -> Engines:
        """Return *engines* without those whose place an engine of the user's holds.

        Raises:
            StackError: a port is taken by something else.
        """
        host = self.config.listen_host
        ports = [(program.name, name, port) for program in listed for name, port in program.ports]
        taken = listeners.taken(host, ports)
        held = {one.program for one in taken}
        if "prometheus-1" in held and listeners.is_prometheus(url := self.config.url("prometheus")):
            owner = next(one.owner for one in taken if one.program == "prometheus-1")
            why = listeners.prometheus_misfit(url)
            if why is None:
                report.notes.append(
                    f"the Prometheus at {url} ({owner}) is used as it is: it gets our metrics by remote write, "
                    "but does not scrape our nodes (no `up`)"
                )
                engines = replace(engines, prometheus=None, prometheus_url=url)
            else:
                report.notes.append(f"the Prometheus at {url} ({owner}) is left alone: {why}; so none is written to")
                engines = replace(engines, prometheus=None, prometheus_url=None)
            taken = [one for one in taken if one.program != "prometheus-1"]
        if "collector-1" in held and listeners.is_otlp(url := self.config.url("collector", "collector-http")):
            owner = next(one.owner for one in taken if one.program == "collector-1")
            report.notes.append(
                f"the OTLP receiver at {url} ({owner}) is left alone: it does not feed our storage; "
                f"so {ENGINES['collector'].without}"
            )
            engines = replace(engines, collector=None)
            taken = [one for one in taken if one.program != "collector-1"]
        for name in ("loki", "tempo", "grafana"):
            if f"{name}-1" in held:
                one = next(one for one in taken if one.program == f"{name}-1")
                report.notes.append(f"{one.words()}: left alone, and {ENGINES[name].without}")
                engines = replace(engines, **{name: None})
                taken = [one for one in taken if one.program != f"{name}-1"]
        if taken:
            lines = "\n  ".join(one.words() for one in taken)
            raise StackError(
                f"{lines}\n  Stop it, or move all of Carousel's ports: CAROUSEL_PORT_OFFSET=1000 make demo"
            )
        return engines

    def _render(self, listed: Sequence[Program], engines: Engines) -> None:
        config = self.config
        for folder in (
            config.logs,
            *(config.data / name for name in ("prometheus", "loki", "tempo")),
            config.run_dir / "prometheus" / "targets",
        ):
            folder.mkdir(parents=True, exist_ok=True)
        config.run_dir.chmod(0o700)
        tokens.ensure(config.run_dir)
        for stale in (config.run_dir / "state").glob("gateway-*.json"):
            # What a gateway kept is for its own restart; a stack begins with what its configuration says.
            stale.unlink()
        if engines.grafana is not None:
            grafana.prepare(config.run_dir)
        files.lay(config, listed)

    def _check(self, report: Report) -> None:
        with self._phase(report, "canary", "the canary's answer"):
            report.canary = canaries.send(self.config)
            canaries.find(
                self.config,
                report.canary,
                Stores(report.prometheus),
                CANARY_LIMIT_S,
                lambda lacks: self._progress.now("canary", f"the canary: {lacks}"),
            )

    def _tell_difference(self, before: Sequence[Program], report: Report) -> None:
        after = programs.listed(self.config, self._engines(dict(self._found or engine_table.find_all()), Report()))
        if {program.name: dict(program.env) for program in before} != {one.name: dict(one.env) for one in after}:
            report.notes.append("it runs with other settings than are asked for now: `make stop` first to change them")

    def _end_rest(self, found: state.Look) -> None:
        for words in found.words or ("something of an earlier start still runs",):
            self._progress.say(f"found: {words}")
        if found.is_absent:
            self._forget()
            return
        self._progress.say("ending it, then starting anew")
        left = self.stop()
        if left:
            raise StackError(f"these could not be ended: {', '.join(map(str, left))}")

    @contextmanager
    def _phase(self, report: Report, name: str, what: str) -> Iterator[None]:
        began = time.monotonic()
        self._progress.now(name, what)
        try:
            yield
        finally:
            self._progress.done(name)
            report.seconds[name] = time.monotonic() - began

    # --- stop ---

    def stop(self) -> list[int]:
        """Stop what there is of the stack, in order, within a deadline; return pids that are left (none, normally).

        Ctrl-C does not leave it half stopped.
        """
        with _undisturbed():
            return self._stop()

    def _stop(self) -> list[int]:
        began = time.monotonic()
        listed = state.read_programs(self.config)
        keeper_pid = None
        try:
            keeper_pid = self.keeper.pid()
            self.keeper.stop(listed, STOP_LIMIT_S - 6)
            self._wait_gone(STOP_LIMIT_S - 4 - (time.monotonic() - began))
        except KeeperError:
            pass
        alive = processes.ours(self.config.run_dir)
        if keeper_pid in alive or any(name == "supervisord" for name in alive.values()):
            # First the one that would start the others again.
            end([pid for pid, name in alive.items() if pid == keeper_pid or name == "supervisord"], patience_s=1.0)
        left = end(processes.ours(self.config.run_dir))
        if not left:
            self.keeper.reap()
            self._forget()
        return left

    def _wait_gone(self, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline and processes.ours(self.config.run_dir):
            time.sleep(0.1)

    def _forget(self) -> None:
        for name in (processes.NOTE, state.NOTE, "supervisord.pid"):
            (self.config.run_dir / name).unlink(missing_ok=True)
        self.config.socket.unlink(missing_ok=True)

    # --- asking and hurting ---

    @property
    def pids(self) -> dict[str, int]:
        """The pid of each program that runs."""
        return {name: one.pid for name, one in self.keeper.states().items() if one.pid}

    def kill(self, node: str, number: int = signal.SIGKILL) -> int:
        """Send signal *number* to the process group of *node*; return the pid it had.

        Supervisord starts it again. Raises StackError if it does not run.
        """
        pid = self.pids.get(node)
        if pid is None:
            raise StackError(f"{node} does not run", (node,))
        os.killpg(pid, number)
        return pid

    def stop_node(self, node: str, limit_s: float = 10.0) -> None:
        """Stop *node* politely and leave it stopped."""
        self.keeper.stop_programs([node], limit_s)

    def start_node(self, node: str) -> None:
        """Start *node* if it is stopped; does not wait for it."""
        self.keeper.start_program(node)

    def restart(self, node: str, limit_s: float = 30.0) -> None:
        """Restart *node* and wait until it is ready.

        Raises:
            StackError: it was not, in *limit_s*.
        """
        self.stop_node(node)
        self.start_node(node)
        self.wait_ready([node], limit_s)

    def scale(self, **wanted: int) -> None:
        """Give the running stack as many nodes of each service: `scale(service1=3)`.

        Raises:
            FleetError: not all of it could be done.
        """
        with running.running(self.config, self._progress.say) as fleet:
            scaling.scale(fleet, wanted)

    def restart_rolling(self, *names: str) -> None:
        """Restart the nodes *names*, or all, one after the other, without a failed request.

        Raises:
            FleetError: one did not come back.
        """
        with running.running(self.config, self._progress.say) as fleet:
            restarting.restart(fleet, names)

    def wait_ready(self, nodes: Sequence[str] | None = None, limit_s: float = 30.0) -> None:
        """Wait until *nodes* (all, without a word) are ready.

        Raises:
            StackError: one was not, in *limit_s*.
        """
        listed = [one for one in state.read_programs(self.config) if one.starts_by_itself]
        wanted = [one for one in listed if (one.awaited if nodes is None else one.name in nodes)]
        try:
            readiness.wait_all(wanted, self.keeper, limit_s)
        except NotReady as error:
            raise StackError(str(error), (error.program,)) from error
        self._note_pids(self.keeper.pid())

    def look(self) -> state.Look:
        """Return what is there of the stack."""
        return state.look(self.config, state.read_programs(self.config), patience_s=0.0)

    def memory_bytes(self) -> dict[str, int]:
        """Return the proportional set size (resident, where the system has no such thing) of each program in bytes."""
        sizes: dict[str, int] = {}
        for pid, name in processes.ours(self.config.run_dir).items():
            try:
                info = psutil.Process(pid).memory_full_info()
            except psutil.Error:
                continue
            sizes[name] = sizes.get(name, 0) + int(getattr(info, "pss", info.rss))
        return sizes

    def _note_pids(self, keeper_pid: int) -> None:
        processes.note(self.config.run_dir, {"supervisord": keeper_pid, **self.pids})
