"""The folder of tools (`.tools/`) and running commands that fill it. Standard library only.

What is got is made in a folder of a temporary name and renamed when it is whole, so an interrupted build leaves
nothing half; the final name carries the key of what it was made from, so a changed input makes it anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""


class ToolError(Exception):
    """Something could not be got; the words say what, why and which log has more."""


class Cancelled(ToolError):
    """The person pressed Ctrl-C, or another part failed; what was running has been ended."""


def key_of(*parts: bytes | str) -> str:
    """Return twelve hexadecimal digits that change when any of *parts* does."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:12]


@dataclass
class Tools:
    """The folder of tools at *folder*; *cancel* ends every command that runs through it."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cancel: threading.Event = field(default_factory=threading.Event)

    def home(self, name: str, key: str) -> Path:
        """Return where *name* made from *key* lives once it is whole."""
        return self.folder / f"{name}-{key}"

    def log(self, name: str) -> Path:
        """Return the log of getting *name*; its folder is there."""
        path = self.folder / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextlib.contextmanager
    def made_whole(self, final: Path) -> Iterator[Path]:
        """Give a temporary folder that becomes *final* when the block ends well, and vanishes when it does not.

        Older folders of the same name with another key are removed.
        """
        name = final.name.rsplit("-", 1)[0]
        temporary = self.folder / f".{final.name}.{os.getpid()}"
        _remove(temporary)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            if not final.exists():
                temporary.rename(final)
        finally:
            _remove(temporary)
        for other in self.folder.glob(f"{name}-*"):
            if other != final and len(other.name) == len(final.name):
                _remove(other)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the lock *name*, so that two commands at once do not make the same thing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / f".{name}.lock", "w", encoding="utf-8") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if self.cancel.wait(0.1):
                        raise Cancelled("stopped") from None
            yield

    def run(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        limit_s: float = 1800.0,
    ) -> None:
        """Run *command* to its end with its output appended to *log*.

        Raises:
            ToolError: it could not be started, failed, or took longer than *limit_s*.
            Cancelled: `cancel` was set; the command and its children were ended.
        """
        words = [str(word) for word in command]
        with open(log, "a", encoding="utf-8", errors="replace") as out:
            out.write(f"$ {' '.join(words)}\n")
            out.flush()
            try:
                process = subprocess.Popen(
                    words,
                    cwd=cwd,
                    env={**self.environ, **(env or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise ToolError(f"{words[0]} could not be started: {error.strerror}") from error
            deadline = time.monotonic() + limit_s
            try:
                while process.poll() is None:
                    if self.cancel.wait(0.05):
                        raise Cancelled("stopped")
                    if time.monotonic() > deadline:
                        raise ToolError(f"{Path(words[0]).name} took longer than {limit_s:.0f} s; see {log}")
            finally:
                if process.poll() is None:
                    _end_group(process)
        if process.returncode != 0:
            raise ToolError(f"{Path(words[0]).name} failed: {last_words(log)} (all of it: {log})")


def last_words(log: Path, size: int = 4096) -> str:
    """Return the last line of *log* that says something; "no output" when there is none."""
    try:
        data = log.read_bytes()[-size:].decode("utf-8", "replace")
    except OSError:
        return "no output"
    said = [line.strip() for line in data.splitlines() if line.strip() and not line.startswith("$ ")]
    telling = [line for line in said if "error" in line.lower()]
    return (telling or said or ["no output"])[-1][:300]


def ask(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, limit_s: float = 20.0) -> str | None:
    """Return what *command* says on both outputs; None if it is absent, fails or takes longer than *limit_s*."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            env=None if env is None else {**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout + done.stderr if done.returncode == 0 else None


def interrupt_on_signals() -> None:
    """Let SIGTERM and a closed terminal do what Ctrl-C does: raise KeyboardInterrupt, so that all is cleaned up."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    # Under nohup it is ignored, and stays so.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, interrupt)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        try:
            process.wait(timeout=3)
            # The leader is gone; a child of its own may have outlived it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            return
        except subprocess.TimeoutExpired:
            continue


def _remove(path: Path) -> None:
    """Remove a folder, read-only ones inside (Go's module cache) included."""

    def unlock(function: object, name: str, _: object) -> None:
        parent = Path(name).parent
        with contextlib.suppress(OSError):
            os.chmod(parent, 0o700)
            os.chmod(name, 0o700)
        with contextlib.suppress(OSError):
            if callable(function):
                function(name)

    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path, onerror=unlock)


def remove(path: Path) -> None:
    """Remove *path* whatever it is; an absent one is no error."""
    _remove(path)
