"""The time a request has left. It travels as milliseconds and shrinks at every hop."""

import time
from collections.abc import Callable
from typing import Final

HOP_MARGIN_MS: Final = (30, 100)
"""Kept back at each hop, so that the hop inside gives up first and the one outside can still say so: a tenth of
what is left, within these bounds."""


class Deadline:
    """A point in time after which nobody waits for the answer. Measured on the monotonic clock."""

    def __init__(self, left_ms: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + left_ms / 1000

    def left_s(self) -> float:
        """Return the seconds that are left; 0 once it has passed."""
        return max(self._at - self._clock(), 0.0)

    def for_next_hop_ms(self) -> int:
        """Return what to hand on: whole milliseconds, less the margin; 0 if it is too late to ask."""
        left_ms = int(self.left_s() * 1000)
        least, most = HOP_MARGIN_MS
        return max(left_ms - min(max(left_ms // 10, least), most), 0)


def deadline_ms(field: str | None, cap_ms: int) -> int:
    """Return the milliseconds that a header field asks for, at most *cap_ms*; the cap where it says nothing.

    Raises:
        ValueError: the field is no whole number of at least 1.
    """
    if field is None:
        return cap_ms
    if not (field.isascii() and field.isdigit() and int(field[:12]) > 0):
        raise ValueError(f"{field[:40]!r} is no whole number of milliseconds of at least 1")
    return min(int(field[:12]), cap_ms)
