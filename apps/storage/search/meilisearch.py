"""The edge to Meilisearch: one index, its settings, its tasks. Its 202 is no commit, so every task is awaited.

Calls as documented for its HTTP API (https://www.meilisearch.com/docs/reference/api), by its own Python client.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from meilisearch.client import Client
from meilisearch.errors import MeilisearchApiError, MeilisearchError

from apps.storage.errors import StoreUnavailable
from apps.storage.query import LogQuery
from apps.storage.search.documents import FORM, SETTINGS, keys_in, request_of

DEFAULT_PORT: Final = 7700
DEFAULT_INDEX: Final = "carousel-logs"
CALL_S: Final = 5.0
"""How long one call may take; adding documents, which sends megabytes, has `SEND_S`."""
SEND_S: Final = 30.0
SETUP_S: Final = 60.0
"""How long making an index may take, its tasks included."""
POLL_S: Final = 0.05
_ID_OF_INDEX: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


class SearchUnavailable(StoreUnavailable):
    """The search engine does not answer, refuses, or answers what nobody documented."""


class TaskFailed(SearchUnavailable):
    """A task came to its end without effect; what it should have done has to be asked for again."""


@dataclass(frozen=True, slots=True)
class SearchAddress:
    """Where the search engine is, and which index of it is ours."""

    base: str
    index: str

    @classmethod
    def parse(cls, url: str) -> "SearchAddress":
        """Return what ``meilisearch://host[:port][/index]`` says (``meilisearchs://`` for TLS).

        Raises:
            ValueError: it is no such address.
        """
        parts = urlsplit(url)
        scheme = {"meilisearch": "http", "meilisearchs": "https"}.get(parts.scheme)
        if scheme is None or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ValueError("another form of address")
        index = parts.path.strip("/") or DEFAULT_INDEX
        if not set(index) <= _ID_OF_INDEX or len(index) > 400:
            raise ValueError(f"{index!r} is no name of an index (letters, digits, - and _)")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(f"{scheme}://{host}:{parts.port or DEFAULT_PORT}", index)


@contextmanager
def _asking() -> Iterator[None]:
    """Turn whatever the engine or its client says into `SearchUnavailable`."""
    try:
        yield
    except MeilisearchApiError as error:
        raise SearchUnavailable(f"Meilisearch: {error.status_code} {error.code or ''} {error.message[:300]}") from error
    except MeilisearchError as error:
        raise SearchUnavailable(f"Meilisearch: {error.message[:300]}") from error
    except (requests.RequestException, ValueError, TypeError, KeyError) as error:
        raise SearchUnavailable(f"Meilisearch: {type(error).__name__} {str(error)[:300]}") from error


class MeilisearchIndex:
    """An index of Meilisearch. Every method may be called from any thread.

    Args:
        address: where it is.
        key: its API key, empty where it asks for none.
    """

    name: Final = "meilisearch"

    def __init__(self, address: SearchAddress, key: str = "") -> None:
        self.address = address
        self._key = key
        self._clients = threading.local()

    def generation(self) -> str:
        """Return what tells this index from one of its name that is made anew; empty if there is none.

        Raises:
            SearchUnavailable: the engine does not answer.
        """
        with _asking():
            try:
                found = self._client(CALL_S).get_raw_index(self.address.index)
            except MeilisearchApiError as error:
                if error.code == "index_not_found":
                    return ""
                raise
            return f"{FORM} {found['createdAt']}"

    def make_anew(self) -> str:
        """Make the index, without documents and with its settings; return its generation.

        Raises:
            SearchUnavailable: it could not be done.
        """
        self.drop()
        client = self._client(CALL_S)
        self._done(lambda: client.create_index(self.address.index, {"primaryKey": "id"}))
        self._done(lambda: client.index(self.address.index).update_settings(dict(SETTINGS)))
        return self.generation()

    def drop(self) -> None:
        """Remove the index with all that is in it, if there is one.

        Raises:
            SearchUnavailable: it could not be done.
        """
        if self.generation():
            self._done(self._client(CALL_S).index(self.address.index).delete)

    def add(self, documents: Sequence[dict[str, Any]]) -> int:
        """Hand *documents* over and return the task that commits them; one with a known id takes the old one's place.

        Raises:
            SearchUnavailable: they were not taken.
        """
        with _asking():
            index = self._client(SEND_S).index(self.address.index)
            return int(index.add_documents(documents).task_uid)

    def is_committed(self, task: int, wait_s: float = 0.0, pause: threading.Event | None = None) -> bool:
        """Tell whether *task* has succeeded, having waited for that up to *wait_s*; *pause*, if set, ends the wait.

        Raises:
            TaskFailed: it failed, was cancelled, or is not known.
            SearchUnavailable: the engine does not answer.
        """
        sleeper = pause or threading.Event()
        left = wait_s
        while True:
            status = self._status(task)
            if status == "succeeded":
                return True
            if left <= 0 or sleeper.wait(POLL_S):
                return False
            left -= POLL_S

    def _status(self, task: int) -> str:
        with _asking():
            try:
                found = self._client(CALL_S).get_task(task)
            except MeilisearchApiError as error:
                if error.code == "task_not_found":
                    raise TaskFailed(f"Meilisearch: task {task} is not known any more") from error
                raise
            if found.status in ("failed", "canceled"):
                why = (found.error or {}).get("message", "")
                raise TaskFailed(f"Meilisearch: task {task} {found.status}: {str(why)[:300]}")
            return found.status

    def _done(self, call: Callable[[], Any]) -> None:
        """Make *call* and wait for its task.

        Raises:
            SearchUnavailable: it was refused, failed, or took longer than `SETUP_S`.
        """
        with _asking():
            task = int(call().task_uid)
        if not self.is_committed(task, SETUP_S):
            raise SearchUnavailable(f"Meilisearch: task {task} took longer than {SETUP_S:g} s")

    def find(self, query: LogQuery) -> list[int]:
        """Return the keys of the documents that match *query*, at most its limit, in its order.

        Raises:
            SearchUnavailable: the engine does not answer, or not in time.
        """
        request = request_of(query)
        if request is None:
            return []
        with _asking():
            return keys_in(self._client(CALL_S).index(self.address.index).search("", request))

    def drop_fed_before(self, moment: int) -> None:
        """Ask for the documents that were handed over before *moment* (unix seconds) to be dropped, some time.

        Raises:
            SearchUnavailable: the engine does not take it.
        """
        with _asking():
            self._client(CALL_S).index(self.address.index).delete_documents(filter=f"fedAt < {moment}")

    def _client(self, timeout_s: float) -> Client:
        """Return this thread's client; the library's is made for one thread."""
        known: dict[float, Client] = self._clients.__dict__.setdefault("by_timeout", {})
        if timeout_s not in known:
            known[timeout_s] = Client(self.address.base, self._key or None, timeout=timeout_s)  # type: ignore[arg-type]
        return known[timeout_s]
