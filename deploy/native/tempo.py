"""How Tempo is asked whether it fits. It is never built or got: it comes from the PATH or by CAROUSEL_TEMPO_BIN.

Standard library only.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deploy.native.tools import ROOT, ask, key_of

VERSION = "3.0.3"
OLDEST = (3, 0)
"""The first without the sections `ingester` and `compactor`, which ours does not have."""
CONFIG = ROOT / "tempo" / "tempo.yaml"

EXAMPLE_ENV: Mapping[str, str] = {
    "CAROUSEL_TEMPO_HOST": "127.0.0.1",
    "CAROUSEL_TEMPO_PORT": "3200",
    "CAROUSEL_TEMPO_GRPC_PORT": "9096",
    "CAROUSEL_TEMPO_OTLP_PORT": "4319",
    "CAROUSEL_PROMETHEUS_WRITE": "http://127.0.0.1:9090/api/v1/write",
}
"""Values that let `-config.verify` read the configuration; nothing listens on them."""


def command(binary: str | Path, *more: str) -> tuple[str, ...]:
    """Return the words that start *binary* with our configuration."""
    return (str(binary), f"-config.file={CONFIG}", "-config.expand-env=true", *more)


def version_of(text: str) -> tuple[int, int] | None:
    """Return (major, minor) from what `tempo -version` says; None if it says something else.

    >>> version_of("tempo, version 3.0.3 (branch: HEAD, revision: d7b0cf3)")
    (3, 0)
    """
    found = re.search(r"tempo, version v?(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def key() -> str:
    """Return the key of what is asked of a Tempo."""
    return key_of(VERSION, repr(OLDEST))


def misfit(binary: Path) -> str | None:
    """Return why *binary* cannot run our configuration, by its version and its `-config.verify`; None when it can."""
    version = version_of(ask([binary, "-version"]) or "")
    if version is None:
        return "does not say that it is Tempo"
    if version < OLDEST:
        return f"{version[0]}.{version[1]} is older than {OLDEST[0]}.{OLDEST[1]}, which tempo/tempo.yaml is made for"
    with tempfile.TemporaryDirectory(prefix="carousel-") as folder:
        env = {**EXAMPLE_ENV, "CAROUSEL_TEMPO_DIR": folder}
        if ask(command(binary, "-config.verify=true"), env=env) is None:
            return f"its -config.verify refuses tempo/tempo.yaml (made for {VERSION})"
    return None
