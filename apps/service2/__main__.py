"""Runs a replica of service 2: ``python -m apps.service2``."""

import os
from functools import partial

from apps.service2.app import create_service
from apps.service2.config import Service2Config
from apps.web.server import crash, run

if __name__ == "__main__":
    run(
        lambda: Service2Config.from_env(os.environ),
        lambda config: config.replica.node,
        # This is the master of the worker that the service is created in.
        partial(create_service, die=partial(crash, os.getpid())),
    )
