"""Runs a replica of service 1: ``python -m apps.service1``."""

import os

from apps.service1.app import create_service
from apps.service1.config import Service1Config
from apps.web.server import run

if __name__ == "__main__":
    run(
        lambda: Service1Config.from_env(os.environ),
        lambda config: config.replica.node,
        create_service,
    )
