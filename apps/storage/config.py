"""The settings of a storage node."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apps.storage.backends import check_url
from apps.storage.search.meilisearch import SearchAddress
from apps.web.guards import read_token
from apps.web.node import NodeConfig
from apps.web.settings import Settings

MIB = 1024 * 1024
SEARCH_FORM = "meilisearch://host[:port][/index]"


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """What a storage node is told."""

    web: NodeConfig
    """Who this node is and where it listens."""
    url: str = field(default="memory:", repr=False)
    """CAROUSEL_STORAGE_URL: where the records are kept, ``sqlite:////absolute/path``, ``mongodb://host/database`` or
    ``memory:``. It may hold a password."""
    max_body_bytes: int = 64 * MIB
    """CAROUSEL_STORAGE_MAX_BODY_MIB: the largest OTLP body, as sent and inflated, in bytes (the variable: in MiB)."""
    queue_bytes: int = 64 * MIB
    """CAROUSEL_STORAGE_QUEUE_MIB: how much may wait for a commit before senders get 503, in bytes (variable: MiB)."""
    write_timeout_s: float = 8.0
    """CAROUSEL_STORAGE_WRITE_TIMEOUT_S: seconds a sender waits for its commit before it gets 503."""
    metrics_age_s: float = 7200.0
    """CAROUSEL_STORAGE_METRICS_AGE_S: seconds that metric points are kept."""
    mongodb_age_s: float = 0.0
    """CAROUSEL_STORAGE_MONGODB_AGE_S: seconds that MongoDB keeps logs and spans, 0 for ever."""
    search: SearchAddress | None = None
    """CAROUSEL_SEARCH_URL: the search engine beside the store, ``meilisearch://host[:port][/index]``; none if unset."""
    search_key: str = field(default="", repr=False)
    """CAROUSEL_SEARCH_KEY_FILE: a file with the search engine's API key; read at start."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "StorageConfig":
        """Return the settings in *environ*.

        Raises:
            SettingError: a variable has a value that will not do.
        """
        settings = Settings(environ)
        run_dir = settings.file("CAROUSEL_RUN_DIR", Path(".run"))
        return cls(
            web=NodeConfig.from_env("storage", environ),
            url=check_url(settings.text("CAROUSEL_STORAGE_URL", f"sqlite:///{run_dir.absolute() / 'storage.db'}")),
            max_body_bytes=settings.whole("CAROUSEL_STORAGE_MAX_BODY_MIB", 64, at_least=1, at_most=1024) * MIB,
            queue_bytes=settings.whole("CAROUSEL_STORAGE_QUEUE_MIB", 64, at_least=1, at_most=4096) * MIB,
            write_timeout_s=settings.number("CAROUSEL_STORAGE_WRITE_TIMEOUT_S", 8.0, at_least=0.1, at_most=60.0),
            metrics_age_s=settings.number("CAROUSEL_STORAGE_METRICS_AGE_S", 7200.0, at_least=60.0),
            mongodb_age_s=settings.number("CAROUSEL_STORAGE_MONGODB_AGE_S", 0.0),
            search=settings.parsed("CAROUSEL_SEARCH_URL", None, SearchAddress.parse, SEARCH_FORM),
            search_key=read_token(key_file) if (key_file := _key_file(environ)) else "",
        )


def _key_file(environ: Mapping[str, str]) -> Path | None:
    value = environ.get("CAROUSEL_SEARCH_KEY_FILE")
    return Path(value) if value else None
