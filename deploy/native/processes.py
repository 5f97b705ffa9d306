"""Which processes are ours, and ending them.

Ours is a process that carries our mark in its environment with our run directory, or that is in `pids.json` with the
same start. A pid alone proves nothing: another program may have got it since.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.native.programs import KEPT_BY

NOTE = "pids.json"


@dataclass(frozen=True)
class Noted:
    """A process as it was written down."""

    name: str
    pid: int
    started: str


def start_mark(pid: int) -> str | None:
    """Return what tells this process from a later one of the same pid; None if there is none.

    On Linux the kernel's ticks since boot and the boot's id: they do not move with the clock.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{stat.rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        pass
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None


def note(run_dir: Path, pids: Mapping[str, int]) -> None:
    """Write down the processes *pids* (name to pid) with their starts."""
    rows = [{"name": name, "pid": pid, "started": mark} for name, pid in pids.items() if (mark := start_mark(pid))]
    temporary = run_dir / f".{NOTE}.{os.getpid()}"
    temporary.write_text(json.dumps({"processes": rows}, indent=1) + "\n", encoding="utf-8")
    temporary.replace(run_dir / NOTE)


def noted(run_dir: Path) -> list[Noted]:
    """Return what is written down; empty when nothing is, or nothing that can be read."""
    try:
        rows = json.loads((run_dir / NOTE).read_text(encoding="utf-8"))["processes"]
        return [Noted(str(row["name"]), int(row["pid"]), str(row["started"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def ours(run_dir: Path) -> dict[int, str]:
    """Return every living process of the stack in *run_dir*: pid to name. This process is never among them."""
    mark, found = str(run_dir), {}
    mine = {os.getpid(), os.getppid()}
    for process in psutil.process_iter():
        if process.pid in mine:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.uids().real != os.getuid():
                continue
            environ = process.environ()
            if environ.get(KEPT_BY) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = environ.get("CAROUSEL_NODE") or process.name()
    for row in noted(run_dir):
        same = row.pid not in mine and start_mark(row.pid) == row.started
        if same and (row.pid in found or _alive(row.pid)):
            found[row.pid] = row.name
    return found


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def end(pids: Iterable[int], *, patience_s: float = 5.0) -> list[int]:
    """End the processes *pids*: politely, then for good. Return those that are left (none, normally).

    psutil compares the start before each signal, so a pid that changed hands meanwhile is left alone.
    """
    processes = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            processes.append(psutil.Process(pid))
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = _wait(processes, patience_s)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _, alive = _wait(alive, 3.0)
    return [process.pid for process in alive]


def _wait(processes: Sequence[psutil.Process], limit_s: float) -> tuple[list[psutil.Process], list[psutil.Process]]:
    deadline = time.monotonic() + limit_s
    alive = list(processes)
    while alive and time.monotonic() < deadline:
        alive = [process for process in alive if process.is_running() and _alive(process.pid)]
        if alive:
            time.sleep(0.05)
    gone = [process for process in processes if process not in alive]
    return gone, alive
