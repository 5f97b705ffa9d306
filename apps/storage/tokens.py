"""What a log is found by, as tokens: its words, and one for each of its fields that can be filtered by.

Pure. An inverted index (FTS5's, Meilisearch's) then answers every filter and every word by the same look-up. Words have
no colon, filters have one, so nobody can ask for a filter by a word.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache

from apps.storage.model import MAX_SEVERITY, NewLog
from apps.storage.query import LogQuery, State
from apps.telemetry.record import is_error


@lru_cache(maxsize=8192)
def _token(kind: str, value: str) -> str:
    """Return the token of a filter's *value*: itself where every index leaves it whole, else its hash."""
    if re.fullmatch(r"[a-z0-9._-]{1,64}", value, re.ASCII):
        return f"{kind}:{value}"
    return f"{kind}:#{_digest(value)}"


def _digest(value: str) -> str:
    return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _state_token(is_error_record: bool) -> str:
    return "e:error" if is_error_record else "e:ok"


@lru_cache(maxsize=32768)
def plain_word(word: str) -> str:
    """Return a word as ASCII that no engine's own folding of case, accents or scripts can change."""
    return word if word.isascii() else f"#{_digest(word)}"


def tokens_of(log: NewLog) -> list[str]:
    """Return everything *log* is found by."""
    tokens = [
        *log.words,
        _token("n", log.origin.node),
        _token("a", log.origin.app),
        f"s:{log.severity}",
        _state_token(is_error(log.severity)),
    ]
    if log.trace_id:
        tokens.append(f"t:{log.trace_id.hex()}")
    if log.step:
        tokens.append(_token("p", log.step))
    return tokens


def groups_of(query: LogQuery) -> list[list[str]]:
    """Return what a log must have to match *query*: one token of each group. Times are not among them."""
    groups: list[list[str]] = [[word] for word in sorted(query.words)]
    if query.trace_id:
        groups.append([f"t:{query.trace_id.hex()}"])
    filters: Iterable[tuple[str, tuple[str, ...]]] = (("n", query.nodes), ("a", query.apps), ("p", query.steps))
    groups += [[_token(kind, value) for value in values] for kind, values in filters if values]
    if query.min_severity:
        groups.append([f"s:{number}" for number in range(query.min_severity, MAX_SEVERITY + 1)])
    if query.state is not None:
        groups.append([_state_token(query.state is State.ERROR)])
    return groups
