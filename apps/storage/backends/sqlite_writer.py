"""What is written to the SQLite file, in one transaction a group of batches."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Final

import apsw

from apps.storage.backends.committer import Committer
from apps.storage.backends.sqlite_file import OUTBOX, insert_all, present, run, tokens_of
from apps.storage.errors import StoreUnavailable
from apps.storage.model import Batch, NewLog, Origin, Point, Series, Span, Written

_log = logging.getLogger(__name__)

MAX_CACHED: Final = 65_536


class Writer:
    """Commits batches in a thread of its own, which owns *connection* from here on.

    Args:
        connection: the only one that writes to the file.
        queue_bytes: how much may wait; more raises `StoreBusy`.
        metrics_age_s: metric points older than that are dropped.
        clock: unix nanoseconds.
        feeds: note the key of each new log in the outbox, for a search engine beside the store.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        *,
        queue_bytes: int,
        metrics_age_s: float,
        clock: Callable[[], int] = time.time_ns,
        feeds: bool = False,
    ) -> None:
        self._connection = connection
        self._tables = _Tables(connection, feeds)
        self._age_ns = int(metrics_age_s * 1e9)
        self._clock = clock
        self._committer = Committer(
            lambda batches: self._transaction(lambda: self._tables.insert(batches)),
            queue_bytes=queue_bytes,
            tidy=self._purge,
            finish=self._let_go,
        )

    def write(self, batch: Batch, timeout_s: float) -> Written:
        """Hand *batch* over and wait for its commit. See `Store.write`."""
        return self._committer.write(batch, timeout_s)

    def failure(self) -> str | None:
        """Return why commits fail at the moment, None if they do not."""
        return self._committer.failure()

    def pending_bytes(self) -> int:
        """Return how much is not committed yet."""
        return self._committer.pending_bytes()

    def purge(self) -> None:
        """Drop old metric points now, behind what waits already.

        Raises:
            StoreError: it could not be done.
        """
        self._committer.run(self._purge)

    def execute(self, *statements: tuple[str, Sequence[tuple[Any, ...]]], timeout_s: float) -> None:
        """Run each statement for each of its bindings, all in one transaction.

        Raises:
            StoreError: it could not be done.
        """

        def work() -> list[Written]:
            for sql, rows in statements:
                self._connection.executemany(sql, rows)
            return []

        self._committer.run(lambda: self._transaction(work), timeout_s)

    def close(self) -> None:
        """Commit what waits, then let go of the file. A second call does nothing."""
        self._committer.close()

    def _let_go(self) -> None:
        try:
            run(self._connection, "PRAGMA wal_checkpoint(TRUNCATE)")
        except apsw.Error as error:
            _log.warning("last checkpoint failed", extra={"fields": {"error": str(error)}})
        finally:
            self._connection.close()

    def _transaction(self, work: Callable[[], list[Written]]) -> list[Written]:
        try:
            run(self._connection, "BEGIN IMMEDIATE")
            results = work()
            run(self._connection, "COMMIT")
            return results
        except Exception as error:
            self._tables.forget()
            if self._connection.in_transaction:
                run(self._connection, "ROLLBACK")
            raise StoreUnavailable(f"{type(error).__name__.removesuffix('Error')}: {error}") from error

    def _purge(self) -> None:
        self._transaction(lambda: self._tables.drop_points(self._clock() - self._age_ns))


