"""The stack's secrets: files that only their owner reads, made at the first start and kept."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

NAMES = ("admin", "service")


def ensure(run_dir: Path, names: Sequence[str] = NAMES) -> list[Path]:
    """Make the files of *names* that are missing under `secrets/`; return the ones made."""
    folder = run_dir / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = []
    for name in names:
        path = folder / name
        if path.exists() and path.stat().st_size > 0:
            path.chmod(0o600)
            continue
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        made.append(path)
    return made
