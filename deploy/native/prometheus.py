"""How Prometheus is asked whether it fits, and how it is got from Debian's or Ubuntu's packages without root.

apt's lists and cache are kept under `.tools/apt`, so empty system lists are no obstacle and nothing outside the
repository changes; apt checks the archive's signatures. Standard library only.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from deploy.native.tools import ToolError, Tools, ask, key_of, remove

OLDEST = (2, 39)
"""The first with `out_of_order_time_window`."""
FLAGS = ("--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage")
PACKAGE = "prometheus"


def build_key() -> str:
    """Return the key of the unpacked package: it changes when what we ask of Prometheus does."""
    return key_of(PACKAGE, repr(OLDEST), *FLAGS)


def version_of(text: str) -> tuple[int, int, int] | None:
    """Return the version from what `prometheus --version` says; None if it says something else.

    >>> version_of("prometheus, version 2.42.0+ds (branch: debian/sid)")
    (2, 42, 0)
    """
    found = re.search(r"version v?(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def misfit(binary: Path) -> str | None:
    """Return why *binary* will not do, by its version and its flags; None when it will."""
    version = version_of(ask([binary, "--version"]) or "")
    if version is None:
        return "does not say its version"
    words = ".".join(map(str, version))
    if version[:2] < OLDEST:
        return f"{words} is older than {OLDEST[0]}.{OLDEST[1]}, the first with out_of_order_time_window"
    help_text = ask([binary, "--help"]) or ""
    if FLAGS[0].lstrip("-").removeprefix("no-") not in help_text:
        return f"{words} has no {FLAGS[0]}"
    return None


def unpack(tools: Tools, pip: Callable[[], list[str]]) -> Path:
    """Get Debian's package, unpack it into `.tools/` and return the binary. *pip* is not needed.

    Raises:
        ToolError: no apt here, no network, or the package is too old; the words name the log.
    """
    del pip
    for command in ("apt-get", "dpkg"):
        if shutil.which(command, path=tools.environ.get("PATH")) is None:
            raise ToolError(f"there is no {command} here to get it with")
    log = tools.log("prometheus")
    log.unlink(missing_ok=True)
    home = tools.home("prometheus", build_key())
    with tools.made_whole(home) as folder:
        _download(tools, folder, log)
        package = next(folder.glob("*.deb"), None)
        if package is None:
            raise ToolError(f"apt-get downloaded nothing; see {log}")
        tools.run(["dpkg", "-x", package, folder / "whole"], log)
        for name in ("prometheus", "promtool"):
            (folder / "whole" / "usr" / "bin" / name).rename(folder / name)
        remove(folder / "whole")
        package.unlink()
        why = misfit(folder / "prometheus")
        if why is not None:
            raise ToolError(f"Debian's package will not do: {why}")
    return home / "prometheus"


def _download(tools: Tools, folder: Path, log: Path) -> None:
    apt = tools.folder / "apt"
    for name in ("state/lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    options = {
        "Dir::State": apt / "state",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": apt / "cache",
        "Dir::Log": apt,
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Acquire::IndexTargets::deb::CNF::DefaultEnabled": "false",
        # As root apt would change to the user _apt, who may not write here.
        "APT::Sandbox::User": "",
    }
    words = ["apt-get", "-q"]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    try:
        tools.run([*words, "update"], log, limit_s=300)
        tools.run([*words, "download", PACKAGE], log, cwd=folder, limit_s=300)
    finally:
        remove(apt)
