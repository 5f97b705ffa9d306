"""Back ends, chosen by address: SQLite, MongoDB, or memory; and the search engine beside one."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from apps.storage.backends.base import FeedingStore, Store
from apps.storage.backends.memory import MemoryStore
from apps.storage.backends.mongodb import MongoOptions, MongoStore
from apps.storage.backends.mongodb_server import check_address
from apps.storage.backends.sqlite import SqliteOptions, SqliteStore
from apps.web.settings import SettingError

__all__ = ["FeedingStore", "Store", "StoreOptions", "check_url", "open_store", "without_password"]

URL_FORMS: Final = "sqlite:////absolute/path/to/file.db, mongodb://host[:port]/database, or memory:"


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How a store is used, whichever it is."""

    metrics_age_s: float = 7200.0
    """How long metric points are kept."""
    queue_bytes: int = 64 * 1024 * 1024
    """Bytes that may wait for a commit."""
    write_timeout_s: float = 8.0
    """Seconds that a commit may take where that can be bounded (MongoDB)."""
    mongodb_age_s: float = 0.0
    """Seconds that MongoDB keeps logs and spans, 0 for ever."""
    feeds: bool = False
    """Keep an outbox for a search engine beside the store."""


def without_password(url: str) -> str:
    """Return *url* as it may be shown."""
    return re.sub(r"^(\w+://[^/@:]*):[^/]*@", r"\1:…@", url)


def check_url(url: str) -> str:
    """Return *url* if `open_store` understands it.

    Raises:
        SettingError: it does not; a password is not repeated.
    """
    is_file = url.startswith("sqlite:////") and not url.endswith("/")
    if url == "memory:" or is_file:
        return url
    if not url.startswith("mongodb://"):
        raise SettingError("CAROUSEL_STORAGE_URL", without_password(url), URL_FORMS)
    try:
        check_address(url)
    except ValueError as error:
        raise SettingError("CAROUSEL_STORAGE_URL", without_password(url), f"{URL_FORMS} ({error})") from None
    return url


def open_store(url: str, options: StoreOptions | None = None) -> FeedingStore:
    """Return the store at *url*, made if it is not there yet. The caller closes it.

    A MongoDB server may be away at that moment; the store then says so until it is there.

    Raises:
        SettingError: there is no such kind of address.
        StoreInUse: another process has it open.
        StoreUnavailable: it cannot be read or made there, or is damaged.
    """
    chosen = options or StoreOptions()
    check_url(url)
    if url == "memory:":
        return MemoryStore(metrics_age_s=chosen.metrics_age_s, feeds=chosen.feeds)
    if url.startswith("mongodb:"):
        mongodb = MongoOptions(
            queue_bytes=chosen.queue_bytes,
            write_timeout_s=chosen.write_timeout_s,
            age_s=chosen.mongodb_age_s,
            feeds=chosen.feeds,
        )
        return MongoStore(url, metrics_age_s=chosen.metrics_age_s, options=mongodb)
    sqlite = SqliteOptions(queue_bytes=chosen.queue_bytes, feeds=chosen.feeds)
    return SqliteStore(Path(url.removeprefix("sqlite:///")), metrics_age_s=chosen.metrics_age_s, options=sqlite)
