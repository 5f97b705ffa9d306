"""Which nodes Prometheus is to scrape: the named members of the rings, and those that vanished a while ago. Pure.

One that is gone is listed for a while: only by `up == 0` can a rule tell that a node is down.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from apps.gateway.balancer import Balancer
from apps.gateway.members import Change, News

VANISHED_S: Final = 600.0
"""Seconds that a node is listed after it ceased to be a member."""
MAX_VANISHED: Final = 1_024


class Targets:
    """Prometheus HTTP service discovery of the rings' members."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._vanished: dict[tuple[str, str], tuple[str, float]] = {}

    def changed(self, change: Change) -> None:
        """Remember a node that was removed."""
        if change.news is not News.REMOVED or not change.node:
            return
        with self._lock:
            self._vanished.pop((change.service, change.node), None)
            self._vanished[change.service, change.node] = change.address, self._clock() + VANISHED_S
            while len(self._vanished) > MAX_VANISHED:
                del self._vanished[next(iter(self._vanished))]

    def shape(self, balancers: Sequence[Balancer]) -> list[dict[str, Any]]:
        """Return the target groups, one for each node."""
        found: dict[tuple[str, str], str] = {}
        for balancer in balancers:
            for member in balancer.members():
                if member.node:
                    found.setdefault((balancer.service, member.node), member.address)
        now = self._clock()
        with self._lock:
            self._vanished = {key: gone for key, gone in self._vanished.items() if gone[1] > now}
            for key, (address, _) in self._vanished.items():
                found.setdefault(key, address)
        return [
            {"targets": [address], "labels": {"job": f"carousel/{service}", "instance": node}}
            for (service, node), address in found.items()
        ]
