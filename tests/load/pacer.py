"""Gives each request its moment: an open load, whose requests do not wait for the answers of those before. Pure.

The moments come from the shape alone. A slow stack makes requests late only when every user is still waiting for an
answer; one that is later than *patience_s* is given up and counted, so that a stall is not followed by a burst.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tests.load.shapes import Curve

PATIENCE_S = 1.0
NEVER_S = 3600.0
"""What a user waits when there is nothing more to send: the end of the run comes before."""


class Pacer:
    """The moments of one run's requests. Its second 0 is the first call of `delay`.

    Args:
        curve: the requests asked for.
        clock: returns seconds, never going back.
        patience_s: a request later than this is not sent any more.
    """

    def __init__(self, curve: Curve, clock: Callable[[], float], patience_s: float = PATIENCE_S) -> None:
        self._curve = curve
        self._clock = clock
        self._patience_s = patience_s
        self._began: float | None = None
        self._ended: float | None = None
        self._next = 0
        self.given_up = 0
        """Requests that were not sent, since every user was waiting for an answer."""

    @property
    def elapsed(self) -> float:
        """Seconds since the first request's moment, at most the curve's; 0 before that."""
        if self._began is None:
            return 0.0
        return min((self._clock() if self._ended is None else self._ended) - self._began, self._curve.seconds)

    @property
    def asked(self) -> int:
        """How many requests have been due by now."""
        return 0 if self._began is None else math.ceil(self._curve.due(self.elapsed) - 1e-9)

    def end(self) -> None:
        """Ask for nothing more; the run's seconds stand still."""
        if self._ended is None:
            self._ended = self._clock()

    def delay(self) -> float:
        """Take the next request's moment; return the seconds until it, 0 if it is due already."""
        if self._began is None:
            self._began = self._clock()
        now = self._clock() - self._began
        oldest = math.ceil(self._curve.due(now - self._patience_s) - 1e-9)
        if oldest > self._next:
            self.given_up += oldest - self._next
            self._next = oldest
        moment = self._curve.when(self._next)
        if math.isinf(moment) or self._ended is not None:
            return NEVER_S
        self._next += 1
        return max(moment - now, 0.0)
