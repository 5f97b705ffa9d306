"""What a gateway keeps over a restart: the orders of its rings, and of bugs. One JSON file, written whole.

A file that cannot be read or written is told in the log, and the gateway goes on without.
"""

import json
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from apps.gateway.membership import Orders, parse_address

VERSION: Final = 1
MAX_BYTES: Final = 4 * 1024 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """Orders of each ring by service, and rates of bugs by target."""

    rings: Mapping[str, Orders] = field(default_factory=dict)
    bugs: Mapping[str, str] = field(default_factory=dict)


class StateFile:
    """The file of one gateway. *path* need not exist, nor its folder. Safe to use from any number of threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_failing = False
        self._lock = threading.Lock()
        self._kept = Kept()

    def keep_rings(self, rings: Mapping[str, Orders]) -> None:
        """Keep the orders of the rings beside what else is kept."""
        with self._lock:
            self._kept = replace(self._kept, rings=rings)
            self.save(self._kept)

    def keep_bugs(self, bugs: Mapping[str, str]) -> None:
        """Keep the orders of bugs beside what else is kept."""
        with self._lock:
            self._kept = replace(self._kept, bugs=bugs)
            self.save(self._kept)

    def load(self) -> Kept:
        """Return what was kept; nothing if there is no such file or it cannot be read."""
        self._kept = self._read()
        return self._kept

    def _read(self) -> Kept:
        try:
            with self._path.open("rb") as file:
                text = file.read(MAX_BYTES + 1)
            if len(text) > MAX_BYTES:
                raise ValueError(f"it has more than {MAX_BYTES} bytes")
            return _decode(json.loads(text))
        except FileNotFoundError:
            return Kept()
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("%s cannot be read, so the gateway starts without what it kept: %s", self._path, error)
            return Kept()

    def save(self, kept: Kept) -> bool:
        """Keep *kept*; False if that failed, which is told in the log when it begins to."""
        try:
            self._write(json.dumps({"version": VERSION, **asdict(kept)}, indent=1))
        except OSError as error:
            if not self._is_failing:
                _log.warning("%s cannot be written, so a restart will forget orders: %s", self._path, error)
            self._is_failing = True
            return False
        self._is_failing = False
        return True

    def _write(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Two workers of one gateway may be alive for a moment, while one takes over from the other.
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        try:
            with part.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def _decode(shape: Any) -> Kept:
    if not isinstance(shape, dict) or shape.get("version") != VERSION:
        raise ValueError(f"expected an object of version {VERSION}")
    rings, bugs = shape.get("rings", {}), shape.get("bugs", {})
    if not isinstance(rings, dict) or not isinstance(bugs, dict):
        raise ValueError("rings and bugs must be objects")
    if not all(isinstance(rates, str) for rates in bugs.values()):
        raise ValueError("the rates of bugs must be strings")
    return Kept({str(service): _orders(orders) for service, orders in rings.items()}, bugs)


def _orders(shape: Any) -> Orders:
    if not isinstance(shape, dict):
        raise ValueError("the orders of a ring must be an object")
    return Orders(*(_addresses(shape.get(kind, [])) for kind in ("added", "removed", "draining")))


def _addresses(shape: Any) -> tuple[str, ...]:
    if not isinstance(shape, list) or not all(isinstance(item, str) for item in shape):
        raise ValueError("addresses must be a list of strings")
    return tuple(parse_address(item) for item in shape)
