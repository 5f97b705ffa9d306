"""Chaos under a steady load: bugs switched on and off, nodes drained, services scaled. By seed, and all of it put back.

`planned` is pure: the whole of a run's deeds is known before the first of them. What is changed is written to a ledger
before it is changed, so that the next run can put it back if this one is killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.load.admin import AdminError

LEDGER = "load-chaos.json"
CALM_S = 1.0
"""Nothing is done in a run's first second, and all is put back as long before its end."""
RESTORE_WITHIN_S = 10.0
SCALES_FROM_S = 30.0
"""A run that is shorter leaves no time for nodes to come and go."""
SCALING_TAKES_S = 8.0
"""What the end of a scaling is given before the end of the run."""
IN_RING = ("linked", "probation")
BUGS: Mapping[str, str] = {
    "slow": "slow=0.3;ms=600",
    "error": "error=0.3",
    "exception": "exception=0.2",
    "garbage": "garbage=0.2",
    "hang": "hang=0.02",
    "burn": "burn=0.1;ms=100",
    "leak": "leak=0.05;mb=5;s=5",
}
"""What chaos orders. No crash: the last records of a node that dies may be lost, and a hole would mean nothing here."""


class Api(Protocol):
    """What chaos needs of the gateways; `admin.Admin` is one."""

    def members(self) -> dict[str, list[Mapping[str, Any]]]:
        """Return the members of each service's ring."""

    def orders(self) -> dict[str, str]:
        """Return the bugs that are ordered, by target."""

    def order(self, target: str, rates: str) -> None:
        """Order bugs of a service or a node."""

    def withdraw(self, target: str) -> None:
        """Take an order back."""

    def drain(self, service: str, name: str) -> None:
        """Let a member get nothing new."""

    def take_back(self, service: str, address: str) -> None:
        """Let a member be in its ring."""


class Scaling(Protocol):
    """What chaos needs of the native stack; `scaler.Scaler` is one."""

    def counts(self) -> Mapping[str, int]:
        """Return how many nodes each service has; empty where no native stack runs."""

    def scale(self, service: str, count: int) -> None:
        """Let a service have so many nodes."""


@dataclass(frozen=True, order=True)
class Deed:
    """One thing done at a second of the run and undone at a later one."""

    begin: float
    end: float
    kind: str
    """`bug`, `drain` or `scale`."""
    service: str
    target: str
    """A service or a node of it; of a drain the node."""
    detail: str
    """Of a bug its rates, of a drain the member's address, of a scaling the count before and after: ``2 → 4``."""

    @property
    def words(self) -> str:
        """The deed in words."""
        return f"{self.target} drained" if self.kind == "drain" else f"{self.target} {self.detail}"

    @property
    def back_in_words(self) -> str:
        """Its undoing in words."""
        if self.kind == "scale":
            return f"{self.target} back to {self.counts[0]}"
        return f"{self.target} {'without these bugs' if self.kind == 'bug' else 'taken back'}"

    @property
    def counts(self) -> tuple[int, int]:
        """Of a scaling the count before and after."""
        before, _, after = self.detail.partition(" → ")
        return int(before), int(after)


