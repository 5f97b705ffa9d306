"""`make status`: the programs of the stack, each with state, pid, uptime, port and whether it may be used."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.native import state
from deploy.native.config import StackConfig
from deploy.native.keeper import State
from deploy.native.programs import Program
from deploy.native.progress import paint, wants_colour
from deploy.native.readiness import why_not_ready

HEADS = ("program", "state", "pid", "up", "port", "ready")


@dataclass(frozen=True)
class Row:
    """One program as the table shows it."""

    cells: tuple[str, str, str, str, str, str]
    is_well: bool


def uptime(spent_s: float) -> str:
    """Return a span of time in one or two units: 42 s, 3 m 05 s, 2 h 07 m, 5 d 03 h."""
    whole = max(0, int(spent_s))
    for unit, size, below, below_size in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // below_size:02d} {below}"
    return f"{whole} s"


def row(program: Program, seen: State | None, why: str | None, now: float) -> Row:
    """Return the row of *program*: *seen* as supervisord sees it, *why* it may not be used."""
    ports = ", ".join(str(port) for _, port in program.ports) or "–"
    if seen is None or not seen.pid:
        words = "unknown" if seen is None else seen.state.lower()
        # The load is started last, and may be stopped by whoever wants quiet.
        well = not program.starts_by_itself
        return Row((program.name, words, "–", "–", ports, "–" if well else "no: it does not run"), well)
    ready = "–" if program.ready_url is None else "yes" if why is None else f"no: {why}"
    cells = (program.name, seen.state.lower(), str(seen.pid), uptime(now - seen.since), ports, ready)
    return Row(cells, why is None or not program.awaited)


def table(rows: Sequence[Row], colour: bool) -> str:
    """Return the rows under their heads, aligned; numbers to the right, what is not well in red."""
    widths = [max(len(cells[column]) for cells in (HEADS, *(row.cells for row in rows))) for column in range(6)]

    def line(cells: Sequence[str]) -> str:
        parts = [
            cell.rjust(width) if head in ("pid", "up") else cell.ljust(width)
            for cell, width, head in zip(cells, widths, HEADS, strict=True)
        ]
        return "  ".join(parts).rstrip()

    lines = [paint(line(HEADS), "bold", colour)]
    lines += [line(row.cells) if row.is_well else paint(line(row.cells), "red", colour) for row in rows]
    return "\n".join(lines)


def main(_: Sequence[str]) -> int:
    """Print the table. 0: all is well; 1: something is not; 3: nothing runs."""
    config = StackConfig.from_env(os.environ)
    listed = state.read_programs(config)
    found = state.look(config, listed, patience_s=0.0)
    if found.is_absent:
        print(f"nothing runs here ({config.run_dir}); `make demo` starts it")
        for words in found.words:
            print(f"  found: {words}")
        return 3
    if found.states is None:
        for words in found.words:
            print(f"half-dead: {words}")
        print("`make demo` ends it and starts anew; `make stop` ends it")
        return 1
    rows = [
        row(program, found.states.get(program.name), why_not_ready(program), time.time())
        for program in sorted(listed, key=lambda program: program.name)
    ]
    print(table(rows, wants_colour(sys.stdout)))
    return 0 if all(one.is_well for one in rows) else 1
