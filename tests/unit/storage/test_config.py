"""The settings of a storage node."""

from pathlib import Path

import pytest

from apps.storage.config import MIB, StorageConfig
from apps.storage.search.meilisearch import SearchAddress
from apps.web.settings import SettingError


def test_defaults_keep_everything_under_the_run_directory(tmp_path: Path) -> None:
    """Nothing set but where to run."""
    config = StorageConfig.from_env({"CAROUSEL_RUN_DIR": str(tmp_path)})
    assert (f"sqlite:///{tmp_path}/storage.db", 64 * MIB, 64 * MIB, 8.0, 7200.0) == (
        config.url, config.max_body_bytes, config.queue_bytes, config.write_timeout_s, config.metrics_age_s,
    )  # fmt: skip
    assert ("storage", 8300) == (config.web.service, config.web.port)


def test_settings_are_read() -> None:
    """Each from its variable."""
    environ = {
        "CAROUSEL_STORAGE_URL": "memory:",
        "CAROUSEL_STORAGE_MAX_BODY_MIB": "2",
        "CAROUSEL_STORAGE_QUEUE_MIB": "3",
        "CAROUSEL_STORAGE_WRITE_TIMEOUT_S": "0.5",
        "CAROUSEL_STORAGE_METRICS_AGE_S": "600",
        "CAROUSEL_NODE": "storage-7",
    }
    config = StorageConfig.from_env(environ)
    assert ("memory:", 2 * MIB, 3 * MIB, 0.5, 600.0, "storage-7") == (
        config.url, config.max_body_bytes, config.queue_bytes, config.write_timeout_s, config.metrics_age_s,
        config.web.node,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CAROUSEL_STORAGE_URL", "sqlite:///relative.db"),
        ("CAROUSEL_STORAGE_URL", "redis://x"),
        ("CAROUSEL_STORAGE_MAX_BODY_MIB", "0"),
        ("CAROUSEL_STORAGE_QUEUE_MIB", "much"),
        ("CAROUSEL_STORAGE_WRITE_TIMEOUT_S", "nan"),
        ("CAROUSEL_STORAGE_METRICS_AGE_S", "-1"),
        ("CAROUSEL_STORAGE_MONGODB_AGE_S", "-1"),
        ("CAROUSEL_SEARCH_URL", "http://localhost:7700"),
        ("CAROUSEL_STORAGE_URL", "mongodb://localhost:27017"),
    ],
)
def test_bad_setting_is_named_with_what_is_expected(key: str, value: str) -> None:
    """Key, value and form."""
    with pytest.raises(SettingError, match=f"^{key}='{value}': expected"):
        StorageConfig.from_env({key: value})


def test_search_engine_is_named_with_its_key(tmp_path: Path) -> None:
    """The key is read from a file, and not shown."""
    (tmp_path / "key").write_text("s3cret\n")
    environ = {"CAROUSEL_SEARCH_URL": "meilisearch://search", "CAROUSEL_SEARCH_KEY_FILE": str(tmp_path / "key")}
    config = StorageConfig.from_env(environ)
    assert (SearchAddress("http://search:7700", "carousel-logs"), "s3cret") == (config.search, config.search_key)
    assert "s3cret" not in repr(config)
    assert StorageConfig.from_env({}).search is None
