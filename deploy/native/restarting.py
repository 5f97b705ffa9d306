"""`make restart`: the nodes of the stack that runs, one after the other, without a failed request.

A replica drains, ends and is started again by supervisor; the only one of its service gets a stand-in meanwhile. A
gateway cannot be away: a new worker takes over on its listener, with the settings and the code of its first start.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import psutil

from deploy.native import readiness
from deploy.native.admin import AdminError
from deploy.native.fleet import READY_LIMIT_S, Fleet, FleetError
from deploy.native.keeper import Keeper
from deploy.native.plan import Misused, of_service
from deploy.native.programs import IN_RINGS, LOAD, Program
from deploy.native.readiness import NotReady
from deploy.native.running import command

ORDER: Final = ("service2", "service1", "gateway", "storage")
"""Of the services, when no node is named: those that are asked before those that ask."""
END_LIMIT_S: Final = 90.0
"""A drain of at most 60 s, then what is in flight and the telemetry."""
TAKE_OVER_LIMIT_S: Final = 30.0
POLL_S: Final = 0.05


def chosen(programs: Sequence[Program], names: Sequence[str]) -> list[Program]:
    """Return the nodes *names*, in that order; every app of the stack without a word.

    Raises:
        Misused: there is no node of a name.
    """
    if not names:
        return [program for service in ORDER for program in of_service(programs, service)]
    known = {program.name: program for program in programs if program.name != LOAD}
    for name in names:
        if name not in known:
            raise Misused(f"there is no node {name!r}; there are: {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)]


def restart(fleet: Fleet, names: Sequence[str]) -> str:
    """Restart the nodes *names*, or all; return one line that says what was done.

    Raises:
        Misused: there is no node of a name.
        FleetError: one did not come back; those after it were left as they are.
    """
    nodes = chosen(fleet.programs, names)
    for program in nodes:
        began = time.monotonic()
        try:
            how = _take_over(fleet.keeper, program) if program.service == "gateway" else _start_anew(fleet, program)
        except (NotReady, AdminError) as error:
            raise FleetError(f"{program.name} did not come back: {error}") from error
        fleet.tell(f"{program.name}: {how} ({time.monotonic() - began:.1f} s)")
    fleet.note_pids()
    return f"restarted {len(nodes)} node{'s' if len(nodes) != 1 else ''}"


def _start_anew(fleet: Fleet, program: Program) -> str:
    keeper = fleet.keeper
    with fleet.stand_in_for(program):
        before = _pid(keeper, program)
        keeper.signal(program.name, "TERM")
        deadline = time.monotonic() + END_LIMIT_S
        while _pid(keeper, program) in (0, before):
            if time.monotonic() > deadline:
                raise NotReady(program.name, f"it did not end within {END_LIMIT_S:.0f} s")
            time.sleep(POLL_S)
        readiness.wait_all([program], keeper, READY_LIMIT_S)
        if program.service in IN_RINGS:
            fleet.wait_linked([program])
    return "a new process"


def _take_over(keeper: Keeper, program: Program) -> str:
    master = _pid(keeper, program)
    before = _workers(master)
    keeper.signal(program.name, "HUP")
    deadline = time.monotonic() + TAKE_OVER_LIMIT_S
    while (now := _workers(master)) & before or not now:
        if time.monotonic() > deadline:
            if now - before:
                return "a new worker; the old one still finishes what it has"
            raise NotReady(program.name, f"no new worker came within {TAKE_OVER_LIMIT_S:.0f} s")
        time.sleep(POLL_S)
    readiness.wait_all([program], keeper, READY_LIMIT_S)
    return "a new worker on the same listener"


def _pid(keeper: Keeper, program: Program) -> int:
    state = keeper.states().get(program.name)
    return state.pid if state is not None else 0


def _workers(master: int) -> set[int]:
    try:
        return {child.pid for child in psutil.Process(master).children()}
    except psutil.Error:
        return set()


def main(arguments: Sequence[str]) -> int:
    """Run the command. 0 done, 1 failed, 2 typed wrongly, 3 nothing runs."""
    return command(lambda fleet: restart(fleet, list(arguments)))
