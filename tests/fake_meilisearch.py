"""A Meilisearch on loopback that keeps to its public documentation, as far as Carousel uses it.

Each route names the page it was checked against, under https://www.meilisearch.com/docs/. What the documentation does
not promise is not promised here: a task is done no sooner than somebody has asked for it twice, text is compared
without regard to case, only what is filterable can be filtered by, numbers are doubles, and a page has at most
`maxTotalHits`. An unknown setting or search parameter is refused, as there.
"""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KNOWN_SETTINGS = {
    "searchableAttributes", "filterableAttributes", "sortableAttributes", "rankingRules", "proximityPrecision",
    "facetSearch", "pagination", "searchCutoffMs", "typoTolerance", "prefixSearch", "displayedAttributes",
}  # fmt: skip
KNOWN_SEARCH = {"q", "filter", "sort", "limit", "offset", "attributesToRetrieve"}
MOMENT = "2026-11-23T11:52:59.000000Z"
MAX_FACET_BYTES = 468
DEFAULT_HITS = 1000


class Refused(Exception):
    """An answer that is an error (reference/errors/error_codes)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "code": code, "type": "invalid_request", "link": f"https://docs/#{code}"}


@dataclass
class Index:
    """One index: its documents by id, and its settings."""

    uid: str
    primary_key: str
    created_at: str
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def features(self, attribute: str) -> dict[str, bool]:
        """Return what *attribute* may be filtered by (reference/api/settings, "Filterable attributes")."""
        for rule in self.settings.get("filterableAttributes", []):
            if rule == attribute:
                return {"equality": True, "comparison": True}
            if isinstance(rule, dict) and attribute in rule["attributePatterns"]:
                return dict(rule["features"]["filter"])
        return {}


@dataclass
class Task:
    """One task (reference/api/tasks): what it does, and how it went."""

    uid: int
    index: str
    kind: str
    work: Callable[[], None]
    status: str = "enqueued"
    error: dict[str, Any] | None = None
    asked: int = 0

    def summary(self) -> dict[str, Any]:
        """Return what a 202 says (capabilities/indexing/tasks_and_batches/monitor_tasks)."""
        return {
            "taskUid": self.uid, "indexUid": self.index, "status": "enqueued", "type": self.kind, "enqueuedAt": MOMENT,
        }  # fmt: skip

    def full(self) -> dict[str, Any]:
        """Return what ``GET /tasks/<uid>`` says."""
        return {
            "uid": self.uid, "batchUid": self.uid, "indexUid": self.index, "status": self.status, "type": self.kind,
            "canceledBy": None, "details": {}, "error": self.error, "duration": None, "enqueuedAt": MOMENT,
            "startedAt": None, "finishedAt": None,
        }  # fmt: skip


class FakeMeilisearch:
    """The engine: an HTTP server while `running`. *key* is asked for as the bearer token, if given."""

    def __init__(self, key: str = "") -> None:
        self.key = key
        self.indexes: dict[str, Index] = {}
        self.tasks: list[Task] = []
        self.calls: list[tuple[str, str]] = []
        self.is_down = False
        self.fails_next: str = ""
        """A kind of task; the next one of it fails."""
        self.holds_tasks = False
        self._lock = threading.RLock()
        self._made = 0
        self._connections: list[socket.socket] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = fake.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
                packed = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(packed)))
                # Its client makes a connection for each call, and a thread that waits for more would outlive a test.
                self.send_header("Connection", "close")
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(packed)

            do_GET = do_POST = do_PATCH = do_DELETE = _serve

            def log_message(self, *_args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self) -> tuple[socket.socket, Any]:
                connection, address = super().get_request()
                fake._connections.append(connection)
                return connection, address

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self.url = f"meilisearch://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator["FakeMeilisearch"]:
        """Serve for a while."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._server.server_close()

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> tuple[int, Any]:
        """Return status and JSON of the answer to a request."""
        with self._lock:
            self.calls.append((method, path))
            if self.is_down:
                return 503, {"message": "down", "code": "too_many_search_requests", "type": "system", "link": ""}
            try:
                if self.key and authorization != f"Bearer {self.key}":
                    # reference/api/authorization
                    raise Refused(403, "invalid_api_key", "The provided API key is invalid.")
                return self._route(method, path, json.loads(body) if body else None)
            except Refused as error:
                return error.status, error.body

    def _route(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        parts = path.split("?")[0].strip("/").split("/")
        match (method, *parts):
            case ("POST", "indexes"):
                return 202, self._task(body["uid"], "indexCreation", lambda: self._create(body["uid"], "id")).summary()
            case ("GET", "indexes", uid):
                index = self._index(uid)
                shape = {"uid": uid, "primaryKey": index.primary_key, "createdAt": index.created_at}
                return 200, shape | {"updatedAt": MOMENT}
            case ("DELETE", "indexes", uid):
                return 202, self._task(uid, "indexDeletion", lambda: self._delete(uid)).summary()
            case ("PATCH", "indexes", uid, "settings"):
                self._check_settings(body)
                return 202, self._task(uid, "settingsUpdate", lambda: self._settings(uid, body)).summary()
            case ("POST", "indexes", uid, "documents"):
                return 202, self._task(uid, "documentAdditionOrUpdate", lambda: self._add(uid, body)).summary()
            case ("POST", "indexes", uid, "documents", "delete"):
                return 202, self._task(uid, "documentDeletion", lambda: self._drop(uid, body["filter"])).summary()
            case ("GET", "tasks", number):
                return 200, self._ask(int(number))
            case ("POST", "indexes", uid, "search"):
                return 200, self._search(self._index(uid), body)
        raise Refused(404, "not_found", f"{method} {path} is nothing this fake was checked for")

    def _index(self, uid: str) -> Index:
        if uid not in self.indexes:
            raise Refused(404, "index_not_found", f"Index `{uid}` not found.")
        return self.indexes[uid]

    # --- tasks: enqueued, done in order (learn/async/asynchronous_operations) ---

    def _task(self, index: str, kind: str, work: Callable[[], None]) -> Task:
        self.tasks.append(Task(len(self.tasks), index, kind, work))
        return self.tasks[-1]

    def _ask(self, number: int) -> dict[str, Any]:
        if number >= len(self.tasks):
            raise Refused(404, "task_not_found", f"Task `{number}` not found.")
        task = self.tasks[number]
        task.asked += 1
        if task.asked > 1 and not self.holds_tasks:
            for earlier in self.tasks[: number + 1]:
                self._do(earlier)
        return task.full()

    def _do(self, task: Task) -> None:
        if task.status != "enqueued":
            return
        try:
            if task.kind == self.fails_next:
                self.fails_next = ""
                raise Refused(500, "internal", "No space left on device")
            task.work()
            task.status = "succeeded"
        except Refused as error:
            task.status, task.error = "failed", error.body

    def _create(self, uid: str, primary_key: str) -> None:
        if uid in self.indexes:
            raise Refused(409, "index_already_exists", f"Index `{uid}` already exists.")
        self._made += 1
        self.indexes[uid] = Index(uid, primary_key, f"2026-11-23T11:52:{self._made:02}.000000Z")

    def _delete(self, uid: str) -> None:
        del self.indexes[self._index(uid).uid]

    def _check_settings(self, body: dict[str, Any]) -> None:
        for name in body.keys() - KNOWN_SETTINGS:
            raise Refused(400, "bad_request", f"Unknown field `{name}`")

    def _settings(self, uid: str, body: dict[str, Any]) -> None:
        self._index(uid).settings.update(body)

    def _add(self, uid: str, documents: list[dict[str, Any]]) -> None:
        if uid not in self.indexes:
            # An index that is not there is made, without settings (reference/api/documents, "Add or replace").
            self._create(uid, "id")
        index = self.indexes[uid]
        for document in documents:
            number = document.get(index.primary_key)
            if not isinstance(number, str | int) or not re.fullmatch(r"[A-Za-z0-9_-]{1,511}", str(number)):
                raise Refused(400, "invalid_document_id", f"Document identifier `{number}` is invalid.")
            index.documents[str(number)] = document

    def _drop(self, uid: str, asked: str) -> None:
        index = self._index(uid)
        matches = Filter(index, asked).parse()
        index.documents = {number: one for number, one in index.documents.items() if not matches(one)}

    # --- search (reference/api/search) ---

    def _search(self, index: Index, body: dict[str, Any]) -> dict[str, Any]:
        for name in body.keys() - KNOWN_SEARCH:
            raise Refused(400, "bad_request", f"Unknown field `{name}`")
        found = list(index.documents.values())
        if body.get("filter"):
            found = list(filter(Filter(index, body["filter"]).parse(), found))
        for rule in reversed(body.get("sort", [])):
            name, _, direction = rule.partition(":")
            if name not in index.settings.get("sortableAttributes", []):
                raise Refused(400, "invalid_search_sort", f"Attribute `{name}` is not sortable.")
            found.sort(key=lambda one: float(one[name]), reverse=direction == "desc")
        most = index.settings.get("pagination", {}).get("maxTotalHits", DEFAULT_HITS)
        page = found[: min(body.get("limit", 20), most)]
        shown = body.get("attributesToRetrieve", ["*"])
        hits = [{name: one[name] for name in one if name in shown or "*" in shown} for one in page]
        return {"hits": hits, "query": body.get("q", ""), "limit": body.get("limit", 20), "estimatedTotalHits": 0}


Matches = Callable[[dict[str, Any]], bool]
_LEXEME = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(>=|<=|!=|[=<>()\[\],])|([^\s=<>()\[\],"]+))')


class Filter:
    """A filter expression (capabilities/filtering_sorting_faceting): ``= > >= < <= IN [..] AND OR ( )``."""

    def __init__(self, index: Index, text: str) -> None:
        self._index = index
        self._words: list[str] = []
        position = 0
        while text[position:].strip():
            found = _LEXEME.match(text, position)
            if found is None:
                self._refuse(f"at {text[position:][:20]!r}")
                return
            self._words.append(found[0].strip())
            position = found.end()

    def _refuse(self, why: str) -> None:
        raise Refused(400, "invalid_search_filter", f"The filter is not understood: {why}")

    def parse(self) -> Matches:
        """Return what the expression asks of a document."""
        matches = self._any()
        if self._words:
            self._refuse(f"left over {self._words[:3]}")
        return matches

    def _any(self) -> Matches:
        parts = [self._all()]
        while self._words[:1] == ["OR"]:
            self._words.pop(0)
            parts.append(self._all())
        return lambda document: any(part(document) for part in parts)

    def _all(self) -> Matches:
        parts = [self._one()]
        while self._words[:1] == ["AND"]:
            self._words.pop(0)
            parts.append(self._one())
        return lambda document: all(part(document) for part in parts)

    def _one(self) -> Matches:
        if self._take() == "(":
            inner = self._any()
            if self._take() != ")":
                self._refuse("a bracket is not closed")
            return inner
        name, operator = self._taken, self._take()
        features = self._index.features(name)
        if operator in ("=", "IN") and not features.get("equality"):
            self._refuse(f"attribute `{name}` is not filterable")
        if operator in ("<", "<=", ">", ">=") and not features.get("comparison"):
            self._refuse(f"attribute `{name}` cannot be compared")
        if operator == "IN":
            wanted = self._listed()
            return lambda document: any(_equal(held, one) for held in _held(document, name) for one in wanted)
        value = self._take()
        if operator == "=":
            return lambda document: any(_equal(held, value) for held in _held(document, name))
        compare = {
            "<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__,
        }[operator]  # fmt: skip
        return lambda document: any(compare(float(held), float(value)) for held in _held(document, name))

    def _listed(self) -> list[str]:
        found: list[str] = []
        if self._take() != "[":
            self._refuse("IN without a list")
        while self._take() != "]":
            if self._taken != ",":
                found.append(self._taken)
        return found

    def _take(self) -> str:
        if not self._words:
            self._refuse("it ends too early")
        self._taken = self._words.pop(0)
        return self._taken


def _held(document: dict[str, Any], name: str) -> list[Any]:
    value = document.get(name, [])
    return value if isinstance(value, list) else [value]


def _equal(held: Any, wanted: str) -> bool:
    """Compare as the documentation says: numbers as doubles, text without regard to case, up to its 468th byte."""
    text = wanted[1:-1].replace('\\"', '"').replace("\\\\", "\\") if wanted.startswith('"') else wanted
    if isinstance(held, int | float):
        with suppress(ValueError):
            return float(held) == float(text)
        return False
    kept = [value.encode().lower()[:MAX_FACET_BYTES] for value in (str(held), text)]
    return kept[0] == kept[1]
