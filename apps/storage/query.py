"""What can be asked of the logs: `LogQuery`, how it is read from query parameters, and its cursor.

Pure. Times are unix nanoseconds. Every back end answers a `LogQuery` alike; the contract suite holds them to it.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Final, TypeVar

from apps.storage.errors import BadQuery
from apps.storage.words import words_of

MAX_LIMIT: Final = 1000
DEFAULT_LIMIT: Final = 100
MAX_VALUES: Final = 32
"""How often one parameter may be repeated."""
MAX_TEXT: Final = 1000
"""Characters of a parameter's value."""
MAX_QUERY_WORDS: Final = 32
END_OF_TIME: Final = 2**63 - 1
"""The last nanosecond that can be asked for: 2262-04-11."""

SEVERITIES: Final = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}
"""The least SeverityNumber of each level (OTel logs data model, "Field: SeverityNumber")."""

LOG_PARAMETERS: Final = (
    "trace_id", "app", "node", "severity", "state", "step", "from", "to", "q", "limit", "cursor", "order",
)  # fmt: skip
METRIC_PARAMETERS: Final = ("name", "app", "node")

Kind = TypeVar("Kind", bound=Enum)

_UNITS_NS: Final = {
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_RELATIVE: Final = re.compile(r"-?(?:now-)?([0-9]{1,9})(ms|s|m|h|d|w)")
_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_TIME_FORMS: Final = (
    "an RFC 3339 time with zone (2026-11-23T11:52:59.123Z), unix seconds or nanoseconds, "
    "now, or a time ago such as 5m, 2h, 500ms"
)


class Order(Enum):
    """Which end of time comes first."""

    NEWEST_FIRST = "desc"
    OLDEST_FIRST = "asc"


class State(Enum):
    """Whether a record tells of an error (ERROR or above)."""

    OK = "ok"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which logs, and which of them first.

    A record matches if it matches every field that is given; a field with several values matches any one of them.
    *start* is included, *end* is not. *words* must all be there. *after* is the key of the last record of the page
    before, None for the first page.
    """

    trace_id: bytes = b""
    apps: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    min_severity: int = 0
    state: State | None = None
    words: frozenset[str] = frozenset()
    start: int = 0
    end: int = END_OF_TIME
    limit: int = DEFAULT_LIMIT
    order: Order = Order.NEWEST_FIRST
    after: int | None = None

    def bounds(self) -> tuple[int, int]:
        """Return the first and the last key that may be in the page, both included; first > last if none may."""
        first, last = self.start, self.end - 1
        if self.after is not None:
            if self.order is Order.NEWEST_FIRST:
                last = min(last, self.after - 1)
            else:
                first = max(first, self.after + 1)
        return first, last


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """Which time series. A field with several values matches any one of them."""

    names: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AskedLogs:
    """A `LogQuery` as somebody asked it; makes the cursor to its next page."""

    query: LogQuery
    fingerprint: str

    def cursor_after(self, key: int) -> str:
        """Return the cursor of the page that begins behind the record with *key*."""
        content = [1, self.fingerprint, key, self.query.start, self.query.end]
        packed = json.dumps(content, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def parse_logs(parameters: Iterable[tuple[str, str]], now: int) -> AskedLogs:
    """Return what *parameters* ask for. Empty values count as not given.

    A cursor carries the time window of its first page, so that a relative time does not move while paging.

    Raises:
        BadQuery: a name, a value or a combination cannot be understood; the text says what is expected.
    """
    given = _collect(parameters, LOG_PARAMETERS)
    query = LogQuery(
        trace_id=parse_trace_id(_one(given, "trace_id")) if "trace_id" in given else b"",
        apps=_texts(given, "app"),
        nodes=_texts(given, "node"),
        steps=_texts(given, "step"),
        min_severity=_severity(_one(given, "severity")) if "severity" in given else 0,
        state=_choice(State, given, "state", None),
        words=_words(given.get("q", ())),
        start=parse_time("from", _one(given, "from"), now) if "from" in given else 0,
        end=parse_time("to", _one(given, "to"), now) if "to" in given else END_OF_TIME,
        limit=_limit(_one(given, "limit")) if "limit" in given else DEFAULT_LIMIT,
        order=_choice(Order, given, "order", Order.NEWEST_FIRST) or Order.NEWEST_FIRST,
    )
    fingerprint = _fingerprint(given)
    if "cursor" in given:
        query = _resume(query, _one(given, "cursor"), fingerprint)
    elif query.start > query.end:
        raise BadQuery("from", _one(given, "from"), f"a time not after to={given['to'][0]!r}")
    return AskedLogs(query, fingerprint)


def parse_metrics(parameters: Iterable[tuple[str, str]]) -> MetricQuery:
    """Return what *parameters* ask of the metrics.

    Raises:
        BadQuery: a name or value cannot be understood.
    """
    given = _collect(parameters, METRIC_PARAMETERS)
    return MetricQuery(_texts(given, "name"), _texts(given, "app"), _texts(given, "node"))


def parse_trace_id(text: str, parameter: str = "trace_id") -> bytes:
    """Return the 16 bytes of a trace id: 32 hex digits in either case, or a whole ``traceparent``.

    Raises:
        BadQuery: *text* is neither, or the id is all zeros (W3C Trace Context, "trace-id").
    """
    lowered = text.strip().lower()
    traceparent = _TRACEPARENT.fullmatch(lowered)
    digits = traceparent[1] if traceparent else lowered
    if re.fullmatch(r"[0-9a-f]{32}", digits) is None or digits == "0" * 32:
        raise BadQuery(parameter, text, "32 hex digits, not all zero, or a traceparent")
    return bytes.fromhex(digits)


def parse_time(parameter: str, text: str, now: int) -> int:
    """Return *text* as unix nanoseconds, between 0 and `END_OF_TIME`.

    Takes RFC 3339 with a zone (a space in place of ``T`` or of the ``+`` that a query string lost is understood),
    unix seconds (up to 11 digits, a fraction allowed), unix nanoseconds (more digits), ``now``, and a time ago
    (``5m``, ``-5m``, ``now-5m``; units ms s m h d w).

    Raises:
        BadQuery: it is none of these. A time without zone is refused: whose would it be?
    """
    stripped = text.strip()
    if stripped == "now":
        return now
    if relative := _RELATIVE.fullmatch(stripped):
        return max(now - int(relative[1]) * _UNITS_NS[relative[2]], 0)
    if unix := re.fullmatch(r"(\d{1,11})(?:\.(\d{1,9})\d*)?", stripped, re.ASCII):
        return min(int(unix[1]) * 10**9 + int((unix[2] or "0").ljust(9, "0")), END_OF_TIME)
    if re.fullmatch(r"\d{12,20}", stripped, re.ASCII):
        return min(int(stripped), END_OF_TIME)
    return _parse_rfc3339(parameter, stripped)


def _parse_rfc3339(parameter: str, text: str) -> int:
    # In a query string an unescaped + is a space: 12:00:00+03:00 comes in as 12:00:00 03:00.
    mended = re.sub(r" (\d\d:\d\d)$", r"+\1", text) if text.count(":") == 3 else text
    parts = _RFC3339.fullmatch(mended)
    if parts is None:
        raise BadQuery(parameter, text, _TIME_FORMS)
    sign = -1 if parts[9] == "-" else 1
    try:
        zone = UTC if parts[8] else timezone(sign * timedelta(hours=int(parts[10]), minutes=int(parts[11])))
        # A leap second is the last second of its minute to us (RFC 3339 §5.7 allows :60).
        second = min(int(parts[6]), 59) if int(parts[6]) <= 60 else 99
        moment = datetime(*(int(parts[n]) for n in range(1, 6)), second, tzinfo=zone)  # type: ignore[arg-type,misc]
        seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    except (ValueError, OverflowError) as error:
        raise BadQuery(parameter, text, f"{_TIME_FORMS} ({error})") from error
    return min(max(seconds * 10**9 + int((parts[7] or "0").ljust(9, "0")), 0), END_OF_TIME)


def _collect(parameters: Iterable[tuple[str, str]], known: Sequence[str]) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in known:
            raise BadQuery(name[:100], value, f"one of the parameters {', '.join(known)}")
        if len(value) > MAX_TEXT:
            raise BadQuery(name, value, f"at most {MAX_TEXT} characters")
        if value.strip():
            given.setdefault(name, []).append(value)
    for name, values in given.items():
        if len(values) > MAX_VALUES:
            raise BadQuery(name, values[-1], f"at most {MAX_VALUES} values")
    return given


def _one(given: Mapping[str, Sequence[str]], name: str) -> str:
    values = given[name]
    if len(values) > 1:
        raise BadQuery(name, values[1], "to be given once")
    return values[0]


def _texts(given: Mapping[str, Sequence[str]], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value.strip() for value in given.get(name, ())))


def _severity(text: str) -> int:
    name = text.strip().upper()
    name = "WARN" if name == "WARNING" else name
    if name in SEVERITIES:
        return SEVERITIES[name]
    if re.fullmatch(r"\d{1,2}", name, re.ASCII) and 1 <= int(name) <= 24:
        return int(name)
    raise BadQuery("severity", text, f"one of {', '.join(SEVERITIES)} or a SeverityNumber from 1 to 24")


def _choice(kind: type[Kind], given: Mapping[str, Sequence[str]], name: str, default: Kind | None) -> Kind | None:
    if name not in given:
        return default
    text = _one(given, name)
    try:
        return kind(text.strip().lower())
    except ValueError:
        raise BadQuery(name, text, " or ".join(str(choice.value) for choice in kind)) from None


def _limit(text: str) -> int:
    if re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII) is None or not 1 <= int(text) <= MAX_LIMIT:
        raise BadQuery("limit", text, f"a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _words(texts: Sequence[str]) -> frozenset[str]:
    found = words_of(texts)
    for text in texts:
        if not words_of([text]):
            raise BadQuery("q", text, "at least one word of letters or digits")
    if len(found) > MAX_QUERY_WORDS:
        raise BadQuery("q", texts[0], f"at most {MAX_QUERY_WORDS} words")
    return found


def _fingerprint(given: Mapping[str, Sequence[str]]) -> str:
    asked = sorted((name, values) for name, values in given.items() if name not in ("cursor", "limit"))
    packed = json.dumps(asked, ensure_ascii=True).encode()
    return hashlib.blake2b(packed, digest_size=6).hexdigest()


def _resume(query: LogQuery, cursor: str, fingerprint: str) -> LogQuery:
    expected = "a cursor from `next` of an earlier answer"
    try:
        padded = cursor.strip().encode("ascii") + b"=" * (-len(cursor.strip()) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        version, asked, *numbers = content
        after, start, end = (number for number in numbers if type(number) is int and abs(number) <= END_OF_TIME)
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise BadQuery("cursor", cursor, expected) from None
    if version != 1 or len(numbers) != 3:
        raise BadQuery("cursor", cursor, expected)
    if asked != fingerprint:
        raise BadQuery("cursor", cursor, "the same filters as on the page that it came from")
    return replace(query, after=after, start=start, end=end)
