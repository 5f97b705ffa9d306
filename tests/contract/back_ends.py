"""The back ends that the contract suite runs over, each with what it cannot do, declared.

MongoDB's wire protocol is spoken by a server process of its own (`WireServer.java`), or by the real one that
CAROUSEL_TEST_MONGODB_URL names; Meilisearch's HTTP API by a fake, or by the real one that CAROUSEL_TEST_MEILISEARCH_URL
names (its key in CAROUSEL_TEST_MEILISEARCH_KEY). Every test has databases and an index to itself, gone afterwards.
"""

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymongo
import pytest

from apps.storage.backends.base import FeedingStore, Store
from apps.storage.backends.memory import MemoryStore
from apps.storage.backends.mongodb import MongoOptions, MongoStore
from apps.storage.backends.sqlite import SqliteOptions, SqliteStore
from apps.storage.search.meilisearch import MeilisearchIndex, SearchAddress
from apps.storage.search.store import SearchedStore
from deploy.native import mongodb_wire
from tests.fake_meilisearch import FakeMeilisearch
from tests.unit.storage.builders import NOW

MONGODB_URL = os.environ.get("CAROUSEL_TEST_MONGODB_URL", "")
MEILISEARCH_URL = os.environ.get("CAROUSEL_TEST_MEILISEARCH_URL", "")
MEILISEARCH_KEY = os.environ.get("CAROUSEL_TEST_MEILISEARCH_KEY", "")
SOURCE = Path(__file__).with_name("WireServer.java")
CAUGHT_UP_WITHIN_S = 60.0


class Engines:
    """The servers behind the back ends, each started when it is first asked for."""

    def __init__(self) -> None:
        self._wire: subprocess.Popen[str] | None = None
        self._wire_url = ""
        self._reason = ""

    def mongodb(self) -> str:
        """Return the base address of a server of MongoDB's protocol; skips the test where there is none."""
        if MONGODB_URL:
            return MONGODB_URL.rstrip("/")
        if not self._wire_url and not self._reason:
            command = mongodb_wire.command(SOURCE)
            if isinstance(command, str):
                self._reason = f"no server of MongoDB's protocol: {command}"
                pytest.skip(self._reason)
            self._wire = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            assert self._wire.stdout is not None
            port = self._wire.stdout.readline().strip()
            assert port.isdigit(), f"{' '.join(command)} did not come up"
            self._wire_url = f"mongodb://127.0.0.1:{port}"
        if self._reason:
            pytest.skip(self._reason)
        return self._wire_url

    def has_mongodb(self) -> bool:
        """Tell whether there is a server of MongoDB's protocol, for a test that can do without."""
        try:
            return bool(self.mongodb())
        except pytest.skip.Exception:
            return False

    def close(self) -> None:
        """End what was started."""
        if self._wire is not None:
            assert self._wire.stdin is not None
            assert self._wire.stdout is not None
            self._wire.stdin.close()
            self._wire.wait(20)
            self._wire.stdout.close()


@dataclass(frozen=True)
class Place:
    """Where the stores of one test live: the same place is the same store."""

    path: Path
    engines: Engines
    search: FakeMeilisearch | None = None

    @property
    def label(self) -> str:
        """A name of this place that every engine takes."""
        return f"carousel-{hashlib.blake2b(str(self.path).encode(), digest_size=8).hexdigest()}"

    def memory(self, feeds: bool = False) -> FeedingStore:
        """Return a store in memory, a new one each time."""
        return MemoryStore(clock=lambda: NOW, feeds=feeds)

    def sqlite(self, feeds: bool = False) -> FeedingStore:
        """Return the store in this place's file."""
        return SqliteStore(self.path / "storage.db", options=SqliteOptions(feeds=feeds), clock=lambda: NOW)

    def mongodb(self, feeds: bool = False) -> FeedingStore:
        """Return the store in this place's database."""
        url = f"{self.engines.mongodb()}/{self.label}"
        return MongoStore(url, options=MongoOptions(feeds=feeds), clock=lambda: NOW)

    def index(self) -> MeilisearchIndex:
        """Return this place's index of the search engine."""
        base = MEILISEARCH_URL or (self.search.url if self.search else "")
        assert base, "the test asked for no search engine"
        return MeilisearchIndex(SearchAddress.parse(f"{base}/{self.label}"), MEILISEARCH_KEY)

    def searched(self) -> Store:
        """Return the store in this place's file with the search engine beside it."""
        return SearchedStore(self.sqlite(feeds=True), self.index())


@dataclass(frozen=True)
class BackEnd:
    """One back end, and its declared capabilities."""

    name: str
    open: Callable[[Place], Store]
    is_durable: bool = True
    """What was written is there after a restart."""
    is_searched: bool = False
    """It needs the search engine."""


BACK_ENDS = {
    made.name: made
    for made in (
        BackEnd("memory", Place.memory, is_durable=False),
        BackEnd("sqlite", Place.sqlite),
        BackEnd("mongodb", Place.mongodb),
        BackEnd("sqlite+meilisearch", Place.searched, is_searched=True),
    )
}
FEEDING: dict[str, Callable[[Place, bool], FeedingStore]] = {
    "memory": Place.memory,
    "sqlite": Place.sqlite,
    "mongodb": Place.mongodb,
}


@contextmanager
def place(path: Path, engines: Engines, is_searched: bool = False) -> Iterator[Place]:
    """Lend a place for stores; what is in servers is gone afterwards."""
    if is_searched and not MEILISEARCH_URL:
        with FakeMeilisearch().running() as fake:
            yield Place(path, engines, fake)
        return
    lent = Place(path, engines)
    yield lent
    if MONGODB_URL:
        with pymongo.MongoClient[dict[str, object]](MONGODB_URL) as client:
            client.drop_database(lent.label)
    if is_searched:
        lent.index().drop()


def caught_up(store: Store) -> Store:
    """Wait until the search engine beside *store* has everything; return *store*."""
    if isinstance(store, SearchedStore):
        give_up_at = time.monotonic() + CAUGHT_UP_WITHIN_S
        while (state := store.state()).error is not None or state.lag.pending:
            assert time.monotonic() < give_up_at, state
            time.sleep(0.01)
    return store
