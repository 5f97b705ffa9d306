"""Reads values out of decoded JSON that may have any shape: what is not of the expected type is as good as absent.

Text that comes out of here is safe to print.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from apps.cli.escaping import plain

Object: TypeAlias = Mapping[str, Any]


def text(source: Object, key: str, default: str = "") -> str:
    """Return the text under *key*; a number or a flag becomes text."""
    value = source.get(key)
    if isinstance(value, str):
        return plain(value) or default
    return str(value) if isinstance(value, int | float) else default


def number(source: Object, key: str) -> float | None:
    """Return the number under *key*; None where there is none."""
    value = source.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def whole(source: Object, key: str, default: int = 0) -> int:
    """Return the whole number under *key*, also one in a string (as OTLP JSON writes 64 bits)."""
    value = source.get(key)
    if isinstance(value, bool):
        return default
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) < 40:
        return int(value)
    try:
        return int(value) if isinstance(value, int | float) else default
    except (ValueError, OverflowError):  # NaN and infinity are JSON to some
        return default


def flag(source: Object, key: str) -> bool:
    """Tell whether the value under *key* is true."""
    return source.get(key) is True


def child(source: Object, key: str) -> Object:
    """Return the object under *key*; empty where there is none."""
    value = source.get(key)
    return value if isinstance(value, dict) else {}


def children(source: Object, key: str) -> list[Object]:
    """Return the objects in the list under *key*; whatever else is in it is passed over."""
    value = source.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
