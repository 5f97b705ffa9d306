"""Reads settings from an environment, and says what is wrong with one that will not do.

::

    SettingError        a variable's value is not of its form
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")


class SettingError(ValueError):
    """A variable's value is not of the form it must have; the message names variable, value and form."""

    def __init__(self, key: str, value: str, expected: str) -> None:
        super().__init__(f"{key}={value!r}: expected {expected}")
        self.key = key


class Settings:
    """A read-only view of an environment with typed, checked access. Unset and empty both mean the default."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, key: str, default: str) -> str:
        """Return the variable's value."""
        return self._environ.get(key) or default

    def flag(self, key: str, default: bool) -> bool:
        """Return a variable that is 1, true, yes, 0, false or no."""
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        return self.parsed(key, default, lambda value: words[value.lower()], "1 or 0")

    def whole(self, key: str, default: int, *, at_least: int = 0, at_most: int = 2**31) -> int:
        """Return a whole number within bounds."""

        def parse(value: str) -> int:
            if not at_least <= int(value) <= at_most:
                raise ValueError
            return int(value)

        return self.parsed(key, default, parse, f"a whole number from {at_least} to {at_most}")

    def number(self, key: str, default: float, *, at_least: float = 0.0, at_most: float = 1e9) -> float:
        """Return a number within bounds."""

        def parse(value: str) -> float:
            if not at_least <= float(value) <= at_most:
                raise ValueError
            return float(value)

        return self.parsed(key, default, parse, f"a number from {at_least:g} to {at_most:g}")

    def listed(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return a comma-separated list without empty items."""
        value = self._environ.get(key)
        return tuple(item.strip() for item in value.split(",") if item.strip()) if value else default

    def file(self, key: str, default: Path) -> Path:
        """Return a path."""
        return Path(self._environ.get(key) or default)

    def parsed(self, key: str, default: Value, parse: Callable[[str], Value], expected: str) -> Value:
        """Return what *parse* makes of the value; its ValueError or KeyError becomes a `SettingError`."""
        value = self._environ.get(key)
        if not value:
            return default
        try:
            return parse(value)
        except (ValueError, KeyError) as error:
            raise SettingError(key, value, f"{expected} ({error})" if str(error) else expected) from error
