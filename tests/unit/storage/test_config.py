"""The settings of a storage node."""

from pathlib import Path

import pytest

from apps.storage.config import MIB, StorageConfig
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
    ],
)
def test_bad_setting_is_named_with_what_is_expected(key: str, value: str) -> None:
    """Key, value and form."""
    with pytest.raises(SettingError, match=f"^{key}='{value}': expected"):
        StorageConfig.from_env({key: value})
