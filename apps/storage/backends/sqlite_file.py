"""The file behind the SQLite back end: its tables, how it is opened, who may write to it.

One inverted index answers every search (ADR-0004): the FTS5 table holds the words of a log *and* one token each for its
trace, node, app, step, severity and state, so every filter is the same kind of look-up. A log's rowid is its key, which
is its time; so a time window is a range of rowids, and order comes for free.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final

import apsw

from apps.storage import tokens
from apps.storage.errors import StoreInUse, StoreUnavailable
from apps.storage.model import NewLog
from apps.storage.query import LogQuery

APPLICATION_ID: Final = 0x4341524F  # "CARO"
VERSION: Final = 1
OUTBOX: Final = "search_outbox"
"""The table of keys that a search engine beside the store has not got yet."""
GENERATION: Final = "search_generation"
"""The table that names the index which the outbox feeds."""

_SCHEMA: Final = f"""
CREATE TABLE origin (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, app TEXT NOT NULL, node TEXT NOT NULL,
    resource BLOB NOT NULL, resource_schema_url TEXT NOT NULL, scope BLOB NOT NULL, scope_schema_url TEXT NOT NULL
) STRICT;
CREATE TABLE log (key INTEGER PRIMARY KEY, origin INTEGER NOT NULL, raw BLOB NOT NULL) STRICT;
CREATE TABLE log_identity (identity BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE log_token USING fts5(
    token, content='', detail=none, columnsize=0, tokenize="ascii tokenchars ':#.-_'"
);
CREATE TABLE span (
    id INTEGER PRIMARY KEY, trace_id BLOB NOT NULL, span_id BLOB NOT NULL, time INTEGER NOT NULL,
    origin INTEGER NOT NULL, raw BLOB NOT NULL, UNIQUE (trace_id, span_id)
) STRICT;
CREATE TABLE series (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, origin INTEGER NOT NULL, name TEXT NOT NULL, head BLOB NOT NULL
) STRICT;
CREATE TABLE point (
    series INTEGER NOT NULL, time INTEGER NOT NULL, raw BLOB NOT NULL, PRIMARY KEY (series, time)
) STRICT, WITHOUT ROWID;
CREATE TABLE node (
    app TEXT NOT NULL, node TEXT NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
    logs INTEGER NOT NULL, spans INTEGER NOT NULL, points INTEGER NOT NULL, PRIMARY KEY (app, node)
) STRICT, WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""

_FEED_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS {OUTBOX} (key INTEGER PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS {GENERATION} (name TEXT NOT NULL) STRICT;
"""

_CHUNKS: Final = (2048, 512, 64, 8, 1)
"""Rows of one INSERT. The interpreter's lock is given away once for each statement, and a thread that wants it back
may wait a whole switch interval for it: a row a statement made the writer 30 times slower under load."""


@contextmanager
def as_store_errors() -> Iterator[None]:
    """Turn whatever SQLite refuses into `StoreUnavailable`."""
    try:
        yield
    except apsw.Error as error:
        raise StoreUnavailable(f"{type(error).__name__.removesuffix('Error')}: {error}") from error


def run(connection: apsw.Connection, sql: str, bindings: Any = ()) -> list[Any]:
    """Run *sql* and return all rows. One that is not read to its end may not have had its effect."""
    return list(connection.execute(sql, bindings))


def insert_all(connection: apsw.Connection, into: str, rows: Sequence[tuple[Any, ...]], ending: str = "") -> None:
    """Run ``INSERT INTO <into> VALUES … <ending>`` for all *rows*, in few statements."""
    for count, flat in _chunks(rows):
        run(connection, f"INSERT INTO {into} VALUES {_marks(count, len(rows[0]))} {ending}", flat)


def present(
    connection: apsw.Connection, table: str, columns: Sequence[str], keys: Sequence[tuple[Any, ...]]
) -> set[tuple[Any, ...]]:
    """Return those of *keys* that are in *columns* of *table*, in few statements.

    Asked before an insert: ``RETURNING`` would hand over the interpreter's lock for each row that is new.
    """
    names = ", ".join(columns)
    same = " AND ".join(f"there.{column} = wanted.{column}" for column in columns)
    found: set[tuple[Any, ...]] = set()
    for count, flat in _chunks(keys):
        sql = (
            f"WITH wanted ({names}) AS (VALUES {_marks(count, len(columns))})"
            f" SELECT wanted.* FROM wanted CROSS JOIN {table} AS there ON {same}"
        )
        found.update(run(connection, sql, flat))
    return found


def _chunks(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield the values of *rows* in chunks of a few sizes, so that their statements are prepared once."""
    start = 0
    for size in _CHUNKS:
        while len(rows) - start >= size:
            yield size, tuple(chain.from_iterable(rows[start : start + size]))
            start += size


@lru_cache(maxsize=64)
def _marks(rows: int, columns: int) -> str:
    return ",".join(["(" + ",".join("?" * columns) + ")"] * rows)


class FileLock:
    """Keeps a second process from opening the store; the system frees it when its holder dies.

    Raises:
        StoreInUse: somebody else holds it.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise StoreInUse(f"{path} is in use by process {holder or 'unknown'}; a store has one writer") from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let others open the store."""
        os.close(self._descriptor)


def open_writer(path: Path, *, cache_kib: int, busy_ms: int, checkpoint_pages: int) -> apsw.Connection:
    """Return the one connection that writes to and checkpoints the file at *path*; tables are made if it is new.

    Raises:
        StoreUnavailable: it cannot be opened, is no database, or was made by another version.
    """
    # The journal files take the mode of the database file: nobody else reads the logs.
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error
    with as_store_errors():
        connection = apsw.Connection(str(path))
        try:
            connection.set_busy_timeout(busy_ms)
            run(connection, "PRAGMA journal_mode = WAL")
            # FULL: a commit is in the log on the disk, not in the system's cache, before it is acknowledged.
            run(connection, "PRAGMA synchronous = FULL")
            run(connection, f"PRAGMA wal_autocheckpoint = {checkpoint_pages}")
            run(connection, f"PRAGMA cache_size = -{cache_kib}")
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def prepare_feed(connection: apsw.Connection, feeds: bool) -> None:
    """Make the outbox where the store *feeds* a search engine; forget it where it does not.

    What is written while nobody feeds is in no outbox, so the next engine has to be given everything anew.
    """
    with as_store_errors(), connection:
        if feeds:
            run(connection, _FEED_SCHEMA)
        else:
            run(connection, f"DROP TABLE IF EXISTS {OUTBOX}; DROP TABLE IF EXISTS {GENERATION}")


def _prepare(connection: apsw.Connection, path: Path) -> None:
    application = run(connection, "PRAGMA application_id")[0][0]
    version = run(connection, "PRAGMA user_version")[0][0]
    is_new = not run(connection, "SELECT 1 FROM sqlite_schema LIMIT 1")
    if is_new:
        with connection:
            run(connection, _SCHEMA)
    elif (application, version) != (APPLICATION_ID, VERSION):
        raise StoreUnavailable(f"{path} is no storage file of version {VERSION} (it says {application:#x}, {version})")


def open_reader(path: Path, *, busy_ms: int) -> apsw.Connection:
    """Return a connection that only reads, and so never checkpoints."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(busy_ms)
    return connection


def tokens_of(log: NewLog) -> str:
    """Return everything a log is found by, one word each."""
    return " ".join(tokens.tokens_of(log))


def match_of(query: LogQuery) -> str:
    """Return the FTS5 expression of a query, empty if it has no filter but time."""
    groups = tokens.groups_of(query)
    return " AND ".join("(" + " OR ".join(f'"{token}"' for token in group) + ")" for group in groups)
