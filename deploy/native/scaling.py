"""`make scale TO="service1=3 gateway=2"`: more or fewer nodes of the stack that runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from deploy.native.fleet import Fleet
from deploy.native.plan import Misused, of_service, parse, plan
from deploy.native.programs import IN_RINGS
from deploy.native.running import MISUSED, command


def scale(fleet: Fleet, wanted: Mapping[str, int]) -> str:
    """Give the stack as many nodes of each service as *wanted* says; return one line that says what it has now.

    Raises:
        FleetError: not all of it could be done; the words say what is there now.
    """
    before = counts(fleet)
    todo = plan(fleet.programs, wanted)
    staying = [one for one in fleet.programs if one not in todo.stop]
    fleet.mend([one for one in staying if one.service in IN_RINGS and one.service in wanted])
    for starts in (True, False):
        nodes = [one for one in (todo.start if starts else todo.stop) if one.service != "gateway"]
        gateways = [one for one in (todo.start if starts else todo.stop) if one.service == "gateway"]
        if starts:
            fleet.bring_up(nodes)
            fleet.bring_up(gateways)
            for program in todo.rewire:
                fleet.replace(program)
        else:
            fleet.take_down(nodes)
            fleet.take_down(gateways)
    after = counts(fleet)
    return ", ".join(_change(service, before[service], after[service]) for service in wanted)


def counts(fleet: Fleet) -> dict[str, int]:
    """Return how many nodes of each service run."""
    services = dict.fromkeys(program.service for program in fleet.programs)
    return {service: len(of_service(fleet.programs, service)) for service in services if service != "load"}


def _change(service: str, before: int, after: int) -> str:
    return f"{service}: {after} as before" if before == after else f"{service}: {before} → {after}"


def main(arguments: Sequence[str]) -> int:
    """Run the command. 0 done, 1 failed, 2 typed wrongly, 3 nothing runs."""
    try:
        wanted = parse(arguments)
    except Misused as error:
        print(f"scale: {error}", file=sys.stderr)
        return MISUSED
    return command(lambda fleet: scale(fleet, wanted))