def planned(
    seed: int,
    seconds: float,
    members: Mapping[str, Sequence[Mapping[str, Any]]],
    counts: Mapping[str, int] | None = None,
) -> list[Deed]:
    """Return the deeds of a run of *seconds*, by time; the same for the same *seed*, members and *counts*.

    At any second there is at most one order for bugs, at most one node drained and at most one service scaled up, and
    a ring keeps a node. *counts* are the nodes of the services that can be scaled.
    """
    named = {
        service: sorted(
            (str(one["node"]), str(one["address"])) for one in ring if one["node"] and one["state"] in IN_RING
        )
        for service, ring in sorted(members.items())
    }
    drains = [(service, node, address) for service, nodes in named.items() if len(nodes) > 1 for node, address in nodes]
    targets = [(service, target) for service, nodes in named.items() for target in (service, *(n for n, _ in nodes))]
    kinds = tuple(BUGS.values())
    deeds = []
    dice = random.Random(f"{seed} bugs")
    for begin, end in _turns(dice, seconds) if targets else ():
        deeds.append(Deed(begin, end, "bug", *dice.choice(targets), dice.choice(kinds)))
    dice = random.Random(f"{seed} rings")
    for begin, end in _turns(dice, seconds) if drains else ():
        service, node, address = dice.choice(drains)
        deeds.append(Deed(begin, end, "drain", service, node, address))
    dice = random.Random(f"{seed} scales")
    for begin, end in _turns(dice, seconds - SCALING_TAKES_S) if counts and seconds >= SCALES_FROM_S else ():
        service = dice.choice(sorted(counts))
        more = dice.choice((1, 2))
        deeds.append(Deed(begin, end, "scale", service, service, f"{counts[service]} → {counts[service] + more}"))
    return sorted(deeds)


def _turns(dice: random.Random, seconds: float) -> list[tuple[float, float]]:
    """Return when one thing after the other begins and ends, with rests between."""
    last, unit = seconds - CALM_S, min(max(seconds / 10, 1.0), 10.0)
    turns: list[tuple[float, float]] = []
    begin = CALM_S + dice.uniform(0, unit)
    while True:
        end = begin + dice.uniform(0.8, 1.6) * unit
        if end > last:
            return turns or [(CALM_S, last)]
        turns.append((begin, end))
        begin = end + dice.uniform(0.3, 1.0) * unit


@dataclass(frozen=True)
class Undo:
    """How one change is taken back."""

    kind: str
    service: str
    target: str
    before: str | None
    """Of a bug the rates that were ordered before, None if none were; of a drain the member's address; of a scaling the
    count."""

    @property
    def words(self) -> str:
        """What is to be done."""
        if self.kind == "drain":
            return f"{self.target} ({self.before}) back into the ring of {self.service}"
        if self.kind == "scale":
            return f"{self.service} back to {self.before} nodes"
        return f"bugs of {self.target} back to {self.before or 'those of its environment'}"

    def act(self, api: Api, scaler: Scaling) -> None:
        """Take the change back.

        Raises:
            AdminError: a gateway, or the native stack, did not do it.
        """
        if self.kind == "scale":
            scaler.scale(self.service, int(str(self.before)))
        elif self.kind == "drain":
            api.take_back(self.service, str(self.before))
        elif self.before is None:
            api.withdraw(self.target)
        else:
            api.order(self.target, self.before)


class LedgerTaken(Exception):
    """Another run's chaos is going on in this stack."""


