"""supervisord, which keeps the programs: starting it, asking it, stopping it in order.

Talks XML-RPC over its unix socket. Knows nothing of what the programs are.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from deploy.native.config import StackConfig
from deploy.native.programs import KEPT_BY, Program
from deploy.native.tools import ROOT


class KeeperError(Exception):
    """supervisord does not answer, or refuses."""


@dataclass(frozen=True)
class State:
    """A program as supervisord sees it."""

    name: str
    state: str
    """RUNNING, STOPPED, EXITED, BACKOFF, STOPPING, STARTING, FATAL."""
    pid: int
    """0 when it does not run."""
    since: float
    """Unix seconds of its last start, or of its stop when it does not run."""


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* without what would change the programs behind our back.

    OTEL_ and CAROUSEL_ variables of the user's shell, Python's own, and proxies: all traffic is on this machine.
    """
    dropped = ("OTEL_", "CAROUSEL_", "PYTHON", "LOCUST_", "GUNICORN_", "SUPERVISOR_", "GF_")
    proxies = ("http_proxy", "https_proxy", "all_proxy")
    kept = {
        key: value
        for key, value in environ.items()
        if not key.startswith(dropped) and key.lower() not in proxies and key not in ("VIRTUAL_ENV", "FLASK_DEBUG")
    }
    return kept | {"PYTHONUNBUFFERED": "1", "NO_PROXY": "*", "no_proxy": "*"}


class Keeper:
    """The supervisord of one stack."""

    def __init__(self, config: StackConfig) -> None:
        self._config = config
        self._socket = config.socket
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> int:
        """Start supervisord with the rendered file and return its pid. It does not answer yet."""
        self._socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._socket.parent.stat().st_uid != os.getuid():
            raise KeeperError(f"{self._socket.parent} belongs to another user; set CAROUSEL_RUN_DIR to a short path")
        self._socket.unlink(missing_ok=True)
        run_dir = self._config.run_dir
        command = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord"]
        command += ["-c", str(run_dir / "supervisord.conf")]
        with open(self._config.logs / "supervisord.log", "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=clean_environment(os.environ) | {KEPT_BY: str(run_dir), "CAROUSEL_NODE": "supervisord"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in this terminal is not for it.
                start_new_session=True,
            )
        return self._process.pid

    def wake(self, limit_s: float = 10.0) -> None:
        """Wait until supervisord answers. It starts the programs at the first question, or a second later.

        Raises:
            KeeperError: it ended, or did not answer in *limit_s*.
        """
        deadline = time.monotonic() + limit_s
        while not self.died():
            try:
                self.pid()
                return
            except KeeperError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.03)
        raise KeeperError("supervisord ended right after its start")

    def died(self) -> bool:
        """Tell whether the supervisord that `start` began has ended."""
        return self._process is not None and self._process.poll() is not None

    def reap(self) -> None:
        """Take leave of the supervisord that `start` began and that has been stopped; waits a moment for its end."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=2.0)
                self._process = None

    def states(self) -> dict[str, State]:
        """Return each program's state by name.

        Raises:
            KeeperError: supervisord does not answer.
        """
        rows = self._call("getAllProcessInfo")
        since = {row["name"]: float(row["start"] if row["pid"] else row["stop"]) for row in rows}
        return {row["name"]: State(row["name"], row["statename"], row["pid"], since[row["name"]]) for row in rows}

    def pid(self) -> int:
        """Return supervisord's own pid.

        Raises:
            KeeperError: it does not answer.
        """
        return int(self._call("getPID"))

    def start_program(self, name: str) -> None:
        """Start a program that is stopped; one that runs is left as it is."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._call("startProcess", name, False)

    def stop_programs(self, names: Sequence[str], limit_s: float) -> bool:
        """Stop *names* together and wait until they are; return False when *limit_s* passed before."""
        for name in names:
            with contextlib.suppress(xmlrpc.client.Fault):
                self._call("stopProcess", name, False)
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            states = self.states()
            if not any(states[name].pid for name in names if name in states):
                return True
            time.sleep(0.05)
        return False

    def add(self, names: Sequence[str]) -> None:
        """Take the programs *names* of the file as it is rendered now, and start them.

        Raises:
            KeeperError: supervisord does not answer, or does not take them.
        """
        self._told("reloadConfig")
        for name in names:
            self._told("addProcessGroup", name)
            self.start_program(name)

    def remove(self, names: Sequence[str], limit_s: float) -> None:
        """Stop the programs *names* together and forget them; one that it does not know is no error.

        Raises:
            KeeperError: supervisord does not answer, or one does not end in *limit_s*.
        """
        known = self.states()
        names = [name for name in names if name in known]
        if not self.stop_programs(names, limit_s):
            left = [name for name, state in self.states().items() if name in names and state.pid]
            raise KeeperError(f"these do not end within {limit_s:.0f} s: {', '.join(left)}")
        for name in names:
            self._told("removeProcessGroup", name)

    def signal(self, name: str, signal_name: str) -> None:
        """Send the signal *signal_name* (TERM, HUP) to the program's first process.

        Raises:
            KeeperError: supervisord does not answer, or the program does not run.
        """
        self._told("signalProcess", name, signal_name)

    def _told(self, method: str, *arguments: Any) -> Any:
        try:
            return self._call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            raise KeeperError(f"supervisord refuses {method} {' '.join(arguments)}: {fault.faultString}") from fault

    def stop(self, programs: Sequence[Program], limit_s: float) -> None:
        """Stop the programs, those that send before those that receive, then supervisord.

        Raises:
            KeeperError: it does not answer (any more); what is left is the caller's to end.
        """
        deadline = time.monotonic() + limit_s
        known = self.states()
        waves = {program.name: program.stop_wave for program in programs}
        for wave in sorted({waves.get(name, 1) for name in known}):
            names = [name for name in known if waves.get(name, 1) == wave]
            self.stop_programs(names, max(0.5, deadline - time.monotonic()))
        self._call("shutdown")

    def _call(self, method: str, *arguments: Any) -> Any:
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(self._socket))
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault:
            raise
        except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError) as error:
            raise KeeperError(f"supervisord does not answer: {error}") from error
        finally:
            proxy("close")()


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        # A supervisord that hangs must not hang us.
        super().__init__("localhost", timeout=5.0)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        # `close` of the base class closes what is here.
        connection = _Connection(self._path)
        self._connection = host, connection
        return connection
