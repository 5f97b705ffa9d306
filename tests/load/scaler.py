"""Scales the native stack by the checkout's own command, in a process of its own: the requests go on meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.load.admin import MAX_WORDS, AdminError

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0
SCALED = ("service1", "service2")


class Scaler:
    """The nodes of the native stack in *run_dir*; where none runs there, it counts none."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir

    def counts(self) -> Mapping[str, int]:
        """Return how many nodes of each service the native stack has; empty where there is none."""
        try:
            rows = json.loads((self._run_dir / "programs.json").read_text(encoding="utf-8"))
            return Counter(str(row["service"]) for row in rows if row["service"] in SCALED)
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def scale(self, service: str, count: int) -> None:
        """Let *service* have *count* nodes.

        Raises:
            AdminError: the command failed, or took longer than `TIMEOUT_S`.
        """
        command = [sys.executable, "-m", "deploy.native", "scale", f"{service}={count}"]
        environ = {**os.environ, "CAROUSEL_RUN_DIR": str(self._run_dir.absolute())}
        try:
            # Ctrl-C in this terminal is for the load, which puts back what this does.
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environ,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                start_new_session=True,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AdminError(f"scale {service}={count}: {error}"[:MAX_WORDS]) from error
        if done.returncode:
            words = (done.stderr or done.stdout).strip().splitlines()
            raise AdminError(f"scale {service}={count}: {words[-1] if words else done.returncode}"[:MAX_WORDS])
