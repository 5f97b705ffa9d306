"""The store in MongoDB, replicated or not: takes over where one machine ends. ADR-0010 says how it keeps its promises.

Writes go through one thread a process (`committer`), reads are made where they are asked for. Several storage nodes may
share a database. The server may be away when the store is opened: then it says so, and goes on when it is there.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from bson import Binary

from apps.storage.backends.base import MAX_TRACE
from apps.storage.backends.committer import Committer
from apps.storage.backends.mongodb_documents import Document, direction_of, filter_of, series_filter
from apps.storage.backends.mongodb_server import Server, find_by, get_message
from apps.storage.backends.mongodb_writer import KINDS, MongoWriter
from apps.storage.errors import StoreUnavailable
from apps.storage.model import Batch, Log, Node, Origin, Point, Series, Span, Stats, Written
from apps.storage.query import LogQuery, MetricQuery

MAX_CACHED: Final = 65_536
STEP: Final = 5_000
"""Logs that one step of `begin_feed` marks."""
_SHOWN: Final = {"_id": 0, "key": 1, "origin": 1, "raw": 1}


@dataclass(frozen=True, slots=True)
class MongoOptions:
    """How MongoDB is used."""

    queue_bytes: int = 64 * 1024 * 1024
    """Bytes that may wait for a commit."""
    write_timeout_s: float = 8.0
    """Seconds that the commit of one group of batches may take."""
    read_timeout_s: float = 10.0
    """Seconds that one search may take."""
    age_s: float = 0.0
    """Seconds that logs and spans are kept after they came, 0 for ever."""
    feeds: bool = False
    """Keep an outbox for a search engine beside the store."""


class MongoStore:
    """A `Store` and a `Feed` in the MongoDB database at *url*.

    Args:
        url: ``mongodb://[user:password@]host[:port][,host…]/database[?options]``.
        metrics_age_s: how long metric points are kept, by *clock*.
        options: how MongoDB is used.
        clock: unix nanoseconds.
    """

    name: Final = "mongodb"

    def __init__(
        self,
        url: str,
        *,
        metrics_age_s: float = 7200.0,
        options: MongoOptions | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._options = options or MongoOptions()
        self._age_ns = int(metrics_age_s * 1e9)
        self._clock = clock
        self._server = Server(url)
        self._origins: dict[bytes, Origin] = {}
        self._is_closed = False
        self._writer = MongoWriter(
            self._server,
            timeout_s=self._options.write_timeout_s,
            metrics_age_s=metrics_age_s,
            age_s=self._options.age_s,
            clock=clock,
            feeds=self._options.feeds,
        )
        self._committer = Committer(
            self._writer.commit,
            queue_bytes=self._options.queue_bytes,
            tidy=self._writer.tidy,
            finish=self._server.close,
        )

    def write(self, batch: Batch, *, timeout_s: float) -> Written:
        """See `Store.write`."""
        return self._committer.write(batch, timeout_s)

    def logs(self, query: LogQuery) -> list[Log]:
        """See `Store.logs`."""
        return self._matching(query, {})

    def _matching(self, query: LogQuery, more: Document) -> list[Log]:
        asked = filter_of(query)
        with self._reading():
            if asked is None:
                return []
            found = self._server.durable("log").find(asked | more, _SHOWN)
            return self._logs(found.sort("key", direction_of(query)).limit(query.limit))

    def _logs(self, documents: Iterable[Document]) -> list[Log]:
        found = list(documents)
        origins = self._origins_of(bytes(one["origin"]) for one in found)
        return [Log(int(one["key"]), origins[bytes(one["origin"])], self._message(one["raw"])) for one in found]

    def spans(self, trace_id: bytes) -> list[Span]:
        """See `Store.spans`."""
        with self._reading():
            cursor = self._server.durable("span").find({"trace": Binary(trace_id)})
            found = list(cursor.sort([("time", 1), ("_id", 1)]).limit(MAX_TRACE))
            origins = self._origins_of(bytes(one["origin"]) for one in found)
            return [
                Span(
                    bytes(one["trace"]),
                    bytes(one["span"]),
                    int(one["time"]),
                    origins[bytes(one["origin"])],
                    self._message(one["raw"]),
                )
                for one in found
            ]

    def latest_points(self, query: MetricQuery) -> list[Point]:
        """See `Store.latest_points`."""
        order = [("name", 1), ("app", 1), ("node", 1), ("born", 1), ("_id", 1)]
        with self._reading():
            asked = series_filter(query, self._clock() - self._age_ns)
            found = list(self._server.durable("series").find(asked).sort(order))
            origins = self._origins_of(bytes(one["origin"]) for one in found)
            return [self._point(one, origins[bytes(one["origin"])]) for one in found]

    def _point(self, found: Document, origin: Origin) -> Point:
        series = Series(bytes(found["_id"]), origin, str(found["name"]), self._message(found["head"]))
        return Point(series, int(found["time"]), self._message(found["raw"]))

    def nodes(self) -> list[Node]:
        """See `Store.nodes`."""
        with self._reading():
            tallies = list(self._server.durable("tally").find({"last": {"$ne": ""}}))
        nodes: dict[tuple[str, str], Node] = {}
        for tally in tallies:
            one = Node(tally["node"], tally["app"], tally["first_seen"], tally["last_seen"], *_counts(tally))
            known = nodes.get((one.app, one.node))
            nodes[one.app, one.node] = one if known is None else _together(known, one)
        return [nodes[name] for name in sorted(nodes)]

    def stats(self) -> Stats:
        """See `Store.stats`."""
        with self._reading():
            counts = [_counts(tally) for tally in self._server.durable("tally").find({}, dict.fromkeys(KINDS, 1))]
            groups = list(self._server.durable("group").find({}, {"duplicates": 1, "rejected": 1}))
            held = self._server.durable("point").estimated_document_count()
        logs, spans, points = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
        duplicates, rejected = (sum(int(one.get(name, 0)) for one in groups) for name in ("duplicates", "rejected"))
        return Stats(logs, spans, points, held, duplicates, rejected)

    def check(self) -> str | None:
        """See `Store.check`."""
        if self._is_closed:
            return "the store is closed"
        return self._server.failure() or self._committer.failure()

    def purge(self) -> None:
        """Drop what is too old now; the writer does so by itself every minute.

        Raises:
            StoreUnavailable: the server refuses.
        """
        self._committer.run(self._writer.tidy, 60.0)

    def generation(self) -> str:
        """See `Feed.generation`."""
        with self._reading():
            known = self._server.durable("meta").find_one({"_id": "feed"}) or {}
            return str(known.get("generation", ""))

    def begin_feed(self, generation: str, *, timeout_s: float) -> None:
        """See `Feed.begin_feed`."""
        last: int | None = -1
        while last is not None:
            with self._reading():
                last = self._mark_some(last)
        with self._reading():
            marked = {"$set": {"generation": generation}}
            self._server.durable("meta").update_one({"_id": "feed"}, marked, upsert=True)

    def _mark_some(self, after: int) -> int | None:
        """Make some logs behind the key *after* pending; return the key of the last one, None if there are no more."""
        logs = self._server.durable("log")
        keys = [int(one["key"]) for one in logs.find({"key": {"$gt": after}}, {"key": 1}).sort("key", 1).limit(STEP)]
        if not keys:
            return None
        logs.update_many({"key": {"$gt": after, "$lte": keys[-1]}}, {"$set": {"todo": True}})
        return keys[-1]

    def pending(self, at_most: int) -> int:
        """See `Feed.pending`."""
        with self._reading():
            return self._server.durable("log").count_documents({"todo": True}, limit=at_most)

    def next_pending(self, limit: int) -> list[Log]:
        """See `Feed.next_pending`."""
        with self._reading():
            return self._logs(self._server.durable("log").find({"todo": True}, _SHOWN).limit(limit))

    def settle(self, keys: Sequence[int], *, timeout_s: float) -> None:
        """See `Feed.settle`."""
        with self._reading():
            # Not durable: what is forgotten is handed over once more, which does no harm.
            self._server.plain("log").update_many({"key": {"$in": list(keys)}}, {"$unset": {"todo": 1}})

    def pending_logs(self, query: LogQuery) -> list[Log]:
        """See `Feed.pending_logs`."""
        return self._matching(query, {"todo": True})

    def logs_of(self, keys: Sequence[int]) -> list[Log]:
        """See `Feed.logs_of`."""
        with self._reading():
            found = self._logs(self._server.durable("log").find({"key": {"$in": list(keys)}}, _SHOWN))
        return sorted(found, key=lambda log: log.key)

    def close(self) -> None:
        """See `Store.close`."""
        self._is_closed = True
        self._committer.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        with self._server.within(self._options.read_timeout_s):
            yield

    def _message(self, held: Any) -> bytes:
        return get_message(self._server, held)

    def _origins_of(self, digests: Iterable[bytes]) -> dict[bytes, Origin]:
        """Return the origins with these *digests*. They never change, so they are remembered."""
        if len(self._origins) > MAX_CACHED:
            self._origins = {}
        known, wanted = self._origins, set(digests)
        missing = [Binary(digest) for digest in wanted - known.keys()]
        for one in find_by(self._server.durable("origin"), "_id", missing, {}):
            known[bytes(one["_id"])] = Origin(
                bytes(one["_id"]),
                one["app"],
                one["node"],
                self._message(one["resource"]),
                one["resource_schema_url"],
                self._message(one["scope"]),
                one["scope_schema_url"],
            )
        if lost := wanted - known.keys():
            raise StoreUnavailable(f"MongoDB: {len(lost)} resources that records refer to are missing")
        return {digest: known[digest] for digest in wanted}


def _counts(tally: Document) -> tuple[int, ...]:
    return tuple(int(tally.get(kind, 0)) for kind in KINDS)


def _together(one: Node, other: Node) -> Node:
    return Node(
        one.node,
        one.app,
        min(one.first_seen, other.first_seen),
        max(one.last_seen, other.last_seen),
        one.logs + other.logs,
        one.spans + other.spans,
        one.points + other.points,
    )
