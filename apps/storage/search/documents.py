"""What the search engine keeps of a log, and queries as its filters. Pure; knows nothing of HTTP.

Meilisearch folds case and accents in its own way, segments scripts by itself and looks at the first ten words of a
query only; so it is not asked for words but for tokens (`apps.storage.tokens`), as filters, and a query means what it
means on every other back end. Its numbers are exact to 2^53: a time is a number of microseconds, one of nanoseconds
within, and a string that has all of it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from apps.storage.decode import decode_again
from apps.storage.model import Log
from apps.storage.query import END_OF_TIME, LogQuery, Order
from apps.storage.tokens import groups_of, plain_word, tokens_of
from apps.storage.views import plain
from apps.telemetry.record import rfc3339

FORM: Final = 1
"""Changes when documents or settings do; an index of another form is made anew."""
MAX_MESSAGE: Final = 8_192
"""Characters of the message that are kept, for people who look into the engine itself."""
MAX_BYTES: Final = 16 * 1024 * 1024
"""About what one request to the engine holds; it takes 100 MB."""

SETTINGS: Final[dict[str, Any]] = {
    "searchableAttributes": ["message"],
    "filterableAttributes": [
        {
            "attributePatterns": ["tokens"],
            "features": {"facetSearch": False, "filter": {"equality": True, "comparison": False}},
        },
        {
            "attributePatterns": ["us", "ns", "fedAt"],
            "features": {"facetSearch": False, "filter": {"equality": True, "comparison": True}},
        },
    ],
    "sortableAttributes": ["us", "ns"],
    # Newest first is asked for by `sort`, which must come before what a word's place in a text says.
    "rankingRules": ["sort", "words", "typo", "proximity", "exactness"],
    "proximityPrecision": "byAttribute",
    "facetSearch": False,
    # One more than the largest page, which tells whether there is another page; we page by key.
    "pagination": {"maxTotalHits": 2_000},
    # Better late than out of order: past this the engine returns what it has.
    "searchCutoffMs": 60_000,
}


def document_of(log: Log, fed_at: int) -> dict[str, Any]:
    """Return the document of *log*, handed over at *fed_at* (unix seconds)."""
    decoded = decode_again(log)
    body = plain(LogRecord.FromString(log.raw).body)
    message = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return {
        "id": str(log.key),
        "time": rfc3339(log.key),
        "us": log.key // 1000,
        "ns": log.key % 1000,
        "app": log.origin.app,
        "node": log.origin.node,
        "severity": decoded.severity,
        "step": decoded.step,
        "traceId": decoded.trace_id.hex(),
        "message": message[:MAX_MESSAGE],
        "tokens": [plain_word(token) for token in tokens_of(decoded)],
        "fedAt": fed_at,
    }


def batch_of(logs: Iterable[Log], fed_at: int) -> tuple[list[int], list[dict[str, Any]]]:
    """Return the keys and the documents of the first of *logs*, as many as one request holds, but one at least."""
    keys: list[int] = []
    documents: list[dict[str, Any]] = []
    size = 0
    for log in logs:
        document = document_of(log, fed_at)
        size += sum(map(len, document["tokens"])) + 4 * len(document["tokens"]) + 4 * len(document["message"]) + 400
        if documents and size > MAX_BYTES:
            break
        keys.append(log.key)
        documents.append(document)
    return keys, documents


def request_of(query: LogQuery) -> dict[str, Any] | None:
    """Return the search request of *query*; None if nothing can match it."""
    first, last = query.bounds()
    if first > last:
        return None
    conditions = [_any_of([plain_word(token) for token in group]) for group in groups_of(query)]
    conditions += _window(first, last)
    direction = "desc" if query.order is Order.NEWEST_FIRST else "asc"
    return {
        "filter": " AND ".join(conditions),
        "sort": [f"us:{direction}", f"ns:{direction}"],
        "limit": query.limit,
        "attributesToRetrieve": ["id"],
    }


def _any_of(tokens: Sequence[str]) -> str:
    # A token is made of a-z, 0-9 and . _ : # - alone, so there is nothing to escape.
    return (
        f'tokens = "{tokens[0]}"'
        if len(tokens) == 1
        else "tokens IN [" + ", ".join(f'"{token}"' for token in tokens) + "]"
    )


def _window(first: int, last: int) -> Iterator[str]:
    """Yield what holds for the keys from *first* to *last*, both included."""
    if first > 0:
        us, ns = divmod(first, 1000)
        yield f"(us > {us} OR (us = {us} AND ns >= {ns}))"
    if last < END_OF_TIME - 1:
        us, ns = divmod(last, 1000)
        yield f"(us < {us} OR (us = {us} AND ns <= {ns}))"


def keys_in(answer: Any) -> list[int]:
    """Return the keys in the *answer* to a search, in its order.

    Raises:
        ValueError: it is not of the documented shape.
    """
    try:
        return [int(hit["id"]) for hit in answer["hits"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"the answer to a search has no hits with ids ({error!r})") from error
