"""Runs a storage node: ``python -m apps.storage``."""

import os

from apps.storage.app import create_service
from apps.storage.config import StorageConfig
from apps.web.server import run

if __name__ == "__main__":
    run(lambda: StorageConfig.from_env(os.environ), lambda config: config.web, create_service)
