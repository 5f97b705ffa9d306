"""The shapes of a load: how many requests per second are asked for, at each second of the run. Pure.

A shape is a curve of straight lines through (second, rate). Its area is the number of requests that are due, so each
request has its own moment, and a run asks for exactly as many as the curve holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

ENDLESS = 0.0
"""As a run's seconds: it goes on until somebody ends it."""
LEVELS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Curve:
    """Requests per second over the seconds of a run, straight between the *points*.

    *points* are (second, rate), the first at second 0, in order of time; two at one second are a jump. The last rate of
    an endless curve stays.
    """

    points: tuple[tuple[float, float], ...]
    is_endless: bool = False

    @property
    def seconds(self) -> float:
        """How long it is; infinite if it is endless."""
        return math.inf if self.is_endless else self.points[-1][0]

    @property
    def peak(self) -> float:
        """The highest rate."""
        return max(rate for _, rate in self.points)

    def rate(self, second: float) -> float:
        """Return the requests per second asked for at *second*; 0 outside of the curve."""
        if second < 0 or second > self.seconds:
            return 0.0
        for (begin, low), (end, high) in pairwise(self.points):
            if begin <= second < end:
                return low + (high - low) * (second - begin) / (end - begin)
        return self.points[-1][1]

    def due(self, second: float) -> float:
        """Return how many requests are asked for until *second*, with their fraction."""
        total = 0.0
        for (begin, low), (end, high) in pairwise(self.points):
            inside = min(max(second - begin, 0.0), end - begin)
            if inside > 0:
                there = low + (high - low) * inside / (end - begin)
                total += (low + there) / 2 * inside
        last, rate = self.points[-1]
        return total + (max(second - last, 0.0) * rate if self.is_endless else 0.0)

    def when(self, number: float) -> float:
        """Return the second at which request *number* (the first is 0) is due; infinite when the curve holds fewer."""
        for (begin, low), (end, high) in pairwise(self.points):
            held = (low + high) / 2 * (end - begin)
            if number < held:
                return begin + _root((high - low) / (end - begin) / 2, low, number)
            number -= held
        last, rate = self.points[-1]
        return last + number / rate if self.is_endless else math.inf


def _root(square: float, linear: float, area: float) -> float:
    """Return the x ≥ 0 at which square·x² + linear·x is *area*."""
    if area <= 0:
        return 0.0
    # This form of the quadratic's solution loses no digits when the line is nearly flat.
    return 2 * area / (linear + math.sqrt(max(linear * linear + 4 * square * area, 0.0)))


def _steady(rate: float, seconds: float) -> Curve:
    if seconds == ENDLESS:
        return Curve(((0.0, rate),), is_endless=True)
    return Curve(((0.0, rate), (seconds, rate)))


def _ramp(rate: float, seconds: float) -> Curve:
    return Curve(((0.0, rate / 10), (seconds * 0.8, rate), (seconds, rate)))


def _spike(rate: float, seconds: float) -> Curve:
    calm, begin, end = rate / 5, seconds * 0.4, seconds * 0.6
    return Curve(((0.0, calm), (begin, calm), (begin, rate), (end, rate), (end, calm), (seconds, calm)))


SHAPES: Mapping[str, Callable[[float, float], Curve]] = {
    "steady": _steady,
    "ramp": _ramp,
    "spike": _spike,
    "chaos": _steady,
}
"""By name, the curve whose highest rate is the first argument, over the second argument's seconds."""
MAY_BE_ENDLESS = ("steady",)


def picture(curve: Curve, width: int = 40) -> str:
    """Return *curve* as one line of *width* blocks, the highest rate as the highest block."""
    if curve.is_endless:
        return LEVELS[-1] * width + "…"
    at: Sequence[float] = [(column + 0.5) * curve.seconds / width for column in range(width)]
    return "".join(LEVELS[round(curve.rate(second) / curve.peak * (len(LEVELS) - 1))] for second in at)
