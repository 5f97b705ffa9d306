"""Log records as they come, by asking storage again and again for what is newer.

Records come out of order, as each node ships its own. So each question reaches back a few seconds behind the newest
record, and what was shown already is known by its uid. What comes later than that is not shown; `carousel logs`
finds it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from apps.cli.quantities import parse_time
from apps.cli.shape import text

REACH_BACK_S: Final = 3.0
MOST_REMEMBERED: Final = 50_000
"""Uids that are remembered, more than a stack at its limit writes in the time that is reached back."""
MOST_A_QUESTION: Final = 20_000
"""Records that one question gives at most; more than that nobody reads as they come."""

Record = dict[str, Any]


class Tail:
    """Gives what is new. *search* returns records from a time on, oldest first; no time means the newest there are."""

    def __init__(self, search: Callable[[str | None], Iterator[Record]]) -> None:
        self._search = search
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._newest: datetime | None = None
        self._oldest: datetime | None = None
        self.skipped = 0

    def new(self) -> Iterator[Record]:
        """Yield what was not given yet; *skipped* counts up when there was more than one question gives."""
        after = None
        if self._newest is not None:
            after = (self._newest - timedelta(seconds=REACH_BACK_S)).isoformat().replace("+00:00", "Z")
        for n, record in enumerate(self._search(after)):
            if n >= MOST_A_QUESTION:
                self.skipped += 1
                return
            if self._is_new(record, is_first=after is None):
                yield record

    def _is_new(self, record: Record, *, is_first: bool) -> bool:
        at = parse_time(text(record, "time"))
        if at is not None:
            if is_first:
                self._oldest = min(self._oldest or at, at)
            elif self._oldest is not None and at < self._oldest:
                return False  # the first question left it out
            self._newest = max(self._newest or at, at)
        return self._is_unseen(text(record, "uid"))

    def _is_unseen(self, uid: str) -> bool:
        """Tell whether *uid* is met for the first time, and remember it; a record without one always is."""
        if not uid:
            return True
        if uid in self._seen:
            return False
        self._seen[uid] = None
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return True
