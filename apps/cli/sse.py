"""Server-sent events out of the bytes of a stream. Pure.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

MOST_HELD: Final = 1 << 20
"""Bytes of one event; what is longer is no event of ours."""


class TooLong(Exception):
    """An event that never ends."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event: its name, and the JSON object that it carries (empty where it carries none)."""

    name: str
    data: dict[str, Any]


class Reader:
    """Takes a stream in pieces of any size and gives the events in it."""

    def __init__(self) -> None:
        self._held = b""
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the events that *piece* completes.

        Raises:
            TooLong: a line or an event is longer than a megabyte.
        """
        *lines, self._held = (self._held + piece).replace(b"\r\n", b"\n").split(b"\n")
        if len(self._held) > MOST_HELD:
            raise TooLong
        for line in lines:
            event = self._take(line.decode("utf-8", "replace"))
            if event is not None:
                yield event

    def _take(self, line: str) -> Event | None:
        if not line:
            name, data = self._name or "message", "\n".join(self._data)
            self._name, self._data = "", []
            return Event(name, _object(data)) if data else None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
            if sum(map(len, self._data)) > MOST_HELD:
                raise TooLong
        return None


def _object(data: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
