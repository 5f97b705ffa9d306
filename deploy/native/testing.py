"""What end-to-end tests need to start a stack of their own beside a running demo."""

from __future__ import annotations

import os

from deploy.native import listeners
from deploy.native.config import StackConfig
from deploy.native.programs import Engines, listed
from deploy.native.stack import StackError
from deploy.native.tools import ROOT

OFFSETS = range(10_000, 19_500, 500)
"""All ports of a stack moved by these lie below the ones that systems give to clients (32768 and up)."""


def free_offset() -> int:
    """Return an offset at which every port of a stack is free now; processes begin their search at different ones.

    Raises:
        StackError: there is none.
    """
    offset: int
    first = os.getpid() % len(OFFSETS)
    for offset in (*OFFSETS[first:], *OFFSETS[:first]):
        config = StackConfig.from_env({"CAROUSEL_PORT_OFFSET": str(offset)})
        programs = listed(config, Engines(ROOT, ROOT, "any", ROOT, ROOT, ROOT))
        if all(listeners.is_free(config.listen_host, port) for program in programs for _, port in program.ports):
            return offset
    raise StackError(f"no offset of {OFFSETS} has all its ports free")
