"""The server behind the MongoDB back end: how it is addressed, how long a call may take, what its errors mean."""

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TypeAlias

import pymongo
from bson import Binary
from bson.errors import BSONError
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    DuplicateKeyError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from apps.storage.backends.mongodb_documents import INDEXES, MAX_INLINE, VERSION, Document, pieces_of
from apps.storage.errors import StoreUnavailable

DURABLE: Final = WriteConcern("majority", j=True)
"""Acknowledged by a majority of the replica set, each from its journal on disk."""
PLAIN: Final = WriteConcern(1)
DUPLICATE: Final = 11000
CONNECT_S: Final = 2.0
REMEMBERED_S: Final = 1.0
"""How long `Server.failure` believes the last answer."""
CHUNK: Final = 10_000
"""Values in one `$in`."""

Docs: TypeAlias = Collection[Document]


def check_address(url: str) -> None:
    """Return if *url* names a server and a database.

    Raises:
        ValueError: it does not.
    """
    if not url.startswith("mongodb://"):
        raise ValueError("another kind of address")
    try:
        found = parse_uri(url, warn=False)
    except (InvalidURI, ConfigurationError, ValueError, OSError) as error:
        raise ValueError(str(error)) from error
    if not found["database"]:
        raise ValueError("no database is named")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Bound all calls of the block together; turn whatever the server refuses into `StoreUnavailable`."""
    try:
        with pymongo.timeout(seconds):
            yield
    except (PyMongoError, BSONError, OverflowError, UnicodeError) as error:
        raise StoreUnavailable(f"MongoDB: {_short(error)}") from error


def _short(error: Exception) -> str:
    """Return what *error* says without the state of the whole topology, and without what was to be written."""
    if isinstance(error, BulkWriteError):
        told = [*(error.details.get("writeErrors") or ()), *(error.details.get("writeConcernErrors") or ())]
        return f"{told[0].get('code')} {str(told[0].get('errmsg'))[:300]}" if told else "a bulk write failed"
    return str(error).split(" (configured timeouts", 1)[0].split(", Timeout: ", 1)[0][:300]


class Server:
    """A database of a MongoDB server, or of whoever speaks its protocol. Connects when it is first asked.

    Args:
        url: ``mongodb://[user:password@]host[:port][,host…]/database[?options]``.

    Raises:
        StoreUnavailable: its options name what is not there, such as a certificate.
    """

    def __init__(self, url: str) -> None:
        found = parse_uri(url, warn=False)
        self.address = ",".join(f"{host}:{port}" for host, port in found["nodelist"])
        try:
            self._client: pymongo.MongoClient[Document] = pymongo.MongoClient(
                url,
                serverSelectionTimeoutMS=int(CONNECT_S * 1000),
                connectTimeoutMS=int(CONNECT_S * 1000),
                appname="carousel-storage",
            )
        except (PyMongoError, ValueError, OSError) as error:
            raise StoreUnavailable(f"MongoDB: {self.address}: {_short(error)}") from error
        self._database: Database[Document] = self._client[str(found["database"])]
        self._guard = threading.Lock()
        self._asked_at = float("-inf")
        self._failure: str | None = None

    def durable(self, name: str) -> Docs:
        """Return collection *name* whose writes return when they are on the disks of a majority."""
        return self._database.get_collection(name, write_concern=DURABLE)

    def plain(self, name: str) -> Docs:
        """Return collection *name* whose writes return when the primary has them.

        A journal is kept in order: where a later durable write is, these are too.
        """
        return self._database.get_collection(name, write_concern=PLAIN)

    def prepare(self) -> None:
        """Make the indexes, which takes long only where there are records without.

        Raises:
            StoreUnavailable: the database was made by another version.
        """
        meta = self.durable("meta")
        make(meta, "schema", {"$setOnInsert": {"version": VERSION}})
        version = (meta.find_one({"_id": "schema"}) or {}).get("version")
        if version != VERSION:
            raise StoreUnavailable(f"MongoDB: the database is none of version {VERSION} (it says {version})")
        for name, indexes in INDEXES.items():
            for keys, options in indexes:
                self._index(self.durable(name), keys, options)

    def _index(self, collection: Docs, keys: list[tuple[str, int]], options: Mapping[str, Any]) -> None:
        try:
            collection.create_index(keys, **options)
        except OperationFailure:
            # Not every server that speaks the protocol has TTL or sparse indexes; we tidy up by ourselves as well.
            if not {"expireAfterSeconds", "sparse"} & options.keys():
                raise
            collection.create_index(keys)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Bound all calls of the block together, see `within`; give up at once where the server is known to be away.

        The driver looks for a server until the whole time is over, however long that is.
        """
        if reason := self.failure():
            raise StoreUnavailable(reason)
        with within(seconds):
            yield

    def failure(self) -> str | None:
        """Return why the server does not answer, None when it does; a second's old answer will do."""
        with self._guard:
            if time.monotonic() - self._asked_at >= REMEMBERED_S:
                self._failure = self._ask()
                self._asked_at = time.monotonic()
            return self._failure

    def _ask(self) -> str | None:
        try:
            with within(CONNECT_S):
                self._client.admin.command("ping")
        except StoreUnavailable as error:
            return f"{self.address} does not answer: {error}"
        return None

    def close(self) -> None:
        """Let go of all connections."""
        self._client.close()


