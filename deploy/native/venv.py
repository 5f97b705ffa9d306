"""The virtual environment `.venv`: made once, installed from the hash-locked list, stamped. Standard library only.

The stamp is written last and holds what the environment was made from, so a second run costs a file read and an
interrupted first run is done again.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from deploy.native import hints
from deploy.native.tools import ROOT, ToolError, Tools, key_of, remove

HOME = ROOT / ".venv"
PYTHON = HOME / "bin" / "python"
STAMP = HOME / ".carousel-stamp"
LOCKS = {"run": ROOT / "requirements" / "run.txt", "dev": ROOT / "requirements" / "dev.txt"}


def wanted(kind: str) -> str:
    """Return the key of an environment of *kind* (run, dev): it changes with the lock, the project or the place."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)
    # The tools' own sections change nothing that is installed.
    installed = json.dumps([project.get("project"), project.get("build-system")], sort_keys=True)
    return key_of(LOCKS[kind].read_bytes(), installed, str(ROOT), version)


def fits(kind: str) -> bool:
    """Tell whether the environment is there and serves *kind*; one for dev serves run too."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    same = isinstance(stamp, dict) and stamp.get(kind) == wanted(kind)
    return same and PYTHON.exists()


@dataclass
class Environment:
    """The making of the environment. `installer` may be asked for while it is being made, from another thread."""

    tools: Tools
    kind: str = "run"
    _created: threading.Event = field(default_factory=threading.Event)
    _failure: ToolError | None = None

    def make(self) -> bool:
        """Make what is missing; return False when there was nothing to do.

        Raises:
            ToolError: with the words for the person: venv missing, no network, a hash that does not agree.
        """
        try:
            with self.tools.locked("venv"):
                if fits(self.kind):
                    return False
                self._make()
            return True
        except ToolError as error:
            self._failure = error
            raise
        finally:
            self._created.set()

    def installer(self) -> list[str]:
        """Return the words of a pip-like `install` command; waits until the environment can run it.

        Raises:
            ToolError: there will be none.
        """
        uv = shutil.which("uv", path=self.tools.environ.get("PATH"))
        while not self._created.wait(0.1):
            if self.tools.cancel.is_set():
                raise ToolError("stopped")
        if self._failure is not None:
            raise ToolError("there is no virtual environment to install it with")
        return _installer(uv)

    def _make(self) -> None:
        log = self.tools.log("venv")
        log.unlink(missing_ok=True)
        uv = shutil.which("uv", path=self.tools.environ.get("PATH"))
        STAMP.unlink(missing_ok=True)
        if not self._can_install(uv):
            remove(HOME)
            self._create(uv, log)
        self._created.set()
        install = _installer(uv)
        lock = LOCKS[self.kind]
        try:
            self.tools.run([*install, "--require-hashes", "-r", lock], log)
            self.tools.run([*install, "--no-deps", "--no-build-isolation", "-e", ROOT], log, cwd=ROOT)
        except ToolError as error:
            if self.tools.cancel.is_set():
                raise
            raise ToolError(
                f"the Python packages of {lock.relative_to(ROOT)} could not be installed: {error}"
            ) from error
        stamp = {self.kind: wanted(self.kind)} | ({"run": wanted("run")} if self.kind == "dev" else {})
        STAMP.write_text(json.dumps(stamp), encoding="utf-8")

    def _can_install(self, uv: str | None) -> bool:
        """Tell whether `.venv` is of this Python and has something to install with."""
        config = HOME / "pyvenv.cfg"
        if not PYTHON.exists() or not config.exists():
            return False
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        site = HOME / "lib" / f"python{version}" / "site-packages"
        return site.is_dir() and (uv is not None or (site / "pip").is_dir())

    def _create(self, uv: str | None, log: Path) -> None:
        if uv is not None:
            self.tools.run([uv, "venv", "--quiet", "--python", sys.executable, HOME], log)
            return
        try:
            self.tools.run([sys.executable, "-m", "venv", HOME], log)
        except ToolError as error:
            remove(HOME)
            if self.tools.cancel.is_set():
                raise
            text = log.read_text(encoding="utf-8", errors="replace")
            if "ensurepip" in text or "No module named venv" in text:
                line = "; ".join(hints.lines("venv", hints.system()))
                raise ToolError(f"{sys.executable} cannot make virtual environments (no ensurepip). {line}") from error
            raise


def _installer(uv: str | None) -> list[str]:
    if uv is not None:
        return [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
    return [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
