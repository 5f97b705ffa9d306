"""What a run of the load is asked to be, read from the environment. `make load` sets it from what is typed."""

from __future__ import annotations

import ipaddress
import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from apps.web.ports import port
from apps.web.settings import Settings as AppSettings
from tests.load.shapes import ENDLESS, MAY_BE_ENDLESS, SHAPES, Curve
from tests.load.thresholds import Limits

MIN_SECONDS = 5.0
MAX_SECONDS = 86_400.0
_TIME = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


class SettingError(ValueError):
    """A setting will not do; the message is one line that names it, its value and what is expected."""


@dataclass(frozen=True)
class Settings:
    """One run of the load."""

    shape: str
    rate: float
    """Requests per second in all, at the shape's highest."""
    users: int
    """The most requests that may be waiting for an answer at once."""
    seconds: float
    """How long; 0: until it is ended."""
    seed: int
    sample: int
    """The journey of one request in so many is looked at; 0: of none."""
    limits: Limits
    report: Path | None
    entities: tuple[str, ...]
    gateways: tuple[str, ...]
    storage: str
    admin_token_file: Path
    run_dir: Path

    @property
    def curve(self) -> Curve:
        """The requests per second over time."""
        return SHAPES[self.shape](self.rate, self.seconds)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Return the run that *environ* asks for.

        Raises:
            SettingError: a value is not of its form, or the gateway is not on this machine.
        """
        read = _Reader(environ)
        shape = read.choice("CAROUSEL_LOAD_SHAPE", "steady", tuple(SHAPES))
        rate = read.number("CAROUSEL_LOAD_RATE", 20.0, 0.001, 5_000)
        run_dir = Path(environ.get("CAROUSEL_RUN_DIR") or ".run").absolute()
        offset = int(environ.get("CAROUSEL_PORT_OFFSET") or "0")
        gateways = environ.get("CAROUSEL_GATEWAY_URL") or f"http://127.0.0.1:{port('gateway', offset)}"
        return cls(
            shape=shape,
            rate=rate,
            users=read.whole("CAROUSEL_LOAD_USERS", max(20, math.ceil(rate)), 1, 2_000),
            seconds=_seconds(read, shape),
            seed=read.whole("CAROUSEL_LOAD_SEED", random.SystemRandom().randrange(1_000_000), 0, 2**63),
            sample=read.whole("CAROUSEL_LOAD_SAMPLE", 20, 0, 1_000_000),
            limits=Limits(
                fail_ratio=read.number("CAROUSEL_LOAD_FAIL_RATIO", 0.0, 0, 1),
                p95_ms=read.optional("CAROUSEL_LOAD_P95_MS", 0.001, 600_000),
                min_rate=read.number("CAROUSEL_LOAD_MIN_RATE", 0.0, 0, 1),
                holes=read.whole("CAROUSEL_LOAD_HOLES", 0, 0, 1_000_000),
            ),
            report=_report(read),
            entities=AppSettings(environ).listed("CAROUSEL_ENTITIES", ("orders", "payments", "deliveries")),
            gateways=tuple(_on_this_machine(url.strip(), environ) for url in gateways.split(",")),
            storage=environ.get("CAROUSEL_STORAGE_API_URL") or f"http://127.0.0.1:{port('storage', offset)}",
            admin_token_file=Path(environ.get("CAROUSEL_ADMIN_TOKEN_FILE") or run_dir / "secrets" / "admin"),
            run_dir=run_dir,
        )


class _Reader:
    """Reads the load's own variables, and says in a person's words what is wrong with one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str:
        return (self._environ.get(name) or "").strip()

    def error(self, name: str, expected: str) -> SettingError:
        typed = name.removeprefix("CAROUSEL_LOAD_")
        return SettingError(f"{typed}={self.text(name)[:80]!r}: expected {expected} ({name})")

    def choice(self, name: str, default: str, known: tuple[str, ...]) -> str:
        value = self.text(name) or default
        if value not in known:
            raise self.error(name, f"one of {', '.join(known)}")
        return value

    def optional(self, name: str, low: float, high: float) -> float | None:
        text = self.text(name)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise self.error(name, f"a number from {low:g} to {high:g}")
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        value = self.optional(name, low, high)
        return default if value is None else value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name)
        if not text:
            return default
        if not re.fullmatch(r"\d{1,19}", text) or not low <= int(text) <= high:
            raise self.error(name, f"a whole number from {low} to {high}")
        return int(text)


def _seconds(read: _Reader, shape: str) -> float:
    text = read.text("CAROUSEL_LOAD_TIME") or "60s"
    found = _TIME.fullmatch(text)
    if not found or not any(found.groups()):
        raise read.error("CAROUSEL_LOAD_TIME", "a time as 90s, 5m or 1h30m")
    hours, minutes, rest = (float(part or 0) for part in found.groups())
    seconds = hours * 3600 + minutes * 60 + rest
    if seconds == ENDLESS and shape in MAY_BE_ENDLESS:
        return ENDLESS
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        endless = "; only steady may go on for ever, with 0" if seconds == ENDLESS else ""
        raise read.error("CAROUSEL_LOAD_TIME", f"{MIN_SECONDS:g}s to 24h for {shape}{endless}")
    return seconds


def _report(read: _Reader) -> Path | None:
    text = read.text("CAROUSEL_LOAD_REPORT")
    if not text:
        return None
    path = Path(text).absolute()
    if path.is_dir() or not path.parent.is_dir():
        raise read.error("CAROUSEL_LOAD_REPORT", "a file in a folder that is there")
    return path


def _on_this_machine(url: str, environ: Mapping[str, str]) -> str:
    """Return *url* if it is one this load may be sent to: loopback, or the host that the stack's gateway was given."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or not host:
        raise SettingError(f"CAROUSEL_GATEWAY_URL={url[:80]!r}: expected http://host:port")
    if not _is_loopback(host) and host != environ.get("CAROUSEL_GATEWAY_HOST"):
        raise SettingError(
            f"{url[:80]!r} is not on this machine: the load goes to loopback, or to the host that "
            "CAROUSEL_GATEWAY_HOST names"
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
