"""Questions to Prometheus, as the boards ask them. Names of labels are those of docs/reference/telemetry.md.

Rates are over `$__rate_interval`, totals over `$__range`: both are Grafana's.
"""

from typing import Final

DURATION: Final = "http_server_request_duration_seconds"
CLIENT_API: Final = 'job="carousel/gateway",http_route="/api/<entity>"'
"""The label matchers of requests that clients sent."""
FAILED: Final = 'http_response_status_code=~"5.."'
RATE: Final = "$__rate_interval"
RANGE: Final = "$__range"


def rate(metric: str, matchers: str = "", by: str = "", window: str = RATE) -> str:
    """Return how fast *metric* grows per second, summed *by* labels."""
    return f"sum {_by(by)}(rate({metric}{{{matchers}}}[{window}]))"


def growth(metric: str, matchers: str = "", by: str = "") -> str:
    """Return by how much *metric* grew in the time that is shown, summed *by* labels."""
    return f"sum {_by(by)}(increase({metric}{{{matchers}}}[{RANGE}]))"


def or_none(expression: str) -> str:
    """Return *expression*, 0 where it has no series: a counter of something that never happened."""
    return f"({expression} or vector(0))"


def requests(matchers: str, by: str = "", window: str = RATE) -> str:
    """Return requests per second."""
    return rate(f"{DURATION}_count", matchers, by, window)


def failed_share(matchers: str, by: str = "", window: str = RATE) -> str:
    """Return the share of requests that were answered with a 5xx, from 0 to 1; 0 where none was."""
    every = requests(matchers, by, window)
    failed = requests(f"{matchers},{FAILED}", by, window)
    # Without a failed request the numerator has no series at all; without any request the answer is none, not NaN.
    return f"({failed} or 0 * {every}) / ({every} > 0)"


def quantile(q: float, matchers: str, by: str = "", window: str = RATE) -> str:
    """Return the *q* quantile of the time to answer, in seconds; none without requests."""
    labels = f"{by}, le" if by else "le"
    # Of no requests it would be NaN, which is not at least 0.
    return f"histogram_quantile({q:g}, {rate(f'{DURATION}_bucket', matchers, labels, window)}) >= 0"


def within(seconds: float, matchers: str, window: str = RATE) -> str:
    """Return the share of requests answered within *seconds*, a boundary of the histogram; none without requests."""
    in_time = rate(f"{DURATION}_bucket", f'{matchers},le="{seconds:g}"', window=window)
    return f"{in_time} / ({requests(matchers, window=window)} > 0)"


def budget_left(share: str, objective: float) -> str:
    """Return how much of *objective*'s error budget the good *share* leaves: 1 all of it, below 0 overspent."""
    return f"1 - (1 - ({share})) / {1 - objective:g}"


def status_class(expression: str) -> str:
    """Return *expression*, which has the status as a label, summed by the class of the status: 2xx, 4xx, 5xx."""
    told = f'label_replace({expression}, "class", "${{1}}xx", "http_response_status_code", "(.).*")'
    return f"sum by (class) ({told})"


def _by(labels: str) -> str:
    return f"by ({labels}) " if labels else ""
