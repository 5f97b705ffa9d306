"""What the client API is held to. The thresholds of the boards come from here.

In the demo about one request in twenty-five fails on purpose (the bugs of service 2), so the objectives are modest.
"""

from typing import Final

AVAILABILITY: Final = 0.95
"""Share of client requests that are answered with something other than a 5xx."""

LATENCY: Final = 0.95
"""Share of client requests that are answered within `LATENCY_WITHIN_S`."""

LATENCY_WITHIN_S: Final = 0.5
"""A boundary of the duration histogram, in seconds."""
