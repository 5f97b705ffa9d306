"""`make logs`: what the programs write, all of them or one, followed until Ctrl-C."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.native.config import StackConfig

FIRST_LINES = 10
POLL_S = 0.2


@dataclass
class Follower:
    """Reads the lines that are added to a file, across its rotation."""

    path: Path
    _inode: int = -1
    _offset: int = 0
    _rest: bytes = b""

    def last(self, count: int) -> list[str]:
        """Return the last *count* lines and go on from the end."""
        try:
            data = self.path.read_bytes()
            self._inode = self.path.stat().st_ino
        except OSError:
            return []
        self._offset = len(data)
        lines = data.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            self._rest = lines.pop()
        return [line.decode("utf-8", "replace").rstrip("\n") for line in lines[-count:]] if count else []

    def new(self) -> list[str]:
        """Return the whole lines since the last call; none if the file is not there."""
        try:
            stat = self.path.stat()
        except OSError:
            return []
        if stat.st_ino != self._inode or stat.st_size < self._offset:
            # Rotated: a new file under the same name.
            self._inode, self._offset, self._rest = stat.st_ino, 0, b""
        if stat.st_size == self._offset:
            return []
        with open(self.path, "rb") as file:
            file.seek(self._offset)
            data = self._rest + file.read()
            self._offset = file.tell()
        *whole, self._rest = data.split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]


def chosen(folder: Path, node: str | None) -> list[Path]:
    """Return the logs in *folder*, or that of *node* alone; empty when there is none."""
    if node:
        path = folder / f"{node}.log"
        return [path] if path.exists() else []
    return sorted(folder.glob("*.log"))


def prefixed(paths: Sequence[Path], lines: dict[Path, list[str]]) -> Iterator[str]:
    """Yield *lines*, each with its program's name when there is more than one."""
    width = max((len(path.stem) for path in paths), default=0)
    for path in paths:
        for line in lines.get(path, []):
            yield f"{path.stem:<{width}}  {line}" if len(paths) > 1 else line


def main(_: Sequence[str]) -> int:
    """Print the ends of the logs and follow them. NODE=name: one program; FOLLOW=0: do not follow."""
    config = StackConfig.from_env(os.environ)
    node = os.environ.get("NODE")
    paths = chosen(config.logs, node)
    if not paths:
        there = ", ".join(path.stem for path in chosen(config.logs, None)) or "none"
        print(f"no log of {node or 'any program'} in {config.logs}; there are: {there}", file=sys.stderr)
        return 1
    followers = [Follower(path) for path in paths]
    count = FIRST_LINES if len(paths) > 1 else 5 * FIRST_LINES
    lines = {follower.path: follower.last(count) for follower in followers}
    try:
        while True:
            for line in prefixed(paths, lines):
                print(line)
            sys.stdout.flush()
            if os.environ.get("FOLLOW") == "0":
                return 0
            time.sleep(POLL_S)
            lines = {follower.path: follower.new() for follower in followers}
    except KeyboardInterrupt:
        return 0
