"""What the feeding of the search engine tells about itself, as metrics."""

from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from apps.storage.search.feeder import Lag
from apps.telemetry import names


class SearchCounts:
    """Counts what the search engine gets, by instruments of *meter*."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._fed = meter.create_counter(
            names.METRIC_SEARCH_FED, "{record}", "Logs that the search engine beside the store has committed"
        )
        self._failures = meter.create_counter(
            names.METRIC_SEARCH_FAILURES, "{attempt}", "Attempts to feed the search engine that failed"
        )
        self._fed.add(0)
        self._failures.add(0)

    def fed(self, count: int) -> None:
        """Note that *count* logs are committed there."""
        self._fed.add(count)

    def failed(self) -> None:
        """Note that an attempt failed."""
        self._failures.add(1)

    def watch(self, lag: Callable[[], Lag | None]) -> None:
        """Show what *lag* returns whenever metrics are collected; nothing where it returns None."""

        def pending(_: CallbackOptions) -> Iterable[Observation]:
            found = lag()
            return [] if found is None else [Observation(found.pending)]

        def seconds(_: CallbackOptions) -> Iterable[Observation]:
            found = lag()
            return [] if found is None else [Observation(found.seconds)]

        self._meter.create_observable_gauge(
            names.METRIC_SEARCH_PENDING, [pending], "{record}", "Logs that the search engine has not committed yet"
        )
        self._meter.create_observable_gauge(
            names.METRIC_SEARCH_LAG, [seconds], "s", "How long there have been such logs without a break"
        )
