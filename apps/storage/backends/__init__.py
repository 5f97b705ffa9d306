"""Back ends, chosen by address: ``sqlite:///<absolute path>`` or ``memory:``."""

from pathlib import Path

from apps.storage.backends.base import Store
from apps.storage.backends.memory import MemoryStore
from apps.storage.backends.sqlite import SqliteOptions, SqliteStore
from apps.web.settings import SettingError

__all__ = ["SqliteOptions", "Store", "check_url", "open_store"]

URL_FORMS = "sqlite:////absolute/path/to/file.db or memory:"


def check_url(url: str) -> str:
    """Return *url* if `open_store` understands it.

    Raises:
        SettingError: it does not.
    """
    is_file = url.startswith("sqlite:////") and not url.endswith("/")
    if url == "memory:" or is_file:
        return url
    raise SettingError("CAROUSEL_STORAGE_URL", url, URL_FORMS)


def open_store(url: str, *, metrics_age_s: float = 7200.0, options: SqliteOptions | None = None) -> Store:
    """Return the store at *url*, made if it is not there yet. The caller closes it.

    Args:
        url: which back end, and where.
        metrics_age_s: how long metric points are kept.
        options: how SQLite is used.

    Raises:
        SettingError: there is no such kind of address.
        StoreInUse: another process has it open.
        StoreUnavailable: it cannot be read or made there, or is damaged.
    """
    check_url(url)
    if url == "memory:":
        return MemoryStore(metrics_age_s=metrics_age_s)
    return SqliteStore(Path(url.removeprefix("sqlite:///")), metrics_age_s=metrics_age_s, options=options)
