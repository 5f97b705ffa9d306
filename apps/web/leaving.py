"""How a node leaves: what its routes have to know of it.

A node that *drains* tells everybody who asks for its readiness to send nothing more, and goes on serving for a moment.
One whose work is *handed over* to a newer process of the same node stays ready: only this process ends. In both cases
an answer that would never end, such as a stream, has to end now.
"""

import threading
from typing import Final

from flask import Flask

_KEY: Final = "leaving"


class Leaving:
    """Whether this process is about to end, and how. Safe to use from any number of threads."""

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._is_handed_over = False

    def begin(self, *, handed_over: bool = False) -> None:
        """Say that this process ends soon; *handed_over* tells that another one of the same node serves already."""
        self._is_handed_over = handed_over
        self._begun.set()

    @property
    def has_begun(self) -> bool:
        """This process ends soon, one way or the other."""
        return self._begun.is_set()

    @property
    def is_draining(self) -> bool:
        """The node itself ends soon: it must not get new requests."""
        return self._begun.is_set() and not self._is_handed_over

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has begun, at most *timeout_s*; return whether it has."""
        return self._begun.wait(timeout_s)


def leaving_of(app: Flask) -> Leaving:
    """Return the state of *app*'s process; the same object for each call."""
    leaving: Leaving = app.extensions.setdefault(_KEY, Leaving())
    return leaving
