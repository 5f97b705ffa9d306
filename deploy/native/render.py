"""Writes a stack down for the programs that read files: supervisor's configuration and Prometheus's targets.

Pure: returns text. Supervisor's file has three traps, all held by tests: `%` expands, `;` and `#` after a space
begin a comment, and quotes inside a quoted value cannot be escaped.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

from deploy.native.config import ConfigError, StackConfig
from deploy.native.programs import IN_RINGS, KEPT_BY, LOAD, Program
from deploy.native.tools import ROOT

UNSCRAPED = (LOAD, "prometheus", "grafana", *IN_RINGS)
ENGINES_SCRAPED = ("collector", "loki", "tempo")
LOG_BYTES = "10MB"
LOG_BACKUPS = 1


def _held(text: str) -> str:
    """Return *text* as supervisor's file holds it; refuse what it cannot hold."""
    if "\n" in text or " ;" in text or " #" in text or "\t;" in text or "\t#" in text:
        raise ConfigError(
            f"{text!r}: a line break, or a space before ; or #, cannot be in a path or value of the stack"
        )
    return text.replace("%", "%%")


def quoted(value: str) -> str:
    """Return *value* as a value of supervisor's `environment=`.

    Raises:
        ConfigError: it holds what that file cannot.
    """
    if ('"' in value and "'" in value) or value[:1] in ("'", '"') or value[-1:] in ("'", '"'):
        raise ConfigError(f"{value!r}: quotes cannot be in a path or value of the stack")
    mark = "'" if '"' in value else '"'
    return _held(f"{mark}{value}{mark}")


def environment(env: Mapping[str, str]) -> str:
    """Return `KEY="value",…` for supervisor."""
    return ",".join(f"{key}={quoted(value)}" for key, value in sorted(env.items()))


def supervisor(config: StackConfig, programs: Sequence[Program]) -> str:
    """Return supervisord.conf."""
    run_dir = _held(str(config.run_dir))
    lines = [
        "; Rendered by deploy/native; written anew at each start.",
        "[unix_http_server]",
        f"file={_held(str(config.socket))}",
        "chmod=0700",
        "",
        "[supervisord]",
        "nodaemon=true",
        # The parent's output goes to the same file; supervisor's own would double every line.
        f"logfile={run_dir}/logs/supervisord.log",
        "logfile_maxbytes=1MB",
        "logfile_backups=1",
        "silent=true",
        f"pidfile={run_dir}/supervisord.pid",
        f"childlogdir={run_dir}/logs",
        f"directory={_held(str(ROOT))}",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for program in programs:
        env = {"CAROUSEL_NODE": program.name, **program.env, KEPT_BY: str(config.run_dir)}
        lines += [
            "",
            f"[program:{program.name}]",
            f"command={_held(shlex.join(program.command))}",
            f"environment={environment(env)}",
            f"autostart={'true' if program.starts_by_itself else 'false'}",
            "autorestart=true",
            # With the defaults a program that dies early is given up for good.
            "startsecs=0",
            "startretries=1000000",
            "stopasgroup=true",
            "killasgroup=true",
            f"stopsignal={program.stop_signal}",
            f"stopwaitsecs={program.stop_seconds}",
            "redirect_stderr=true",
            # Supervisor 4.3 expands this one twice.
            f"stdout_logfile={_held(run_dir)}/logs/{program.name}.log",
            f"stdout_logfile_maxbytes={LOG_BYTES}",
            f"stdout_logfile_backups={LOG_BACKUPS}",
        ]
    return "\n".join(lines) + "\n"


def targets(programs: Sequence[Program], host: str) -> dict[str, str]:
    """Return Prometheus's target files by name: each program with its job and its instance, but those in rings."""
    files = {}
    for program in programs:
        if program.service in UNSCRAPED:
            continue
        ports = dict(program.ports)
        # Engines are scraped whole.
        kind = "engines" if program.service in ENGINES_SCRAPED else "apps"
        port = ports.get("metrics") or ports["http"]
        labels = {"job": f"carousel/{program.service}", "instance": program.name}
        target = [{"targets": [f"{host}:{port}"], "labels": labels}]
        files[f"{kind}-{program.name}.json"] = json.dumps(target, indent=1) + "\n"
    return files


DISCOVERED = "    # The members of the rings: http_sd_configs, one for each gateway, rendered here."


def prometheus(text: str, gateways: Sequence[str], token_file: str) -> str:
    """Return Prometheus's configuration *text* with the gateways that it asks for the members of their rings.

    Args:
        text: the repository's file; one line of it is `DISCOVERED`.
        gateways: base addresses.
        token_file: path of the file with the token that they ask for.

    Raises:
        ConfigError: the file has no such line.
    """
    if DISCOVERED not in text:
        raise ConfigError(f"prometheus.yml: expected the line {DISCOVERED.strip()!r}")
    lines = ["    http_sd_configs:"]
    for gateway in gateways:
        lines += [
            f"      - url: {json.dumps(f'{gateway}/internal/targets')}",
            "        refresh_interval: 5s",
            "        authorization:",
            # Without it Prometheus 2.42 sends the token alone.
            "          type: Bearer",
            f"          credentials_file: {json.dumps(token_file)}",
        ]
    return text.replace(DISCOVERED, "\n".join(lines))
