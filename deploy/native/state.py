"""What of a stack is there: nothing, all of it, or a part; and `stack.json`, which tells others where it is."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.native import processes
from deploy.native.config import StackConfig
from deploy.native.keeper import Keeper, KeeperError, State
from deploy.native.programs import Program, address_of
from deploy.native.readiness import why_not_ready

NOTE = "stack.json"
PROGRAMS = "programs.json"


@dataclass(frozen=True)
class Look:
    """What was found. `words` say it to a person when something is wrong; empty when nothing is."""

    alive: dict[int, str]
    """Living processes of this stack, pid to name."""
    states: dict[str, State] | None
    """What supervisord says; None when it does not answer."""
    words: tuple[str, ...] = ()

    @property
    def is_absent(self) -> bool:
        """Nothing of the stack lives."""
        return not self.alive and self.states is None

    @property
    def is_healthy(self) -> bool:
        """Everything lives and may be used."""
        return self.states is not None and not self.words


def look(config: StackConfig, programs: Sequence[Program], patience_s: float = 3.0) -> Look:
    """Return what is there of the stack with *programs*; one that is just being restarted gets *patience_s*."""
    alive = processes.ours(config.run_dir)
    try:
        states = Keeper(config).states()
    except KeeperError:
        states = None
    if states is None:
        return Look(alive, None, tuple(_orphans(config, alive)))
    deadline = time.monotonic() + patience_s
    while True:
        words = _faults(programs, states)
        if not words or time.monotonic() > deadline:
            return Look(alive, states, tuple(words))
        time.sleep(0.2)
        try:
            states = Keeper(config).states()
        except KeeperError:
            return Look(processes.ours(config.run_dir), None, ("supervisord ended just now",))


def _orphans(config: StackConfig, alive: dict[int, str]) -> list[str]:
    noted = processes.noted(config.run_dir)
    keeper = next((row for row in noted if row.name == "supervisord"), None)
    words = []
    if alive:
        by_name: dict[str, list[str]] = {}
        for pid, name in sorted(alive.items()):
            by_name.setdefault(name, []).append(str(pid))
        who = ", ".join(f"{name} (pid {' and '.join(pids)})" for name, pids in sorted(by_name.items()))
        gone = f"supervisord (pid {keeper.pid}) does not answer" if keeper else "no supervisord answers"
        words.append(f"{gone}, and without it there still run: {who}")
    elif noted:
        names = ", ".join(f"{row.name} (pid {row.pid})" for row in noted)
        words.append(f"a note of processes that no longer live: {names}")
    return words


def _faults(programs: Sequence[Program], states: dict[str, State]) -> list[str]:
    words = []
    for program in programs:
        state = states.get(program.name)
        if state is None:
            words.append(f"{program.name} is not in the running stack")
        elif not program.starts_by_itself:
            continue
        elif not state.pid:
            words.append(f"{program.name} is {state.state.lower()}")
        elif program.awaited and (why := why_not_ready(program)) is not None:
            words.append(f"{program.name} (pid {state.pid}) is not ready: {why}")
    return words


def write_note(config: StackConfig, programs: Sequence[Program], prometheus: str | None) -> None:
    """Write `stack.json`: where this stack's parts are."""
    services = {program.service for program in programs}
    has_collector = "collector" in services
    note: dict[str, Any] = {
        "offset": config.offset,
        "gateway": config.url("gateway"),
        "gateways": gateways(programs),
        "storage": config.url("storage"),
        "prometheus": prometheus,
        "collector": config.url("collector", "collector-http") if has_collector else None,
        **{name: config.url(name) if name in services else None for name in ("loki", "tempo")},
        "nodes": nodes(programs),
        "startedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    write_whole(config.run_dir / NOTE, json.dumps(note, indent=1) + "\n")


def nodes(programs: Sequence[Program]) -> list[str]:
    """Return the names of the programs that are our own apps."""
    return [program.name for program in programs if program.ready_url and program.command[1:2] == ("-m",)]


def gateways(programs: Sequence[Program]) -> list[str]:
    """Return the base address of each gateway."""
    return [f"http://{address_of(program)}" for program in programs if program.service == "gateway"]


def write_changed(config: StackConfig, programs: Sequence[Program]) -> None:
    """Bring `programs.json`, and the nodes and gateways in `stack.json`, up to what runs now."""
    write_programs(config, programs)
    note = read_note(config) | {"gateways": gateways(programs), "nodes": nodes(programs)}
    write_whole(config.run_dir / NOTE, json.dumps(note, indent=1) + "\n")


def read_note(config: StackConfig) -> dict[str, Any]:
    """Return what `stack.json` says; empty when there is none that can be read."""
    try:
        note = json.loads((config.run_dir / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def write_programs(config: StackConfig, programs: Sequence[Program]) -> None:
    """Write `programs.json`: what was started, for the commands that come later with other settings."""
    rows = [dataclasses.asdict(program) for program in programs]
    write_whole(config.run_dir / PROGRAMS, json.dumps(rows, indent=1) + "\n")


def read_programs(config: StackConfig) -> list[Program]:
    """Return the programs that were started last; empty when that is not known."""
    try:
        rows = json.loads((config.run_dir / PROGRAMS).read_text(encoding="utf-8"))
        return [
            Program(
                **{
                    **row,
                    "command": tuple(row["command"]),
                    "ports": tuple((str(name), int(port)) for name, port in row["ports"]),
                }
            )
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write *text* to *path* so that nobody ever reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(mode)
    temporary.replace(path)
