"""Runs one app as one process tree: a gunicorn master and its one threaded worker.

One process is one node: state such as a ring or a writer exists once. Everything that makes threads is built in the
worker, since neither telemetry nor connections survive a fork.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from flask import Flask
from gunicorn.app.base import BaseApplication

from apps.telemetry.processors import StdoutEcho
from apps.telemetry.setup import Telemetry, build
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
    """Called, in a thread of its own, as soon as the process is told to stop; requests may still be under way."""


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


class _Gunicorn(BaseApplication):  # type: ignore[misc]
    def __init__(self, config: NodeConfig, build: Callable[[], Service]) -> None:
        self._config = config
        self._build = build
        self._service: Service | None = None
        super().__init__()

    def load_config(self) -> None:
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        options: dict[str, Any] = {
            "bind": f"{host}:{self._config.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._config.threads,
            "keepalive": KEEPALIVE_S,
            "graceful_timeout": 10,
            # Its default path is shared by every gunicorn of the user.
            "control_socket_disable": True,
            "loglevel": "warning",
            "proc_name": self._config.node,
            "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,
            "post_worker_init": lambda _worker: self._started(),
            "worker_exit": lambda _server, _worker: self._stopped(),
        }
        for key, value in options.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        self._service = self._build()
        return self._service.app

    def _started(self) -> None:
        if self._service is not None:
            self._service.start()
            _before_term(self._service.drain)

    def _stopped(self) -> None:
        if self._service is not None:
            self._service.stop()


def _before_term(act: Callable[[], None]) -> None:
    """Let *act* run when SIGTERM comes, beside what is done at that already."""
    then = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        # What takes locks has no place in a handler: it may have interrupted their holder.
        threading.Thread(target=act, name="drain", daemon=True).start()
        if callable(then):
            then(number, frame)

    signal.signal(signal.SIGTERM, handle)


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

    _Gunicorn(node, build_service).run()
