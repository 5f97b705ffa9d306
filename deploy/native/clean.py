"""`make clean` and `make distclean`: stop what runs, then remove the state; engines and environment too.

Standard library only, so that it works without the environment.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from deploy.native import venv
from deploy.native.engines import TOOLS_FOLDER
from deploy.native.tools import ROOT, remove

MARKS = ("supervisord.conf", "secrets", "stack.json", "logs", "programs.json")
"""What tells a run directory of ours from any other folder."""


def is_run_dir(path: Path) -> bool:
    """Tell whether *path* looks like a run directory of ours; only such a one is removed."""
    return path.is_dir() and path not in (ROOT, *ROOT.parents) and any((path / name).exists() for name in MARKS)


def main(command: str) -> int:
    """Remove `.run`, and with *command* distclean also `.tools` and `.venv`."""
    run_dir = Path(os.environ.get("CAROUSEL_RUN_DIR") or ROOT / ".run").absolute()
    if is_run_dir(run_dir):
        if venv.PYTHON.exists():
            code = subprocess.run([str(venv.PYTHON), "-m", "deploy.native", "stop"], cwd=ROOT, check=False).returncode
            if code != 0:
                print(f"something of the stack in {run_dir} still runs: nothing was removed")
                return 1
        elif (run_dir / "pids.json").exists():
            print(f"{run_dir} says that a stack runs, and without .venv it cannot be stopped: `make stop` first")
            return 1
        remove(run_dir)
        print(f"removed {run_dir}")
    elif run_dir.exists():
        print(f"{run_dir} does not look like a run directory of Carousel: left as it is")
        return 1
    if command == "distclean":
        for path in (TOOLS_FOLDER, venv.HOME):
            if path.exists():
                remove(path)
                print(f"removed {path}")
    return 0
