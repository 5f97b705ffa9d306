"""The colours of the boards: the same as in the console and the terminal."""

from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.models import dashboard

APPS: Final[Mapping[str, str]] = {
    "gateway": "#0072B2",
    "service1": "#E69F00",
    "service2": "#009E73",
    "storage": "#CC79A7",
    "console": "#56B4E9",
}
"""Okabe and Ito's: told apart by colour-blind eyes too."""

QUIET: Final = "#7B8794"
"""What is as it should be: nearly neutral, for most things are."""
SLOW: Final = "#D98E04"
ERROR: Final = "#D64545"
MISSING: Final = "#C2378F"

ENGINES: Final[Mapping[str, str]] = {
    "collector": "#52606D",
    "prometheus": "#7B8794",
    "loki": "#9AA5B1",
    "tempo": "#B8C2CC",
}
"""Engines are not what the eye should find first."""

OUTCOMES: Final[Mapping[str, str]] = {"2xx": QUIET, "4xx": SLOW, "5xx": ERROR}
"""The class of an HTTP status."""

SEVERITIES: Final[Mapping[str, str]] = {
    "DEBUG": "#B8C2CC",
    "INFO": QUIET,
    "WARN": SLOW,
    "ERROR": ERROR,
    "FATAL": MISSING,
}

QUANTILES: Final[Mapping[str, str]] = {"p50": "#9BC2DD", "p95": "#4C9BCB", "p99": "#0072B2"}
"""Weights of one hue."""

BUGS: Final[Mapping[str, str]] = {"slow": SLOW, "error": ERROR, "exception": "#9B2C2C", "garbage": MISSING}


def fixed(colour: str) -> list[dashboard.DynamicConfigValue]:
    """Return the properties that give a series *colour*."""
    return [dashboard.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})]


def shades(colour: str) -> list[dashboard.DynamicConfigValue]:
    """Return the properties that give each of several series a shade of *colour*: the replicas of an app."""
    return [dashboard.DynamicConfigValue(id_val="color", value={"mode": "shades", "fixedColor": colour})]
