"""The settings of a replica of service 2."""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.web.replica import ReplicaConfig
from apps.web.settings import Settings
from apps.web.work import parse_range


@dataclass(frozen=True, slots=True)
class Service2Config:
    """Everything a replica of service 2 has to be told."""

    replica: ReplicaConfig
    """Who this node is and how it misbehaves."""
    work_ms: tuple[float, float] = (10.0, 40.0)
    """Least and most milliseconds of simulated work."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Service2Config":
        """Return the settings of this process.

        Raises:
            SettingError: a variable has a value that will not do.
        """
        return cls(
            replica=ReplicaConfig.from_env("service2", environ),
            work_ms=Settings(environ).parsed(
                "CAROUSEL_WORK_MS", (10.0, 40.0), parse_range, "milliseconds, as in 20 or 10-40"
            ),
        )