def insert_new(collection: Docs, documents: Sequence[Document]) -> set[int]:
    """Insert *documents*, each by itself; return the numbers of those that a unique index refused.

    Raises:
        PyMongoError: any was refused for another reason; the others may be there.
    """
    if not documents:
        return set()
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        refused = error.details.get("writeErrors") or []
        if error.details.get("writeConcernErrors") or any(one["code"] != DUPLICATE for one in refused):
            raise
        return {int(one["index"]) for one in refused}
    return set()


def make(collection: Docs, number: Any, update: Document) -> None:
    """Run *update* on the document with the id *number*, made if it is not there; others may make it at that moment."""
    for _ in range(3):
        try:
            collection.update_one({"_id": number}, update, upsert=True)
        except DuplicateKeyError:
            continue
        return
    collection.update_one({"_id": number}, update)


def update_all(collection: Docs, updates: Sequence[pymongo.UpdateOne]) -> None:
    """Run *updates* one after the other; they may be run again, so each must do no harm the second time.

    Two writers that make the same document at once: one is refused, and finds it made when it comes again.
    """
    if not updates:
        return
    for _ in range(2):
        try:
            collection.bulk_write(updates, ordered=True)
        except BulkWriteError as error:
            refused = error.details.get("writeErrors") or []
            if error.details.get("writeConcernErrors") or any(one["code"] != DUPLICATE for one in refused):
                raise
        else:
            return
    collection.bulk_write(updates, ordered=True)


def find_by(collection: Docs, field: str, values: Iterable[Any], shown: Mapping[str, int]) -> Iterator[Document]:
    """Yield the documents whose *field* is one of *values*, with the fields *shown*."""
    listed = list(values)
    for start in range(0, len(listed), CHUNK):
        yield from collection.find({field: {"$in": listed[start : start + CHUNK]}}, dict(shown))


def put_message(
    server: Server, document: Document, name: str, message: bytes, expires: datetime | None = None
) -> Document:
    """Put *message* into *document* under *name*, or into pieces of its own if it is long; return *document*.

    Pieces stay until *expires* at least, for ever without one.
    """
    if len(message) <= MAX_INLINE:
        document[name] = Binary(message)
        return document
    pieces = server.durable("piece")
    for piece in pieces_of(message):
        update: Document = {"$setOnInsert": {"data": piece["data"]}}
        if expires is not None:
            update["$max"] = {"expires": expires}
        # One at a time: the server refuses what is longer than 48 MB together.
        make(pieces, piece["_id"], update)
    document[name] = {"digest": Binary(hashlib.blake2b(message, digest_size=32).digest()), "length": len(message)}
    return document


def get_message(server: Server, held: Any) -> bytes:
    """Return the message that `put_message` put away as *held*.

    Raises:
        StoreUnavailable: a piece of it is not there.
    """
    if not isinstance(held, Mapping):
        return bytes(held)
    digest, length = bytes(held["digest"]), int(held["length"])
    parts = []
    for number in range(-(-length // MAX_INLINE)):
        piece = server.durable("piece").find_one({"_id": Binary(digest + number.to_bytes(4, "big"))})
        if piece is None:
            raise StoreUnavailable(f"MongoDB: piece {number} of a message of {length} bytes is missing")
        parts.append(bytes(piece["data"]))
    return b"".join(parts)
