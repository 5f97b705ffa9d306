"""What can go wrong in the gateway.

::

    GatewayError
    ├── RingError       a member that is in the ring already, or is not
    ├── NotFound        no service, member or target of that name; names those there are
    └── BoundReached    there are as many members as there may be
"""

from collections.abc import Iterable


class GatewayError(Exception):
    """Base of the gateway's own errors."""


class RingError(GatewayError):
    """A member cannot be inserted twice, nor unlinked when it is not there."""


class NotFound(GatewayError):
    """There is no *kind* of that name. *known* are the names there are."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.known = sorted(known)
        expected = f"expected one of {', '.join(self.known)}" if self.known else "there is none at all"
        super().__init__(f"There is no {kind} {name[:64]!r}; {expected}.")


class BoundReached(GatewayError):
    """Nothing more can be taken in; the message names the bound."""
