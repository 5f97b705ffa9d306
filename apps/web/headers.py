"""Header fields of ours that travel between the hops."""

from typing import Final

TRACE_ID: Final = "X-Trace-Id"
SERVED_BY: Final = "X-Served-By"
DEADLINE_MS: Final = "X-Carousel-Deadline-Ms"
FAULT: Final = "X-Carousel-Fault"
ERROR_NODE: Final = "X-Carousel-Error-Node"
"""Names whose fault a 5xx is: a node, or a service none of whose nodes could be asked."""
NODE: Final = "X-Carousel-Node"
"""The node that answered."""
