"""Runs one app as one process tree: a gunicorn master and its one threaded worker.

One process is one node: state such as a ring or a writer exists once. Everything that makes threads is built in the
worker, since neither telemetry nor connections survive a fork. How both end is in `draining`.
"""

import math
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask
from gunicorn.app.base import BaseApplication

from apps.telemetry.processors import StdoutEcho
from apps.telemetry.setup import Telemetry, build
from apps.web.draining import FLUSH_S, IN_FLIGHT_S, HandingOverArbiter, LeavingWorker
from apps.web.leaving import leaving_of
from apps.web.node import NodeConfig
from apps.web.settings import SettingError

Config = TypeVar("Config")

KEEPALIVE_S = 75
"""Longer than a caller lets a connection idle, so that it is never closed under a request on its way."""


@dataclass(frozen=True)
class Service:
    """A built app with what has to run beside it."""

    app: Flask
    start: Callable[[], None]
    stop: Callable[[], None]
    drain: Callable[[], None] = lambda: None
    """Called as soon as the node is told to end, maybe twice; requests may still be under way. Must not block."""
    hand_over: Callable[[], None] = lambda: None
    """Called when a newer process of the same node serves and this one only finishes what it has. Must not block."""


def crash(master: int) -> None:
    """End this node as a crash does: at once, the gunicorn master with it, nobody else.

    A process that is not the child of *master*, or is no child of gunicorn at all, ends itself alone. A master that
    is process 1 of its container cannot be killed from within; it starts a new worker then.

    Args:
        master: pid of the process that `run` was called in.
    """
    if os.getppid() == master:
        os.kill(master, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


class NodeApplication(BaseApplication):  # type: ignore[misc]
    """What gunicorn runs: a node with its settings. The app is built in the worker."""

    def __init__(self, config: NodeConfig, build: Callable[[], Service]) -> None:
        self._config = config
        self._build = build
        self._service: Service | None = None
        super().__init__()

    @property
    def drain_s(self) -> float:
        """Seconds that the node serves on after it was told to end."""
        return self._config.drain_s

    def load_config(self) -> None:
        """Set what gunicorn has to know."""
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        options: dict[str, Any] = {
            "bind": f"{host}:{self._config.port}",
            "workers": 1,
            "worker_class": LeavingWorker,
            "threads": self._config.threads,
            "keepalive": KEEPALIVE_S,
            # The master's patience; the worker's own is shorter.
            "graceful_timeout": math.ceil(self._config.drain_s) + IN_FLIGHT_S + FLUSH_S,
            # Its default path is shared by every gunicorn of the user.
            "control_socket_disable": True,
            "loglevel": "warning",
            "proc_name": self._config.node,
            "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,
            "post_worker_init": lambda _worker: self._started(),
            "worker_exit": lambda _server, worker: self._stopped(worker),
        }
        for key, value in options.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        """Build the app."""
        self._service = self._build()
        return self._service.app

    def leave(self, *, handed_over: bool = False) -> None:
        """Tell the app's routes that this process ends soon, and what holds requests up to let go of them."""
        if self._service is None:
            return
        leaving_of(self._service.app).begin(handed_over=handed_over)
        if handed_over:
            self._service.hand_over()
        else:
            self._service.drain()

    def run(self) -> None:
        """Be the master until told to end."""
        try:
            HandingOverArbiter(self).run()
        except RuntimeError as error:
            print(f"carousel: {self._config.node}: {error}", file=sys.stderr)
            raise SystemExit(1) from error

    def _started(self) -> None:
        if self._service is not None:
            self._service.start()

    def _stopped(self, worker: LeavingWorker) -> None:
        """End the service, and the process with it where a request still holds a thread.

        The interpreter would wait for that thread, however long it takes.
        """
        if self._service is None:
            return
        self._service.stop()
        if worker.pid == os.getpid() and worker.booted and worker.nr_conns:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)


def run(
    read: Callable[[], Config],
    node_of: Callable[[Config], NodeConfig],
    create: Callable[[Config, Telemetry], Service],
) -> None:
    """Run an app until it is told to stop: read its settings, then build it in the worker and serve it.

    Args:
        read: returns the app's settings. A `SettingError` ends the process with one clear line and status 2.
        node_of: finds the settings of the node in them.
        create: makes the app with the telemetry it is given.
    """
    try:
        config = read()
    except SettingError as error:
        print(f"carousel: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    node = node_of(config)

    def build_service() -> Service:
        return create(config, build(node.telemetry(), echo=StdoutEcho() if node.echo else None))

    NodeApplication(node, build_service).run()
