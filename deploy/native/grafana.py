"""How Grafana is asked whether it fits, and how it is started with the repository's provisioning.

It is not got here, only found: on the PATH, or where CAROUSEL_GRAFANA_BIN says. What is the same wherever it runs is in
`grafana/grafana.ini`; addresses, folders and the password are set here, as GF_ variables. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from deploy.native import tokens
from deploy.native.tools import ROOT, ask, key_of

COMMANDS = ("grafana", "grafana-server")
"""`grafana server` is what `grafana-server` was."""
OLDEST = (11, 6)
"""The line that the boards are made for: `grafana-foundation-sdk` is pinned to it."""
FOLDER = ROOT / "grafana"
CONFIG = FOLDER / "grafana.ini"
DASHBOARDS = FOLDER / "dashboards"
PASSWORD = "grafana-admin"
SYSTEM_HOMES = (Path("/usr/share/grafana"), Path("/usr/local/share/grafana"), Path("/opt/homebrew/share/grafana"))


def key() -> str:
    """Return the key of what is asked of Grafana."""
    return key_of(repr(OLDEST), *COMMANDS)


def version_of(text: str) -> tuple[int, int] | None:
    """Return the version from what Grafana says of itself; None if it says something else.

    >>> version_of("Version 13.2.0 (commit: 4bf92f3577, branch: HEAD)")
    (13, 2)
    """
    found = re.search(r"[Vv]ersion:? v?(\d+)\.(\d+)\.\d+", text)
    return (int(found[1]), int(found[2])) if found else None


def home_of(binary: Path) -> Path | None:
    """Return the folder with Grafana's pages and defaults that belongs to *binary*; None when it is not found.

    An unpacked archive has the binary in its `bin/`, Homebrew `share/grafana` beside that, and packages a fixed place.
    """
    real = binary.resolve()
    near = (real.parent.parent, real.parent.parent / "share" / "grafana")
    return next((home for home in (*near, *SYSTEM_HOMES) if (home / "conf" / "defaults.ini").is_file()), None)


def _server(binary: Path) -> tuple[str, ...]:
    return (str(binary), "server") if binary.name == "grafana" else (str(binary),)


def misfit(binary: Path) -> str | None:
    """Return why *binary* will not do, by its version and its home; None when it will."""
    version = version_of(ask([*_server(binary), "-v"]) or "")
    if version is None:
        return "does not say its version"
    if version < OLDEST:
        return f"{version[0]}.{version[1]} is older than {OLDEST[0]}.{OLDEST[1]}, which the boards are made for"
    if home_of(binary) is None:
        return "its pages are not found: there is no conf/defaults.ini beside it or in /usr/share/grafana"
    return None


def command(binary: Path) -> tuple[str, ...]:
    """Return the words that start *binary* with our configuration."""
    home = home_of(binary)
    if home is not None and (packaged := home / "bin" / "grafana").is_file():
        # What packages put on the PATH is a script that adds a configuration and folders of its own.
        binary = packaged
    words = (*_server(binary), f"--config={CONFIG}")
    return words if home is None else (*words, f"--homepath={home}")


def environment(run_dir: Path, host: str, port: int, addresses: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that `grafana.ini` and the provisioning read.

    Args:
        run_dir: where the stack's state lives.
        host: the address to listen on.
        port: the port to listen on.
        addresses: the base address of prometheus, tempo, loki and alertmanager.
    """
    data = run_dir / "data" / "grafana"
    return {
        **{f"CAROUSEL_{name.upper()}_URL": url for name, url in sorted(addresses.items())},
        "CAROUSEL_DASHBOARDS_DIR": str(DASHBOARDS),
        "GF_SERVER_HTTP_ADDR": host,
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_PATHS_DATA": str(data),
        "GF_PATHS_LOGS": str(data / "log"),
        "GF_PATHS_PLUGINS": str(data / "plugins"),
        "GF_PATHS_PROVISIONING": str(FOLDER / "provisioning"),
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(DASHBOARDS / "overview.json"),
        # Read by Grafana itself, so that the password is in no environment and in no rendered file.
        "GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{password_file(run_dir)}}}",
    }


def password_file(run_dir: Path) -> Path:
    """Return the file with the password of the user `admin`."""
    return run_dir / "secrets" / PASSWORD


def prepare(run_dir: Path) -> None:
    """Make the password, once and for its owner alone, and the folders that Grafana expects."""
    tokens.ensure(run_dir, (PASSWORD,))
    for name in ("log", "plugins"):
        (run_dir / "data" / "grafana" / name).mkdir(parents=True, exist_ok=True)
