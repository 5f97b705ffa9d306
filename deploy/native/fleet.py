"""The nodes of a running stack: brought up, taken down, started anew, without a request noticing.

A node that comes is ready and in the ring of every gateway before anybody counts on it; one that goes gets nothing new
and has worked off what it had before it is stopped. The files of the stack say at each moment what runs.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from deploy.native import files, listeners, processes, readiness, state
from deploy.native.admin import AdminError, Gateway
from deploy.native.config import StackConfig
from deploy.native.keeper import Keeper, KeeperError
from deploy.native.plan import of_service, ordered, sibling
from deploy.native.programs import IN_RINGS, Program, address_of, drain_s_of, number_of
from deploy.native.readiness import NotReady

READY_LIMIT_S = 60.0
LINK_LIMIT_S = 15.0
WORK_OFF_LIMIT_S = 15.0
STOP_MARGIN_S = 4.0
POLL_S = 0.1
PROMETHEUS = "prometheus-1"


class FleetError(Exception):
    """The nodes could not be brought to what was asked; the words say what happened and what is there now."""


class Fleet:
    """The nodes of the stack that runs in *config*'s run directory.

    Args:
        config: whose run directory counts; the rest is read from what was started.
        keeper: keeps the programs.
        tell: hears each thing that was done, as a line for a person.
    """

    def __init__(self, config: StackConfig, keeper: Keeper, tell: Callable[[str], None] = lambda _: None) -> None:
        self._config = config
        self.keeper = keeper
        self.tell = tell
        self.programs = state.read_programs(config)

    def program(self, name: str) -> Program:
        """Return the program *name*.

        Raises:
            KeyError: there is none.
        """
        return {program.name: program for program in self.programs}[name]

    def gateways(self) -> list[Gateway]:
        """Return the gateways that run."""
        token = (self._config.run_dir / "secrets" / "admin").read_text(encoding="ascii").strip()
        return [Gateway(url, token) for url in state.gateways(self.programs)]

    # --- up ---

    def bring_up(self, new: Sequence[Program]) -> None:
        """Start the programs *new* and, where they belong into rings, wait until every gateway has linked them.

        Raises:
            FleetError: one did not come; none of them is left then.
        """
        if not new:
            return
        self._refuse_taken_ports(new)
        before = self.programs
        for program in new:
            if program.service == "gateway":
                (self._config.run_dir / "state" / f"{program.name}.json").unlink(missing_ok=True)
        try:
            self._now_are([*before, *new])
            self.keeper.add([program.name for program in new])
            ready = readiness.wait_all(new, self.keeper, READY_LIMIT_S)
            self._link([program for program in new if program.service in IN_RINGS])
            self._hand_on_bugs([program for program in new if program.service == "gateway"])
        except BaseException as error:
            self._take_back(new, before)
            if isinstance(error, (NotReady, AdminError, KeeperError)):
                names = ", ".join(program.name for program in new)
                raise FleetError(f"{error}; so {names} did not come and the rest is as it was") from error
            raise
        self.note_pids()
        for program in new:
            linked = f", in {'every ring' if len(self.gateways()) > 1 else 'the ring'}"
            where = linked if program.service in IN_RINGS else ""
            self.tell(f"{program.name} came at {address_of(program)}: ready after {ready[program.name]:.1f} s{where}")

    def _refuse_taken_ports(self, new: Sequence[Program]) -> None:
        ports = [(program.name, name, port) for program in new for name, port in program.ports]
        taken = listeners.taken(self._config.listen_host, ports)
        if taken:
            raise FleetError("; ".join(one.words() for one in taken) + ". Nothing was changed")

    def _link(self, new: Sequence[Program]) -> None:
        for gateway in self.gateways():
            for program in new:
                gateway.add(program.service, address_of(program))
        self.wait_linked(new)

    def _hand_on_bugs(self, new: Sequence[Program]) -> None:
        urls = {f"http://{address_of(program)}" for program in new}
        others = [gateway for gateway in self.gateways() if gateway.url not in urls]
        takers = [gateway for gateway in self.gateways() if gateway.url in urls]
        if new and others:
            hand_on_bugs(others[0], takers)

    def wait_linked(self, nodes: Sequence[Program]) -> None:
        """Wait until each of *nodes* is in the ring of every gateway.

        Raises:
            AdminError: one was not, in `LINK_LIMIT_S`.
        """
        deadline = time.monotonic() + LINK_LIMIT_S
        while late := self._not_linked(nodes):
            if time.monotonic() > deadline:
                raise AdminError(f"{late[0]} (waited {LINK_LIMIT_S:.0f} s)")
            time.sleep(POLL_S)

    def mend(self, nodes: Sequence[Program]) -> None:
        """Give those of *nodes* requests again that a gateway had drained or does not know: an earlier command's rest.

        One that is ill is left to the gateways' own probes.

        Raises:
            FleetError: it did not get into every ring.
        """
        try:
            left = [program for program in nodes if self._take_back_into_rings(program)]
            self.wait_linked(left)
        except AdminError as error:
            raise FleetError(f"{error}; nothing was started or stopped") from error
        for program in left:
            self.tell(f"{program.name} was left out of a ring: it gets requests again")

    def _take_back_into_rings(self, program: Program) -> bool:
        """Return whether a gateway had to be told of *program*."""
        was_out = False
        for gateway in self.gateways():
            member = gateway.members(program.service).get(address_of(program))
            if member is None or member.is_leaving:
                gateway.add(program.service, address_of(program))
                was_out = True
        return was_out

    def _not_linked(self, nodes: Sequence[Program]) -> list[str]:
        late = []
        for service in {program.service for program in nodes}:
            for gateway in self.gateways():
                members = gateway.members(service)
                for program in of_service(nodes, service):
                    member = members.get(address_of(program))
                    if member is None or not member.is_linked:
                        why = f"{member.state}: {member.reason}" if member else "it does not know it"
                        late.append(f"{program.name} is not in the ring of {gateway.url}: {why}")
        return late

    def _take_back(self, new: Sequence[Program], before: Sequence[Program]) -> None:
        for program in new:
            if program.service in IN_RINGS:
                for gateway in self.gateways():
                    with contextlib.suppress(AdminError):
                        replace(gateway, patience_s=0.0).remove(program.service, address_of(program))
        with contextlib.suppress(KeeperError):
            self.keeper.remove([program.name for program in new], _stop_limit_s(new))
        self._now_are(before)

    # --- down ---

    def take_down(self, leaving: Sequence[Program]) -> None:
        """Let *leaving* work off what they have, then stop and forget them.

        Raises:
            FleetError: a gateway could not be asked, and nothing was changed; or one did not end.
        """
        if not leaving:
            return
        in_rings = [program for program in leaving if program.service in IN_RINGS]
        told: list[tuple[Gateway, Program]] = []
        try:
            self._drain(in_rings, told)
            late = self._wait_worked_off(in_rings)
            self._wait_passed_over([program for program in leaving if program.service == "gateway"])
        except BaseException as error:
            # Also after Ctrl-C: a node that stays drained would be counted, and get nothing.
            self._take_up_again(told)
            if isinstance(error, AdminError):
                raise FleetError(f"{error}; nothing was stopped") from error
            raise
        staying = [program for program in self.programs if program not in leaving]
        try:
            self.keeper.remove([program.name for program in leaving], _stop_limit_s(leaving))
            self._now_are(staying)
            for gateway in self.gateways():
                for program in in_rings:
                    gateway.remove(program.service, address_of(program))
        except (KeeperError, AdminError) as error:
            raise FleetError(f"{error}; the same command again goes on from here") from error
        self.note_pids()
        for program in leaving:
            words = f", with {late[program.name]} still in flight" if program.name in late else ""
            self.tell(f"{program.name} went{words}")

    def _drain(self, leaving: Sequence[Program], told: list[tuple[Gateway, Program]]) -> None:
        """Have every gateway give *leaving* nothing new; *told* gets each that was told so, by whom."""
        for gateway in self.gateways():
            for program in leaving:
                if gateway.drain(program.service, address_of(program)):
                    told.append((gateway, program))

    def _wait_passed_over(self, gateways: Sequence[Program]) -> None:
        """Let *gateways* say that they are not ready until those who look at it have seen it, still serving."""
        try:
            for program in gateways:
                # One that does not run has nobody to lose.
                with contextlib.suppress(KeeperError):
                    self.keeper.signal(program.name, "USR2")
            time.sleep(max((drain_s_of(program) for program in gateways), default=0.0))
        except BaseException:
            # A new worker is ready.
            for program in gateways:
                with contextlib.suppress(KeeperError):
                    self.keeper.signal(program.name, "HUP")
            raise

    def _take_up_again(self, told: Sequence[tuple[Gateway, Program]]) -> None:
        for gateway, program in told:
            with contextlib.suppress(AdminError):
                gateway.add(program.service, address_of(program))

    def _wait_worked_off(self, leaving: Sequence[Program]) -> dict[str, int]:
        """Wait until nothing is in flight at *leaving*, at most `WORK_OFF_LIMIT_S`; return what still is, by name."""
        deadline = time.monotonic() + WORK_OFF_LIMIT_S
        while late := self._in_flight(leaving):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
        return late

    def _in_flight(self, leaving: Sequence[Program]) -> dict[str, int]:
        late: dict[str, int] = {}
        for service in {program.service for program in leaving}:
            for gateway in self.gateways():
                try:
                    members = gateway.members(service)
                except AdminError:
                    # A gateway that is gone has nothing in flight.
                    continue
                for program in of_service(leaving, service):
                    member = members.get(address_of(program))
                    if member is not None and not member.has_worked_off:
                        late[program.name] = late.get(program.name, 0) + member.in_flight
        return late

    # --- anew ---

    def replace(self, program: Program) -> None:
        """Take the node of *program*'s name down and bring it up as *program*.

        Raises:
            FleetError: it could not be.
        """
        with self.stand_in_for(program):
            self.take_down([self.program(program.name)])
            self.bring_up([program])

    @contextlib.contextmanager
    def stand_in_for(self, program: Program) -> Iterator[None]:
        """Have another node of *program*'s service in the block, if it is the only one in a ring."""
        if program.service not in IN_RINGS or not self._is_alone(program):
            yield
            return
        numbers = {number_of(one) for one in of_service(self.programs, program.service)}
        free = next(number for number in range(1, len(numbers) + 2) if number not in numbers)
        other = sibling(program, free, self.programs)
        self.tell(f"{program.name} is alone: {other.name} stands in for it")
        self.bring_up([other])
        try:
            yield
        finally:
            self.take_down([other])

    def _is_alone(self, program: Program) -> bool:
        own = address_of(program)
        try:
            rings = [gateway.members(program.service) for gateway in self.gateways()]
        except AdminError as error:
            raise FleetError(f"{error}; nothing was changed") from error
        return any(not any(one.is_linked and one.address != own for one in ring.values()) for ring in rings)

    # --- what is written down ---

    def _now_are(self, programs: Sequence[Program]) -> None:
        self.programs = ordered(programs)
        must_reread = files.lay(self._config, self.programs)
        state.write_changed(self._config, self.programs)
        if must_reread and any(program.name == PROMETHEUS for program in self.programs):
            with contextlib.suppress(KeeperError):
                self.keeper.signal(PROMETHEUS, "HUP")

    def note_pids(self) -> None:
        """Write down which processes are the stack's now."""
        pids = {name: one.pid for name, one in self.keeper.states().items() if one.pid}
        processes.note(self._config.run_dir, {"supervisord": self.keeper.pid(), **pids})


def hand_on_bugs(giver: Gateway, takers: Sequence[Gateway]) -> None:
    """Give the gateways *takers* the orders for bugs that *giver* has: each gateway keeps its own.

    Raises:
        AdminError: one of them does not answer as it should.
    """
    for target, rates in giver.bug_orders().items():
        for gateway in takers:
            gateway.order_bugs(target, rates)


def _stop_limit_s(programs: Sequence[Program]) -> float:
    return max(program.stop_seconds for program in programs) + STOP_MARGIN_S
