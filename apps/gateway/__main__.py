"""Runs a gateway: ``python -m apps.gateway``."""

import os

from apps.gateway.app import create_service
from apps.gateway.config import GatewayConfig
from apps.web.server import run

if __name__ == "__main__":
    run(
        lambda: GatewayConfig.from_env(os.environ),
        lambda config: config.node,
        lambda config, telemetry: create_service(config, telemetry)[0],
    )
