"""Runs a replica of service 1: ``python -m apps.service1``."""

import os
from functools import partial

from apps.service1.app import create_service
from apps.service1.config import Service1Config
from apps.web.server import crash, run

if __name__ == "__main__":
    run(
        lambda: Service1Config.from_env(os.environ),
        lambda config: config.replica.node,
        # This is the master of the worker that the service is created in.
        partial(create_service, die=partial(crash, os.getpid())),
    )
