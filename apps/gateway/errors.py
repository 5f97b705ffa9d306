"""What can go wrong in the gateway.

::

    GatewayError
    └── RingError       a member that is in the ring already, or is not
"""


class GatewayError(Exception):
    """Base of the gateway's own errors."""


class RingError(GatewayError):
    """A member cannot be inserted twice, nor unlinked when it is not there."""