class Ledger:
    """The file of what is changed now. Its holder is the one run of chaos in this stack; a dead one's can be taken.

    Args:
        folder: the stack's run directory.

    Raises:
        LedgerTaken: a living run holds it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / LEDGER
        # The lock is a file of its own, since the ledger is replaced at each change.
        self._lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise LedgerTaken(
                "another run of chaos is going on in this stack; it would undo this one's deeds"
            ) from None

    def read(self) -> list[Undo]:
        """Return what a run before this one left; empty when it put all back."""
        try:
            return [Undo(**row) for row in json.loads(self._path.read_text(encoding="utf-8"))]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise AdminError(f"{self._path} cannot be read ({error}); remove it once its deeds are put back") from None

    def write(self, undos: Sequence[Undo]) -> None:
        """Keep *undos* as what is to be put back; a reader never sees half of it."""
        if not undos:
            self._path.unlink(missing_ok=True)
            return
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps([asdict(undo) for undo in undos], indent=1) + "\n", encoding="utf-8")
        temporary.replace(self._path)

    def close(self) -> None:
        """Let another run take it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class Chaos:
    """Does the deeds of a plan and undoes them; `restore` undoes what is not undone by then.

    Args:
        api: the gateways.
        scaler: the native stack.
        ledger: where what is changed is kept.
        tell: hears each deed in words.
    """

    def __init__(self, api: Api, scaler: Scaling, ledger: Ledger, tell: Callable[[str], None]) -> None:
        self._api = api
        self._scaler = scaler
        self._ledger = ledger
        self._tell = tell
        self._open: list[Undo] = []
        self._is_over = False
        self.done: dict[str, int] = {"bug": 0, "drain": 0, "scale": 0}
        self._orders: Mapping[str, str] = {}

    def begin(self, seed: int, seconds: float) -> list[Deed]:
        """Put back what a killed run left, look at what there is, and return the plan.

        Raises:
            AdminError: a gateway does not say what there is.
        """
        left = self._ledger.read()
        if left:
            self._open = left
            still = self._undo_all(time.monotonic, time.sleep)
            self._tell(f"put back what an earlier run left: {'; '.join(undo.words for undo in left)}")
            if still:
                raise AdminError(f"an earlier run's chaos could not be put back: {'; '.join(still)}")
        self._orders = self._api.orders()
        counts = self._scaler.counts()
        if not counts:
            self._tell("no native stack runs here: nothing is scaled")
        return planned(seed, seconds, self._api.members(), counts)

    def run(self, plan: Sequence[Deed], elapsed: Callable[[], float], sleep: Callable[[float], None]) -> None:
        """Do and undo the deeds of *plan* at their seconds of *elapsed*; ends early after `stop`."""
        moments = sorted([(deed.begin, 1, deed) for deed in plan] + [(deed.end, 0, deed) for deed in plan])
        undos: dict[Deed, Undo] = {}
        for moment, is_begin, deed in moments:
            while not self._is_over and elapsed() < moment:
                sleep(min(max(moment - elapsed(), 0.0), 0.2))
            if self._is_over:
                return
            if is_begin:
                undos[deed] = self._do(deed)
            else:
                self._undo(undos[deed], deed)

    def _do(self, deed: Deed) -> Undo:
        undo = Undo(deed.kind, deed.service, deed.target, self._before(deed))
        self._open.append(undo)
        self._ledger.write(self._open)
        try:
            if deed.kind == "bug":
                self._api.order(deed.target, deed.detail)
            elif deed.kind == "scale":
                self._scaler.scale(deed.service, deed.counts[1])
            else:
                self._api.drain(deed.service, deed.target)
        except AdminError as error:
            self._tell(f"could not: {deed.words}: {error}")
            return undo
        self.done[deed.kind] += 1
        self._tell(deed.words)
        return undo

    def _before(self, deed: Deed) -> str | None:
        if deed.kind == "bug":
            return self._orders.get(deed.target)
        return str(deed.counts[0]) if deed.kind == "scale" else deed.detail

    def _undo(self, undo: Undo, deed: Deed) -> None:
        try:
            undo.act(self._api, self._scaler)
        except AdminError as error:
            # It stays open: `restore` tries again.
            self._tell(f"could not put back yet: {undo.words}: {error}")
            return
        self._close(undo)
        self._tell(deed.back_in_words)

    def _close(self, undo: Undo) -> None:
        if undo in self._open:
            self._open.remove(undo)
        self._ledger.write(self._open)

    def stop(self) -> None:
        """Begin nothing more. Whoever runs `run` waits for it to return before it calls `restore`."""
        self._is_over = True

    def restore(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> list[str]:
        """Put back all that is changed; return in words what could not be, which stays in the ledger."""
        return self._undo_all(clock, sleep)

    def close(self) -> None:
        """Let go of the ledger."""
        self._ledger.close()

    def _undo_all(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> list[str]:
        until = clock() + RESTORE_WITHIN_S
        while True:
            faults = []
            for undo in list(self._open):
                try:
                    undo.act(self._api, self._scaler)
                    self._close(undo)
                except AdminError as error:
                    faults.append(f"{undo.words}: {error}")
            if not faults or clock() > until:
                return faults
            sleep(0.5)
