"""Waits until every program may be used, and says which is not and why."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence

from deploy.native.keeper import Keeper, KeeperError
from deploy.native.listeners import get
from deploy.native.programs import Program

POLL_S = 0.075
MAX_STARTS = 3
"""A program that was started so often within one wait will not get ready: the wait ends early."""


class NotReady(Exception):
    """A program did not get ready; `program` names it, the words say why."""

    def __init__(self, program: str, why: str) -> None:
        super().__init__(f"{program} is not ready: {why}")
        self.program = program


def why_not_ready(program: Program, limit_s: float = 2.0) -> str | None:
    """Return why *program* may not be used now, in its own words where it has some; None when it may."""
    if program.ready_url is None:
        return None
    status, body = get(program.ready_url, limit_s)
    if status == 200:
        return None
    if status == 0:
        return f"nobody answers at {program.ready_url}"
    try:
        reasons = json.loads(body)["reasons"]
    except (ValueError, KeyError, TypeError):
        return f"{program.ready_url} answers {status}"
    return "; ".join(str(reason) for reason in reasons) or f"answers {status}"


def wait_all(
    programs: Sequence[Program],
    keeper: Keeper,
    limit_s: float,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, float]:
    """Wait for all *programs* at once; return each one's seconds. *tell* hears who is still awaited.

    Raises:
        NotReady: one was not ready after *limit_s*, or kept dying, or supervisord ended.
    """
    began = time.monotonic()
    ready: dict[str, float] = {}
    why: dict[str, str] = {}
    over = threading.Event()

    def poll(program: Program) -> None:
        while not over.is_set():
            words = why_not_ready(program)
            if words is None:
                ready[program.name] = time.monotonic() - began
                return
            why[program.name] = words
            over.wait(POLL_S)

    threads = [threading.Thread(target=poll, args=(program,), daemon=True) for program in programs]
    for thread in threads:
        thread.start()
    seen: dict[str, set[int]] = {program.name: set() for program in programs}
    next_look = began + 1.0
    try:
        while len(ready) < len(programs):
            now = time.monotonic()
            late = [program.name for program in programs if program.name not in ready]
            if not late:
                break
            tell(", ".join(late))
            if keeper.died():
                raise NotReady("supervisord", "it ended right after its start")
            if now >= next_look:
                next_look = now + 0.5
                _look_for_deaths(keeper, seen, late)
            if now - began > limit_s:
                raise NotReady(late[0], f"{why.get(late[0], 'no answer')} (waited {limit_s:.0f} s)")
            time.sleep(0.02)
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=3)
    return ready


def _look_for_deaths(keeper: Keeper, seen: dict[str, set[int]], late: Sequence[str]) -> None:
    try:
        states = keeper.states()
    except KeeperError:
        return
    for name in late:
        if name in states and states[name].pid:
            seen[name].add(states[name].pid)
        if len(seen[name]) > MAX_STARTS:
            raise NotReady(name, f"it ended {len(seen[name]) - 1} times right after its start")
