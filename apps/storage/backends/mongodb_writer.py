"""What is written to MongoDB for a group of batches, in an order that a death at any moment cannot spoil.

A server that stands alone has no transactions. So a group is noted first (`group`), then come its records, each with
the group's name, then what they add up to (`tally`), then that this is done. Where the last two are missing, the next
writer counts the group's records and adds them; a tally remembers the last group that it has, so nothing is added
twice.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Final

from bson import Binary
from pymongo import UpdateOne

from apps.storage.backends.mongodb_documents import (
    Document,
    date,
    log_document,
    origin_document,
    point_document,
    point_id,
    series_document,
    span_document,
    span_id,
    tally_id,
    text,
    window_of,
)
from apps.storage.backends.mongodb_server import Server, find_by, insert_new, put_message, update_all
from apps.storage.model import Batch, NewLog, Origin, Point, Span, Written

ABANDONED_S: Final = 180.0
"""After so long a group that is not counted has no writer any more: none works that long on one."""
REACH: Final = 16
"""Nanoseconds that are looked at for a free key, doubled until one is found."""
RANGES: Final = 200
"""Stretches of time that one such look is at."""
MAX_CACHED: Final = 65_536
KINDS: Final = ("log", "span", "point")
_KEY_ALONE: Final = {"_id": 0, "key": 1}
_TIME_OF: Final = {"log": "key", "span": "time", "point": "time"}


@dataclass(slots=True)
class _Tally:
    """What a group adds to one node."""

    first_seen: int
    last_seen: int
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, moment: int) -> None:
        self.first_seen = min(self.first_seen, moment)
        self.last_seen = max(self.last_seen, moment)
        self.counts[kind] += 1


Tallies = dict[tuple[str, str], _Tally]


class MongoWriter:
    """Writes groups of batches, one after the other; only one thread may call it.

    Args:
        server: where to.
        timeout_s: how long one group may take.
        metrics_age_s: metric points older than that are dropped, by *clock*.
        age_s: seconds that logs and spans are kept, 0 for ever.
        clock: unix nanoseconds.
        feeds: mark each new log for the search engine beside the store.
    """

    def __init__(
        self,
        server: Server,
        *,
        timeout_s: float,
        metrics_age_s: float,
        age_s: float,
        clock: Callable[[], int],
        feeds: bool,
    ) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._metrics_age_s = metrics_age_s
        self._age_s = age_s
        self._clock = clock
        self._feeds = feeds
        self._name = uuid.uuid4().hex
        self._is_prepared = False
        self._unsettled = False
        self._origins: set[bytes] = set()
        self._next_key: dict[int, int] = {}

    def commit(self, batches: Sequence[Batch]) -> list[Written]:
        """Keep all records of *batches* that are not there yet; return what became of each batch.

        Raises:
            StoreUnavailable: the server refuses, or took longer than the timeout.
        """
        self.prepare()
        with self._server.within(self._timeout_s):
            if self._unsettled:
                self._settle_group(self._own_group())
                self._unsettled = False
            return self._commit(batches)

    def prepare(self) -> None:
        """Make the indexes and count what a dead writer left, once.

        Raises:
            StoreUnavailable: the server refuses.
        """
        if self._is_prepared:
            return
        # An index on a full store may take its time.
        with self._server.within(max(self._timeout_s, 60.0)):
            self._server.prepare()
            if not self._feeds:
                self._server.durable("meta").delete_one({"_id": "feed"})
            self._settle_abandoned()
        self._is_prepared = True

    def tidy(self) -> None:
        """Drop what is too old, and count what a dead writer left.

        Raises:
            StoreUnavailable: the server refuses.
        """
        self.prepare()
        with self._server.within(max(self._timeout_s, 60.0)):
            oldest = self._clock() - int(self._metrics_age_s * 1e9)
            for name in ("point", "series"):
                self._server.plain(name).delete_many({"time": {"$lt": oldest}})
            for name in (*KINDS, "piece"):
                self._server.plain(name).delete_many({"expires": {"$lt": date(time.time())}})
            self._settle_abandoned()

    # --- one group -------------------------------------------------------------------------------------------------

    def _commit(self, batches: Sequence[Batch]) -> list[Written]:
        group = uuid.uuid4().hex
        self._note_group(group, batches)
        self._unsettled = True
        self._insert_origins(batches)
        logs, log_owner = _firsts(batches, lambda batch: batch.logs, lambda log: log.identity)
        spans, span_owner = _firsts(batches, lambda batch: batch.spans, span_id)
        points, point_owner = _firsts(batches, lambda batch: batch.points, point_id)
        new_logs = self._insert_logs(list(logs.values()), group)
        new_spans = self._insert_spans(list(spans.values()), group)
        new_points = self._insert_points(list(points.values()), group)
        stored: Counter[int] = Counter()
        stored.update(log_owner[log.identity] for log in new_logs)
        stored.update(span_owner[span_id(span)] for span in new_spans)
        stored.update(point_owner[point_id(point)] for point in new_points)
        written = [Written(stored[number], len(batch) - stored[number]) for number, batch in enumerate(batches)]
        self._add_tallies(self._name, group, _tallies(new_logs, new_spans, new_points))
        self._note_counted(group, written, batches)
        self._unsettled = False
        return written

    def _note_group(self, group: str, batches: Sequence[Batch]) -> None:
        low, high = window_of(batches)
        noted = {"group": group, "is_counted": False, "at": date(time.time()), "low": low, "high": high}
        self._server.plain("group").update_one({"_id": self._name}, {"$set": noted}, upsert=True)

    def _note_counted(self, group: str, written: Sequence[Written], batches: Sequence[Batch]) -> None:
        added = {
            "duplicates": sum(result.duplicates for result in written),
            "rejected": sum(batch.rejected for batch in batches),
        }
        self._server.plain("group").update_one(
            {"_id": self._name, "group": group}, {"$set": {"is_counted": True}, "$inc": added}
        )

    def _insert_origins(self, batches: Sequence[Batch]) -> None:
        if len(self._origins) > MAX_CACHED:
            self._origins.clear()
        new = {origin.digest: origin for origin in _origins(batches) if origin.digest not in self._origins}
        documents = []
        for origin in new.values():
            document = put_message(self._server, origin_document(origin), "resource", origin.resource)
            documents.append(put_message(self._server, document, "scope", origin.scope))
        insert_new(self._server.durable("origin"), documents)
        self._origins.update(new)

    def _insert_logs(self, logs: list[NewLog], group: str) -> list[NewLog]:
        logs.sort(key=lambda log: log.time)
        expires = self._expires(self._age_s)
        left = list(zip(logs, self._wanted_keys(logs), strict=True))
        new: list[NewLog] = []
        reach = REACH
        while left:
            documents = [self._log_document(log, key, group, expires) for log, key in left]
            refused = insert_new(self._server.durable("log"), documents)
            new += [log for number, (log, _) in enumerate(left) if number not in refused]
            collided = self._without_known([left[number] for number in sorted(refused)])
            left = self._moved_on(collided, reach)
            reach *= 2
        return new

    def _log_document(self, log: NewLog, key: int, group: str, expires: datetime | None) -> Document:
        document = _with_expiry(log_document(log, key, group), expires)
        if self._feeds:
            document["todo"] = True
        return put_message(self._server, document, "raw", log.raw, expires)

    def _wanted_keys(self, logs: Sequence[NewLog]) -> list[int]:
        """Return a key for each of *logs* (by time): its time, or the next nanosecond not taken as far as we know."""
        keys: list[int] = []
        floor = -1
        for log in logs:
            floor = max(self._next_key.get(log.time, log.time), floor + 1)
            keys.append(floor)
            if floor != log.time:
                # A clock that stands still would else be walked from its first record each time.
                self._next_key[log.time] = floor + 1
        if len(self._next_key) > MAX_CACHED:
            self._next_key.clear()
        return keys

    def _without_known(self, refused: list[tuple[NewLog, int]]) -> list[tuple[NewLog, int]]:
        """Return those of *refused* that are not in the store: it was their key that another one has."""
        if not refused:
            return []
        ids = [Binary(log.identity) for log, _ in refused]
        known = {bytes(one["_id"]) for one in find_by(self._server.durable("log"), "_id", ids, {"_id": 1})}
        return [(log, key) for log, key in refused if log.identity not in known]

    def _moved_on(self, collided: list[tuple[NewLog, int]], reach: int) -> list[tuple[NewLog, int]]:
        """Return *collided* with keys that are free, or that lie behind all that was looked at."""
        if not collided:
            return []
        taken = self._taken(merged((key, key + reach) for _, key in collided))
        moved: list[tuple[NewLog, int]] = []
        floor = -1
        for log, key in collided:
            floor = max(key, floor + 1)
            while floor in taken:
                floor += 1
            self._next_key[log.time] = floor + 1
            moved.append((log, floor))
        return moved

    def _taken(self, ranges: Sequence[tuple[int, int]]) -> set[int]:
        """Return the keys in *ranges* (the first included, the last not) that logs have."""
        taken: set[int] = set()
        for start in range(0, len(ranges), RANGES):
            asked = [{"key": {"$gte": first, "$lt": last}} for first, last in ranges[start : start + RANGES]]
            found = self._server.durable("log").find(asked[0] if len(asked) == 1 else {"$or": asked}, _KEY_ALONE)
            taken.update(int(one["key"]) for one in found)
        return taken

    def _insert_spans(self, spans: Sequence[Span], group: str) -> list[Span]:
        expires = self._expires(self._age_s)
        documents = [
            put_message(self._server, _with_expiry(span_document(span, group), expires), "raw", span.raw, expires)
            for span in spans
        ]
        refused = insert_new(self._server.durable("span"), documents)
        return [span for number, span in enumerate(spans) if number not in refused]

    def _insert_points(self, points: Sequence[Point], group: str) -> list[Point]:
        expires = self._expires(self._metrics_age_s)
        documents = [
            put_message(self._server, _with_expiry(point_document(point, group), expires), "raw", point.raw, expires)
            for point in points
        ]
        refused = insert_new(self._server.durable("point"), documents)
        self._update_series(points)
        return [point for number, point in enumerate(points) if number not in refused]

    def _update_series(self, points: Iterable[Point]) -> None:
        """Let each series have its newest point; the first one that came with its time wins."""
        newest: dict[bytes, Point] = {}
        for point in points:
            held = newest.setdefault(point.series.digest, point)
            if point.time > held.time:
                newest[point.series.digest] = point
        updates = []
        for digest, point in newest.items():
            made = series_document(point.series, time.time_ns())
            put_message(self._server, made, "head", point.series.head)
            newer = put_message(self._server, {"time": point.time}, "raw", point.raw)
            updates.append(UpdateOne({"_id": Binary(digest)}, {"$setOnInsert": made}, upsert=True))
            updates.append(UpdateOne({"_id": Binary(digest), "time": {"$lt": point.time}}, {"$set": newer}))
        update_all(self._server.durable("series"), updates)

    def _expires(self, age_s: float) -> datetime | None:
        # The server drops by its own clock, so this is no affair of ours that tests may turn.
        return date(time.time() + age_s) if age_s else None

    # --- counting --------------------------------------------------------------------------------------------------

    def _add_tallies(self, writer: str, group: str, tallies: Tallies) -> None:
        updates = []
        for (app, node), tally in tallies.items():
            number = tally_id(writer, app, node)
            made = {"app": text(app), "node": text(node), "last": ""}
            added = {
                "$min": {"first_seen": tally.first_seen},
                "$max": {"last_seen": tally.last_seen},
                "$inc": {kind: tally.counts[kind] for kind in KINDS},
                "$set": {"last": group},
            }
            updates.append(UpdateOne({"_id": number}, {"$setOnInsert": made}, upsert=True))
            updates.append(UpdateOne({"_id": number, "last": {"$ne": group}}, added))
        update_all(self._server.plain("tally"), updates)

    def _own_group(self) -> Document | None:
        return self._server.plain("group").find_one({"_id": self._name})

    def _settle_abandoned(self) -> None:
        """Count the groups whose writers died over them."""
        old = {"is_counted": False, "at": {"$lt": date(time.time() - ABANDONED_S)}}
        for noted in list(self._server.plain("group").find(old)):
            self._settle_group(noted)

    def _settle_group(self, noted: Document | None) -> None:
        """Count the records of a group that nobody is known to have counted."""
        if noted is not None and not noted.get("is_counted"):
            writer, group = str(noted["_id"]), str(noted["group"])
            self._add_tallies(writer, group, self._tallies_of(group, int(noted["low"]), int(noted["high"])))
            self._server.plain("group").update_one({"_id": writer, "group": group}, {"$set": {"is_counted": True}})

    def _tallies_of(self, group: str, low: int, high: int) -> Tallies:
        tallies: Tallies = {}
        for kind in KINDS:
            moment = _TIME_OF[kind]
            asked = {moment: {"$gte": low, "$lte": high}, "group": group}
            for found in self._server.durable(kind).find(asked, {"_id": 0, moment: 1, "app": 1, "node": 1}):
                _add(tallies, str(found["app"]), str(found["node"]), kind, int(found[moment]))
        return tallies


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return *ranges* (sorted by their beginnings) with those that touch made one."""
    found: list[tuple[int, int]] = []
    for first, last in ranges:
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _with_expiry(document: Document, expires: datetime | None) -> Document:
    if expires is not None:
        document["expires"] = expires
    return document


