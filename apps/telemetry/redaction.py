r"""Keeps what must not be stored out of records: one list, here and in the Collector.

The Collector's ``redaction`` processor carries the same expressions and guarded keys
(``otel-collector/config.yaml``; a test holds the two together). The expressions are RE2, with word boundaries; a
card number is checked by its check digit here, which RE2 cannot. Identifiers are never touched: half a percent of
hexadecimal ids would pass for a card number.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from apps.telemetry import names

MASK: Final = "****"

PATTERNS: Final = {
    "card": r"\b(?:\d[ -]?){12,18}\d\b",
    "email": r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b",
    "bearer": r"\b[Bb]earer [A-Za-z0-9._~+/-]{8,}=*",
    "bot_token": r"\b\d{8,10}:[A-Za-z0-9_-]{35}\b",
    "access_key": r"\bAKIA[0-9A-Z]{16}\b",
}

GUARDED_KEYS: Final = (
    names.UID,
    names.JOURNEY_ID,
    names.PARENT_SPAN_ID,
    names.SEQ,
    names.BOOT_ID,
    names.NODE,
    names.APP,
    "service.namespace",
    "service.version",
)
"""Attributes whose values are ids or counts; they are never read for secrets."""

# Here a card number is looked for within the whole run of digits around it: a date or an amount beside it must not hide
# it from the check digit.
_RUN: Final = r"\b\d(?:[ -]?\d){12,}\b"
_ANY: Final = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in (PATTERNS | {"card": _RUN}).items()))
_MAYBE: Final = re.compile(r"@|[Bb]earer |AKIA|\d(?:[ -]?\d){7}")
_GUARDED: Final = frozenset(GUARDED_KEYS)
_CARD_DIGITS: Final = (13, 19)


def passes_luhn(digits: str) -> bool:
    """Tell whether *digits* end in the check digit that ISO/IEC 7812-1 asks of a card number."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _mask(match: re.Match[str]) -> str:
    return _without_cards(match.group()) if match.lastgroup == "card" else MASK


def _without_cards(run: str) -> str:
    """Return *run*, groups of digits with separators, with the card numbers in it masked, leftmost first."""
    parts = re.split(r"([ -])", run)
    groups, first = parts[::2], 0
    while first < len(groups):
        if last := _card_end(groups, first):
            parts[2 * first : 2 * last - 1] = [MASK, *[""] * (2 * (last - first) - 2)]
            first = last
        else:
            first += 1
    return "".join(parts)


def _card_end(groups: Sequence[str], first: int) -> int:
    """Return the index behind the last group of the longest card number that begins at *first*, 0 if none does."""
    end, digits = 0, ""
    for index in range(first, len(groups)):
        digits += groups[index]
        if len(digits) > _CARD_DIGITS[1]:
            break
        if len(digits) >= _CARD_DIGITS[0] and passes_luhn(digits):
            end = index + 1
    return end


def redact(text: str) -> str:
    """Return *text* with every secret masked; the same object where there is none."""
    if _MAYBE.search(text) is None:
        return text
    return _ANY.sub(_mask, text)


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list | tuple):
        return [_redact_value(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _redact_value(item) for key, item in value.items()}
    return value


def redacted_changes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of *attributes* that hold a secret, with their masked values; empty mostly."""
    changes = {}
    for key, value in attributes.items():
        if type(value) in (int, float, bool) or key in _GUARDED:
            continue
        masked = _redact_value(value)
        if masked != (list(value) if isinstance(value, tuple) else value):
            changes[key] = masked
    return changes
