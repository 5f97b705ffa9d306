"""Who listens on a port: asked before the stack is started, so that a taken port is named with its owner."""

from __future__ import annotations

import errno
import http.client
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from deploy.native.programs import KEPT_BY


@dataclass(frozen=True)
class Taken:
    """A port of ours that somebody listens on."""

    program: str
    name: str
    port: int
    owner: str | None
    """Who, as words; None when the system does not tell."""

    def words(self) -> str:
        """Return one line for a person."""
        what = self.program if self.name == "http" else f"{self.program} ({self.name})"
        owner = self.owner or "another process (the system does not tell which)"
        return f"port {self.port} of {what} is taken by {owner}"


def is_free(host: str, port: int) -> bool:
    """Tell whether *port* can be listened on; a connection that is only winding down does not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def owner_of(port: int) -> str | None:
    """Return the words for the process that listens on *port*; None when that cannot be known.

    Another user's processes are hidden from those who are not root, and macOS hides all but one's own.
    """
    try:
        import psutil
    except ImportError:
        return None
    for pid in _listening_pids(port):
        try:
            process = psutil.Process(pid)
            words = f"{process.name()} (pid {pid})"
        except psutil.Error:
            return f"pid {pid}"
        try:
            kept_by = process.environ().get(KEPT_BY)
        except (psutil.Error, OSError):
            kept_by = None
        return f"{words} of the Carousel stack in {kept_by}" if kept_by else words
    return None


def _listening_pids(port: int) -> Iterable[int]:
    import psutil

    try:
        found = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return
    for connection in found:
        address = connection.laddr
        if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
            yield connection.pid


def taken(host: str, ports: Iterable[tuple[str, str, int]]) -> list[Taken]:
    """Return those of *ports* (program, name, port) that somebody listens on."""
    return [Taken(program, name, port, owner_of(port)) for program, name, port in ports if not is_free(host, port)]


def get(url: str, limit_s: float = 2.0, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Return status and body of GET *url*; (0, b"") when nobody answers in time. No proxy is asked."""
    return ask("GET", url, None, headers or {}, limit_s)


def post(url: str, body: bytes, headers: dict[str, str], limit_s: float = 5.0) -> tuple[int, bytes]:
    """Return status and body of POST *url*; (0, b"") when nobody answers in time."""
    return ask("POST", url, body, headers, limit_s)


def ask(method: str, url: str, body: bytes | None, headers: dict[str, str], limit_s: float) -> tuple[int, bytes]:
    """Return status and body of any request; (0, b"") when nobody answers in time. No proxy is asked."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=limit_s)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def is_prometheus(base: str) -> bool:
    """Tell whether a Prometheus answers at *base*."""
    status, body = get(f"{base}/api/v1/status/buildinfo")
    return status == 200 and b'"goVersion"' in body


def prometheus_misfit(base: str) -> str | None:
    """Return why the Prometheus at *base* cannot be written to by us; None when it can."""
    status, body = get(f"{base}/api/v1/status/flags")
    try:
        flags = json.loads(body)["data"] if status == 200 else {}
    except (ValueError, KeyError):
        flags = {}
    if flags.get("web.enable-remote-write-receiver") != "true":
        return "it takes no remote write (--web.enable-remote-write-receiver)"
    return None


def is_otlp(base: str) -> bool:
    """Tell whether an OTLP/HTTP receiver answers at *base*."""
    status, _ = post(f"{base}/v1/logs", b"{}", {"Content-Type": "application/json"})
    return status == 200
