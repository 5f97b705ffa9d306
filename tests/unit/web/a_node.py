"""A node as a process, for tests that end it: ``python -m tests.unit.web.a_node``. Its environment says where."""

import os
import time

from flask import Flask, jsonify, request

from apps.telemetry.setup import Telemetry
from apps.web.app import base_app
from apps.web.node import NodeConfig
from apps.web.server import Service, run


def create(config: NodeConfig, telemetry: Telemetry) -> Service:
    """Return a node whose work takes as long as it is asked to."""
    app: Flask = base_app("a_node", config, telemetry)

    @app.route("/work", methods=["GET", "POST"])
    def work() -> object:
        time.sleep(float(request.args.get("ms", "5")) / 1000)
        return jsonify({"pid": os.getpid()})

    def start() -> None:
        time.sleep(float(os.environ.get("SLOW_START_S", "0")))
        telemetry.start()

    return Service(app, start, telemetry.stop)


if __name__ == "__main__":
    run(lambda: NodeConfig.from_env("service2", os.environ), lambda config: config, create)
