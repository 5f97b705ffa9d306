"""Puts values in place of variables, as Grafana does it before it asks a data source: as much of it as the boards use.

The syntax is `$name`, `${name}`, `${name.path}` and `${name:format}`; what is not known is left as it stands. Without
a format Prometheus and Loki get a value that may be several, or all, as part of a regular expression, and any other
as part of a string.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

VARIABLE = re.compile(r"\$(?P<plain>\w+)|\$\{(?P<name>\w+)(?:\.(?P<path>[^:}]+))?(?::(?P<format>[^}]+))?\}")
ALL = "$__all"

BUILT_IN = frozenset(
    {"__rate_interval", "__interval", "__interval_ms", "__range", "__range_s", "__range_ms", "__auto", "__from", "__to",
     "__url_time_range", "__value", "__field", "__data", "__series", "__tags", "__span", "__trace"}
)  # fmt: skip
"""Variables that Grafana sets itself."""


def escape_regex(value: str) -> str:
    """Return *value* as a regular expression that matches it alone."""
    return re.sub(r"[\\^$*+?.()|\[\]{}/]", lambda found: "\\" + found[0], value)


FORMATS: Mapping[str, Callable[[str], str]] = {
    "raw": str,
    "text": str,
    "regex": escape_regex,
    "doublequote": lambda value: '"' + value.replace('"', '\\"') + '"',
    "percentencode": lambda value: quote(value, safe=""),
}


@dataclass(frozen=True)
class Variables:
    """The values that a board's variables have."""

    values: Mapping[str, str]
    """By name; `$__all` for all."""
    all_values: Mapping[str, str] = field(default_factory=dict)
    """What stands for all, for each variable that has such a choice."""

    def into(self, text: str) -> str:
        """Return *text* with the values in it.

        Raises:
            KeyError: a format that is not known here.
        """
        return VARIABLE.sub(self._one, text)

    def _one(self, found: re.Match[str]) -> str:
        name = found["plain"] or found["name"]
        key = f"{name}.{found['path']}" if found["path"] else name
        if key not in self.values:
            return found[0]
        value = self.values[key]
        if value == ALL:
            return self.all_values[name]
        if found["format"]:
            return FORMATS[found["format"]](value)
        if name in BUILT_IN or found["path"]:
            return value
        if name in self.all_values:
            # Part of a regular expression inside a string: escaped for the one, then for the other.
            return escape_regex(value).replace("\\", "\\\\")
        return value.replace("\\", "\\\\").replace('"', '\\"')


def names_in(text: str) -> set[str]:
    """Return the names of the variables in *text*; not `${1}`, which is a group of a regular expression."""
    found = (match["plain"] or match["name"] for match in VARIABLE.finditer(text))
    return {name for name in found if not name.isdigit()}


def expand_environment(text: str, environ: Mapping[str, str]) -> str:
    """Return a value of a provisioning file as Grafana reads it: `${NAME}` from *environ*, `$$` is a `$`.

    Raises:
        KeyError: a variable of the environment is not set.
    """
    return re.sub(r"\$\$|\$\{(\w+)\}|\$(\w+)", lambda m: "$" if m[0] == "$$" else environ[m[1] or m[2]], text)