class _Tables:
    """Puts records into the tables. Every method runs inside a transaction of the caller's."""

    def __init__(self, connection: apsw.Connection, feeds: bool) -> None:
        self._connection = connection
        self._feeds = feeds
        self._origins: dict[bytes, int] = {}
        self._series: dict[bytes, int] = {}
        self._next_key: dict[int, int] = {}

    def forget(self) -> None:
        """Drop what was remembered of a transaction that did not happen."""
        self._origins.clear()
        self._series.clear()
        self._next_key.clear()

    def insert(self, batches: Sequence[Batch]) -> list[Written]:
        """Insert all records of *batches* that are not there yet; return what became of each batch."""
        if len(self._origins) > MAX_CACHED or len(self._series) > MAX_CACHED:
            self.forget()
        logs = self._new(batches, lambda batch: batch.logs, _identity, self._new_identities)
        spans = self._new(batches, lambda batch: batch.spans, _span_id, self._insert_spans)
        points = self._new(batches, lambda batch: batch.points, self._point_id, self._insert_points)
        self._insert_logs([log for found in logs for log in found])
        self._count_nodes(chain(*logs), chain(*spans), chain(*points))
        stored = [len(logs[n]) + len(spans[n]) + len(points[n]) for n in range(len(batches))]
        written = [Written(count, len(batch) - count) for count, batch in zip(stored, batches, strict=True)]
        self._add("duplicates", sum(result.duplicates for result in written))
        self._add("rejected", sum(batch.rejected for batch in batches))
        self._add("points_held", sum(map(len, points)))
        return written

    def drop_points(self, oldest: int) -> list[Written]:
        """Drop metric points before *oldest*, and series that have none left."""
        dropped = 0
        for (series,) in run(self._connection, "SELECT id FROM series"):
            run(self._connection, "DELETE FROM point WHERE series = ? AND time < ?", (series, oldest))
            dropped += self._connection.changes()
        if dropped:
            run(
                self._connection,
                "DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM point WHERE point.series = series.id)",
            )
            self._series.clear()
            self._add("points_held", -dropped)
        return []

    def _new(
        self,
        batches: Sequence[Batch],
        records_of: Callable[[Batch], Sequence[Any]],
        identity_of: Callable[[Any], Any],
        put: Callable[[dict[Any, Any]], set[Any]],
    ) -> list[list[Any]]:
        """Return, batch by batch, the records that are new. *put* is given the first of each identity."""
        first: dict[Any, Any] = {}
        owner: dict[Any, int] = {}
        for number, batch in enumerate(batches):
            for record in records_of(batch):
                identity = identity_of(record)
                if first.setdefault(identity, record) is record:
                    owner.setdefault(identity, number)
        new = put(first) if first else set()
        found: list[list[Any]] = [[] for _ in batches]
        for identity, record in first.items():
            if identity in new:
                found[owner[identity]].append(record)
        return found

    def _new_identities(self, logs: dict[bytes, NewLog]) -> set[bytes]:
        rows = [(identity,) for identity in sorted(logs)]
        there = present(self._connection, "log_identity", ("identity",), rows)
        new = [row for row in rows if row not in there] if there else rows
        insert_all(self._connection, "log_identity (identity)", new)
        return {row[0] for row in new}

    def _insert_logs(self, logs: list[NewLog]) -> None:
        if not logs:
            return
        # In the order of keys: FTS5 flushes its buffer whenever a rowid is not greater than the one before.
        logs.sort(key=lambda log: log.time)
        keys = self._free_keys([log.time for log in logs])
        origins = [self._origin(log.origin) for log in logs]
        rows = [(key, origin, log.raw) for key, origin, log in zip(keys, origins, logs, strict=True)]
        insert_all(self._connection, "log (key, origin, raw)", rows)
        tokens = [(key, tokens_of(log)) for key, log in zip(keys, logs, strict=True)]
        insert_all(self._connection, "log_token (rowid, token)", tokens)
        if self._feeds:
            insert_all(self._connection, f"{OUTBOX} (key)", [(key,) for key in keys])

    def _free_keys(self, times: Sequence[int]) -> list[int]:
        """Return one free key for each of *times* (ascending): the time itself, or the next nanosecond not taken."""
        wanted: list[int] = []
        floor = -1
        for moment in times:
            floor = max(self._next_key.get(moment, moment), floor + 1)
            wanted.append(floor)
        taken = self._taken(wanted)
        if not taken and wanted == list(times):
            return wanted
        known = set(wanted)
        keys: list[int] = []
        floor = -1
        for moment, wish in zip(times, wanted, strict=True):
            floor = max(wish, floor + 1)
            while floor in taken or (floor not in known and self._taken([floor])):
                floor += 1
            keys.append(floor)
            if floor != moment:
                # A clock that stands still would else be walked from its first record each time.
                self._next_key[moment] = floor + 1
        if len(self._next_key) > MAX_CACHED:
            self._next_key.clear()
        return keys

    def _taken(self, keys: Sequence[int]) -> set[int]:
        return {row[0] for row in present(self._connection, "log", ("key",), [(key,) for key in keys])}

    def _insert_spans(self, spans: dict[tuple[bytes, bytes], Span]) -> set[tuple[Any, ...]]:
        new = spans.keys() - present(self._connection, "span", ("trace_id", "span_id"), sorted(spans))
        rows = [
            (*identity, spans[identity].time, self._origin(spans[identity].origin), spans[identity].raw)
            for identity in sorted(new)
        ]
        insert_all(self._connection, "span (trace_id, span_id, time, origin, raw)", rows)
        return new

    def _point_id(self, point: Point) -> tuple[int, int]:
        return self._series_id(point.series), point.time

    def _insert_points(self, points: dict[tuple[int, int], Point]) -> set[tuple[Any, ...]]:
        new = points.keys() - present(self._connection, "point", ("series", "time"), sorted(points))
        rows = [(*identity, points[identity].raw) for identity in sorted(new)]
        insert_all(self._connection, "point (series, time, raw)", rows)
        return new

    def _origin(self, origin: Origin) -> int:
        known = self._origins.get(origin.digest)
        if known is None:
            row = (
                origin.digest, origin.app, origin.node, origin.resource, origin.resource_schema_url,
                origin.scope, origin.scope_schema_url,
            )  # fmt: skip
            insert_all(
                self._connection,
                "origin (digest, app, node, resource, resource_schema_url, scope, scope_schema_url)",
                [row],
                "ON CONFLICT DO NOTHING",
            )
            known = self._origins[origin.digest] = self._id("origin", origin.digest)
        return known

    def _series_id(self, series: Series) -> int:
        known = self._series.get(series.digest)
        if known is None:
            row = (series.digest, self._origin(series.origin), series.name, series.head)
            insert_all(self._connection, "series (digest, origin, name, head)", [row], "ON CONFLICT DO NOTHING")
            known = self._series[series.digest] = self._id("series", series.digest)
        return known

    def _id(self, table: str, digest: bytes) -> int:
        return int(run(self._connection, f"SELECT id FROM {table} WHERE digest = ?", (digest,))[0][0])

    def _count_nodes(self, logs: Iterable[NewLog], spans: Iterable[Span], points: Iterable[Point]) -> None:
        seen: dict[tuple[str, str], list[int]] = {}
        marked = chain(
            ((log.origin, log.time, 2) for log in logs),
            ((span.origin, span.time, 3) for span in spans),
            ((point.series.origin, point.time, 4) for point in points),
        )
        for origin, moment, column in marked:
            node = seen.setdefault((origin.app, origin.node), [moment, moment, 0, 0, 0])
            node[0] = min(node[0], moment)
            node[1] = max(node[1], moment)
            node[column] += 1
        insert_all(
            self._connection,
            "node (app, node, first_seen, last_seen, logs, spans, points)",
            [(*name, *counts) for name, counts in seen.items()],
            "ON CONFLICT DO UPDATE SET first_seen = min(first_seen, excluded.first_seen),"
            " last_seen = max(last_seen, excluded.last_seen), logs = logs + excluded.logs,"
            " spans = spans + excluded.spans, points = points + excluded.points",
        )

    def _add(self, counter: str, amount: int) -> None:
        if amount:
            ending = "ON CONFLICT DO UPDATE SET value = value + excluded.value"
            insert_all(self._connection, "counter (name, value)", [(counter, amount)], ending)


def _identity(log: NewLog) -> bytes:
    return log.identity


def _span_id(span: Span) -> tuple[bytes, bytes]:
    return span.trace_id, span.span_id
