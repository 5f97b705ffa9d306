"""How Loki is asked whether it fits, and how it is built.

`loki/build/` is a Go module of ours that asks for Loki alone and repeats Loki's own replace lines, which Go reads only
in the main module; its go.sum pins every module by checksum. Standard library only.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.native import golang
from deploy.native.tools import ROOT, ToolError, Tools, ask, key_of

VERSION = "3.7.8"
COMMAND = "loki"
PACKAGE = "github.com/grafana/loki/v3/cmd/loki"
GO = (1, 26)
"""The `go` line of Loki's module."""
FOLDER = ROOT / "loki"
CONFIG = FOLDER / "loki.yaml"
MODULE = FOLDER / "build"

EXAMPLE_ENV: Mapping[str, str] = {
    "CAROUSEL_LOKI_HOST": "127.0.0.1",
    "CAROUSEL_LOKI_PORT": "3100",
    "CAROUSEL_LOKI_GRPC_PORT": "9095",
}
"""Values that let `-verify-config` read the configuration; nothing listens on them."""


def command(binary: str | Path, *more: str) -> tuple[str, ...]:
    """Return the words that start *binary* with our configuration."""
    return (str(binary), f"-config.file={CONFIG}", "-config.expand-env=true", *more)


def build_key() -> str:
    """Return the key of what Loki is built from."""
    return key_of(PACKAGE, *((MODULE / name).read_bytes() for name in ("go.mod", "go.sum")))


def misfit(binary: Path) -> str | None:
    """Return why *binary* cannot run our configuration, by its own `-verify-config`; None when it can."""
    # Another program of this name (a geneticist's) is in some distributions.
    if "loki, version" not in (ask([binary, "-version"]) or ""):
        return "does not say that it is Loki"
    with tempfile.TemporaryDirectory(prefix="carousel-") as folder:
        env = {**EXAMPLE_ENV, "CAROUSEL_LOKI_DIR": folder}
        if ask(command(binary, "-verify-config"), env=env) is None:
            return f"its -verify-config refuses loki/loki.yaml (made for {VERSION})"
    return None


def build(tools: Tools, pip: Callable[[], list[str]]) -> Path:
    """Build Loki into `.tools/` and return its binary.

    Raises:
        ToolError: no toolchain, no network, or it does not compile; the words name the log.
    """
    go = golang.find_or_get(tools, pip, needed=GO)
    log = tools.log("loki")
    log.unlink(missing_ok=True)
    home = tools.home("loki", build_key())
    version = f"-X github.com/grafana/loki/v3/pkg/util/build.Version={VERSION}"
    with tools.made_whole(home) as folder:
        words: list[str | Path] = [
            go.command,
            "build",
            "-mod=readonly",
            f"-ldflags=-s -w {version}",
            "-o",
            folder / COMMAND,
            PACKAGE,
        ]
        tools.run(words, log, cwd=MODULE, env=go.env)
        why = misfit(folder / COMMAND)
        if why is not None:
            raise ToolError(f"Loki was built but {why}; see {log}")
    return home / COMMAND
