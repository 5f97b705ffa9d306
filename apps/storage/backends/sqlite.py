"""The store in one SQLite file: right for one machine, and the default.

One thread writes (`sqlite_writer`), any number read on connections of their own; in WAL mode neither waits for the
other. SQLite comes with `apsw`: the system's may carry the WAL-reset bug that was fixed in 3.51.3.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

from apps.storage.backends.base import MAX_TRACE
from apps.storage.backends.sqlite_file import (
    GENERATION,
    OUTBOX,
    FileLock,
    as_store_errors,
    match_of,
    open_reader,
    open_writer,
    prepare_feed,
    run,
)
from apps.storage.backends.sqlite_writer import Writer
from apps.storage.errors import StoreUnavailable
from apps.storage.model import Batch, Log, Node, Origin, Point, Series, Span, Stats, Written
from apps.storage.query import LogQuery, MetricQuery, Order

_ORIGIN: Final = "digest, app, node, resource, resource_schema_url, scope, scope_schema_url"
MAX_CACHED: Final = 65_536
_IN_OUTBOX: Final = f"rowid BETWEEN (SELECT min(key) FROM {OUTBOX}) AND (SELECT max(key) FROM {OUTBOX})"
"""Lets FTS5 look at that part of its lists only."""


@dataclass(frozen=True, slots=True)
class SqliteOptions:
    """How SQLite is used."""

    queue_bytes: int = 64 * 1024 * 1024
    """Bytes that may wait for a commit."""
    cache_kib: int = 65_536
    """KiB of pages that the writer keeps in memory."""
    busy_ms: int = 1_000
    """How long to wait for another program that locks the file, in milliseconds."""
    checkpoint_pages: int = 4_000
    """Pages in the write-ahead log before they are moved into the file."""
    feeds: bool = False
    """Keep an outbox for a search engine beside the store."""


class SqliteStore:
    """A `Store` in the SQLite file at *path*, made if it is not there; a `Feed` too where its options say so.

    Args:
        path: the file; ``-wal``, ``-shm`` and ``.lock`` stand beside it.
        metrics_age_s: how long metric points are kept, by *clock*.
        options: how SQLite is used.
        clock: unix nanoseconds.

    Raises:
        StoreInUse: another process has it open.
        StoreUnavailable: it cannot be read or made there, or is no store.
    """

    name: Final = "sqlite"

    def __init__(
        self,
        path: Path,
        *,
        metrics_age_s: float = 7200.0,
        options: SqliteOptions | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._path = path
        self._options = options or SqliteOptions()
        self._age_ns = int(metrics_age_s * 1e9)
        self._clock = clock
        self._idle: list[apsw.Connection] = []
        self._guard = threading.Lock()
        self._origins: dict[int, Origin] = {}
        self._is_closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path)
        except OSError as error:
            raise StoreUnavailable(f"{path}: {error.strerror}") from error
        try:
            connection = open_writer(
                path,
                cache_kib=self._options.cache_kib,
                busy_ms=self._options.busy_ms,
                checkpoint_pages=self._options.checkpoint_pages,
            )
            prepare_feed(connection, self._options.feeds)
        except BaseException:
            self._lock.release()
            raise
        self._writer = Writer(
            connection,
            queue_bytes=self._options.queue_bytes,
            metrics_age_s=metrics_age_s,
            clock=clock,
            feeds=self._options.feeds,
        )

    def write(self, batch: Batch, *, timeout_s: float) -> Written:
        """See `Store.write`."""
        return self._writer.write(batch, timeout_s)

    def logs(self, query: LogQuery) -> list[Log]:
        """See `Store.logs`."""
        first, last = query.bounds()
        if first > last:
            return []
        direction = "DESC" if query.order is Order.NEWEST_FIRST else "ASC"
        match = match_of(query)
        if match:
            sql = (
                "SELECT log.key, log.origin, log.raw FROM log_token CROSS JOIN log ON log.key = log_token.rowid"
                " WHERE log_token MATCH ? AND log_token.rowid BETWEEN ? AND ?"
                f" ORDER BY log_token.rowid {direction} LIMIT ?"
            )
            return self._logs(sql, (match, first, last, query.limit))
        sql = f"SELECT key, origin, raw FROM log WHERE key BETWEEN ? AND ? ORDER BY key {direction} LIMIT ?"
        return self._logs(sql, (first, last, query.limit))

    def _logs(self, sql: str, bindings: Sequence[Any]) -> list[Log]:
        with self._reader() as reader:
            rows = run(reader, sql, bindings)
            origins = self._origins_of(reader, {row[1] for row in rows})
        return [Log(key, origins[origin], raw) for key, origin, raw in rows]

    def spans(self, trace_id: bytes) -> list[Span]:
        """See `Store.spans`."""
        sql = "SELECT trace_id, span_id, time, origin, raw FROM span WHERE trace_id = ? ORDER BY time, span_id LIMIT ?"
        with self._reader() as reader:
            rows = run(reader, sql, (trace_id, MAX_TRACE))
            origins = self._origins_of(reader, {row[3] for row in rows})
        return [Span(trace, span, moment, origins[origin], raw) for trace, span, moment, origin, raw in rows]

    def latest_points(self, query: MetricQuery) -> list[Point]:
        """See `Store.latest_points`."""
        conditions, bindings = _one_of(
            {"series.name": query.names, "origin.app": query.apps, "origin.node": query.nodes}
        )
        sql = (
            "SELECT series.digest, series.origin, series.name, series.head, point.time, point.raw"
            " FROM series JOIN origin ON origin.id = series.origin JOIN point ON point.series = series.id"
            " AND point.time = (SELECT max(newest.time) FROM point AS newest WHERE newest.series = series.id)"
            f" WHERE point.time >= ? {conditions} ORDER BY series.name, origin.app, origin.node, series.id"
        )
        with self._reader() as reader:
            rows = run(reader, sql, (self._clock() - self._age_ns, *bindings))
            origins = self._origins_of(reader, {row[1] for row in rows})
        return [
            Point(Series(digest, origins[origin], name, head), moment, raw)
            for digest, origin, name, head, moment, raw in rows
        ]

    def nodes(self) -> list[Node]:
        """See `Store.nodes`."""
        sql = "SELECT node, app, first_seen, last_seen, logs, spans, points FROM node ORDER BY app, node"
        with self._reader() as reader:
            return [Node(*row) for row in run(reader, sql)]

    def stats(self) -> Stats:
        """See `Store.stats`."""
        with self._reader() as reader, reader:
            counters = dict(run(reader, "SELECT name, value FROM counter"))
            totals = run(reader, "SELECT total(logs), total(spans), total(points) FROM node")[0]
        logs, spans, points = map(int, totals)
        return Stats(
            logs, spans, points, *(counters.get(name, 0) for name in ("points_held", "duplicates", "rejected"))
        )

    def check(self) -> str | None:
        """See `Store.check`."""
        return self._writer.failure()

    def purge(self) -> None:
        """Drop metric points that are too old now; the writer does so by itself every minute.

        Raises:
            StoreUnavailable: the medium refuses.
        """
        self._writer.purge()

    def pending_bytes(self) -> int:
        """Return how much is not committed yet."""
        return self._writer.pending_bytes()

    def generation(self) -> str:
        """See `Feed.generation`."""
        with self._reader() as reader:
            return next((str(name) for (name,) in run(reader, f"SELECT name FROM {GENERATION}")), "")

    def begin_feed(self, generation: str, *, timeout_s: float) -> None:
        """See `Feed.begin_feed`."""
        self._writer.execute(
            (f"DELETE FROM {GENERATION}", [()]),
            (f"INSERT OR IGNORE INTO {OUTBOX} (key) SELECT key FROM log", [()]),
            (f"INSERT INTO {GENERATION} (name) VALUES (?)", [(generation,)]),
            timeout_s=timeout_s,
        )

    def pending(self, at_most: int) -> int:
        """See `Feed.pending`."""
        with self._reader() as reader:
            return int(run(reader, f"SELECT count(*) FROM (SELECT 1 FROM {OUTBOX} LIMIT ?)", (at_most,))[0][0])

    def next_pending(self, limit: int) -> list[Log]:
        """See `Feed.next_pending`."""
        return self._logs(
            f"SELECT log.key, log.origin, log.raw FROM {OUTBOX} JOIN log USING (key) ORDER BY key LIMIT ?", (limit,)
        )

    def settle(self, keys: Sequence[int], *, timeout_s: float) -> None:
        """See `Feed.settle`."""
        self._writer.execute((f"DELETE FROM {OUTBOX} WHERE key = ?", [(key,) for key in keys]), timeout_s=timeout_s)

    def pending_logs(self, query: LogQuery) -> list[Log]:
        """See `Feed.pending_logs`."""
        first, last = query.bounds()
        if first > last:
            return []
        direction = "DESC" if query.order is Order.NEWEST_FIRST else "ASC"
        match = match_of(query)
        found = f"AND key IN (SELECT rowid FROM log_token WHERE log_token MATCH ? AND {_IN_OUTBOX})" if match else ""
        sql = (
            f"SELECT log.key, log.origin, log.raw FROM {OUTBOX} JOIN log USING (key)"
            f" WHERE key BETWEEN ? AND ? {found} ORDER BY key {direction} LIMIT ?"
        )
        return self._logs(sql, (first, last, *([match] if match else []), query.limit))

    def logs_of(self, keys: Sequence[int]) -> list[Log]:
        """See `Feed.logs_of`."""
        marks = ",".join("?" * len(keys))
        return self._logs(f"SELECT key, origin, raw FROM log WHERE key IN ({marks}) ORDER BY key", keys)

    def close(self) -> None:
        """See `Store.close`."""
        with self._guard:
            if self._is_closed:
                return
            self._is_closed = True
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.close()
        self._writer.close()
        self._lock.release()

    @contextmanager
    def _reader(self) -> Iterator[apsw.Connection]:
        """Lend a connection that reads; whatever goes wrong with it is a `StoreUnavailable`."""
        with as_store_errors():
            with self._guard:
                if self._is_closed:
                    raise StoreUnavailable("the store is closed")
                reader = self._idle.pop() if self._idle else None
            if reader is None:
                reader = open_reader(self._path, busy_ms=self._options.busy_ms)
            try:
                yield reader
            except BaseException:
                reader.close()
                raise
            self._give_back(reader)

    def _give_back(self, reader: apsw.Connection) -> None:
        with self._guard:
            if not self._is_closed:
                self._idle.append(reader)
                return
        reader.close()

    def _origins_of(self, reader: apsw.Connection, ids: set[int]) -> dict[int, Origin]:
        """Return the origins with these *ids*. They never change, so they are remembered."""
        if len(self._origins) > MAX_CACHED:
            self._origins = {}
        known = self._origins
        for number in ids - known.keys():
            known[number] = Origin(*run(reader, f"SELECT {_ORIGIN} FROM origin WHERE id = ?", (number,))[0])
        return {number: known[number] for number in ids}


def _one_of(columns: dict[str, Sequence[str]]) -> tuple[str, list[str]]:
    """Return the SQL that asks each column to hold one of its values (any, if none is given), and the bindings."""
    asked = {column: values for column, values in columns.items() if values}
    conditions = "".join(f" AND {column} IN ({','.join('?' * len(values))})" for column, values in asked.items())
    return conditions, [value for values in asked.values() for value in values]
