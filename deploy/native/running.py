"""Finds the stack that runs, for one command at a time that changes its nodes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Callable, Iterator

from deploy.native.config import StackConfig
from deploy.native.fleet import Fleet, FleetError
from deploy.native.keeper import Keeper, KeeperError
from deploy.native.plan import Misused
from deploy.native.progress import Progress

LOCK = "fleet.lock"
DONE, FAILED, MISUSED, NOT_RUNNING = 0, 1, 2, 3


class NothingRuns(Exception):
    """There is no running stack in the run directory."""


@contextlib.contextmanager
def running(config: StackConfig, tell: Callable[[str], None] = lambda _: None) -> Iterator[Fleet]:
    """Give the nodes of the stack that runs, with nobody else changing them in the block.

    Raises:
        NothingRuns: none does.
        FleetError: another command is changing them.
    """
    keeper = Keeper(config)
    try:
        keeper.pid()
    except KeeperError as error:
        raise NothingRuns(f"nothing runs here ({config.run_dir}); `make demo` starts it") from error
    with open(config.run_dir / LOCK, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FleetError("another command is changing the nodes of this stack; try again when it is done") from None
        yield Fleet(config, keeper, tell)


def command(act: Callable[[Fleet], str]) -> int:
    """Run *act* on the stack that runs, say what it did, and return the exit code: as `carousel` has them."""
    with Progress(sys.stdout) as progress:
        try:
            with running(StackConfig.from_env(os.environ), progress.say) as fleet:
                progress.say(act(fleet))
        except NothingRuns as error:
            print(error, file=sys.stderr)
            return NOT_RUNNING
        except (Misused, FleetError) as error:
            print(f"cannot go on: {error}", file=sys.stderr)
            return MISUSED if isinstance(error, Misused) else FAILED
        except KeeperError as error:
            print(f"cannot go on: {error}; `make status` tells what is there", file=sys.stderr)
            return FAILED
    return DONE
