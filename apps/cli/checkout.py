"""Runs commands of the checkout as a child: what starts and ends programs is not here."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from apps.cli.errors import CliError

BOOTSTRAP: Final = Path("deploy") / "native" / "bootstrap.py"


def find(directory: Path) -> Path:
    """Return the root of the checkout around *directory*, else of the one that this program runs from.

    Raises:
        CliError: there is none, as with an installed package.
    """
    places: Iterator[Path] = (place for place in (directory, *directory.parents, Path(__file__).resolve().parents[2]))
    for place in places:
        if (place / BOOTSTRAP).is_file():
            return place
    raise CliError(
        "this needs a checkout of Carousel: the native stack is started and scaled from there",
        "change into one (cd carousel) and try again, or see docs/reference/native.md",
    )


def python(root: Path) -> str:
    """Return the Python of the checkout's environment, else the one that runs this."""
    own = root / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def scale(root: Path, arguments: Sequence[str]) -> list[str]:
    """Return the command that scales the native stack."""
    return [python(root), "-m", "deploy.native", "scale", *arguments]


def doctor(root: Path) -> list[str]:
    """Return the command that says what is there and what is missing."""
    return [sys.executable, str(root / BOOTSTRAP), "doctor"]


def run(root: Path, command: Sequence[str]) -> int:
    """Run *command* in *root*, its input and output those of this process, and return its exit code.

    A Ctrl-C reaches the child too, as it is of the same group; it is left to end by itself.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        # The child must not inherit that it ignores the signal.
        done = subprocess.run(
            command, cwd=root, check=False, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        )
    finally:
        signal.signal(signal.SIGINT, before)
    return _code(done.returncode)


def capture(root: Path, command: Sequence[str]) -> tuple[int, list[str]]:
    """Run *command* in *root* and return its exit code and the lines that it printed, errors among them."""
    done = subprocess.run(
        command,
        cwd=root,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "NO_COLOR": "1"},
    )
    return _code(done.returncode), done.stdout.decode("utf-8", "replace").splitlines()


def _code(returned: int) -> int:
    """Return the exit code as a shell tells it: 128 and more for a child that a signal ended."""
    return returned if returned >= 0 else 128 - returned