def _firsts(
    batches: Sequence[Batch], records_of: Callable[[Batch], Sequence[Any]], identity_of: Callable[[Any], bytes]
) -> tuple[dict[bytes, Any], dict[bytes, int]]:
    """Return the first record of each identity, and the number of the batch that brought it."""
    first: dict[bytes, Any] = {}
    owner: dict[bytes, int] = {}
    for number, batch in enumerate(batches):
        for record in records_of(batch):
            identity = identity_of(record)
            if first.setdefault(identity, record) is record:
                owner.setdefault(identity, number)
    return first, owner


def _origins(batches: Iterable[Batch]) -> Iterable[Origin]:
    return chain(
        (log.origin for batch in batches for log in batch.logs),
        (span.origin for batch in batches for span in batch.spans),
        (point.series.origin for batch in batches for point in batch.points),
    )


def _add(tallies: Tallies, app: str, node: str, kind: str, moment: int) -> None:
    tallies.setdefault((app, node), _Tally(moment, moment)).add(kind, moment)


def _tallies(logs: Iterable[NewLog], spans: Iterable[Span], points: Iterable[Point]) -> Tallies:
    tallies: Tallies = {}
    for log in logs:
        _add(tallies, log.origin.app, log.origin.node, "log", log.time)
    for span in spans:
        _add(tallies, span.origin.app, span.origin.node, "span", span.time)
    for point in points:
        _add(tallies, point.series.origin.app, point.series.origin.node, "point", point.time)
    return tallies
