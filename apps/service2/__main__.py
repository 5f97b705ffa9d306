"""Runs a replica of service 2: ``python -m apps.service2``."""

import os

from apps.service2.app import create_service
from apps.service2.config import Service2Config
from apps.web.server import run

if __name__ == "__main__":
    run(
        lambda: Service2Config.from_env(os.environ),
        lambda config: config.replica.node,
        create_service,
    )
