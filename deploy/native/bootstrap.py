"""The first thing `make` runs, on the system's Python: the virtual environment and the engines, side by side.

    python3 deploy/native/bootstrap.py COMMAND [ARGUMENTS]

Then COMMAND runs on the environment's Python (`deploy.native.__main__`). Standard library only. The head of this
file is readable by every Python from 3.7 on, so that an old one is told what it is instead of a syntax error.
"""

from __future__ import annotations

import os
import sys

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def newer_python() -> str | None:
    """Return the path of a Python that is new enough, None when the PATH holds none."""
    import shutil

    for minor in range(19, OLDEST[1] - 1, -1):
        where = shutil.which("python3.%d" % minor)  # noqa: UP031 (an old Python reads this too)
        if where:
            return where
    return None


def refuse_old_python() -> None:
    """Run this command on a newer Python if there is one, else say what is needed and end with 1."""
    better = newer_python()
    if better:
        os.execv(better, [better, *sys.argv])
    sys.stderr.write(
        "Carousel needs Python 3.11 or newer; %s is %d.%d.\n"  # noqa: UP031
        "  Debian 12, Ubuntu: sudo apt-get install python3.11 python3.11-venv\n"
        "  Fedora: sudo dnf install python3.12\n"
        "  macOS: brew install python@3.12\n"
        "  Windows: in WSL, as on Ubuntu\n" % (sys.executable, sys.version_info[0], sys.version_info[1])
    )
    sys.exit(1)


if __name__ == "__main__":
    if sys.version_info < OLDEST:
        refuse_old_python()
    # This folder's modules are of the package deploy.native, never of the top level.
    sys.path[0] = ROOT
    from deploy.native import begin

    sys.exit(begin.main(sys.argv[1:]))
