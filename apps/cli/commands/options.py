"""Options that several commands share."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from apps.cli.addresses import Addresses, find

Command = TypeVar("Command", bound=Callable[..., Any])


def gateway_option(command: Command) -> Command:
    """Add ``--gateway``."""
    return click.option("--gateway", metavar="URL", help="Address of the gateway; else it is found.")(command)


def storage_option(command: Command) -> Command:
    """Add ``--storage``."""
    return click.option("--storage", metavar="URL", help="Address of storage; else it is found.")(command)


def json_option(command: Command) -> Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, whole and stable, instead of text.")(
        command
    )


def addresses(*, gateway: str | None = None, storage: str | None = None) -> Addresses:
    """Return where the stack is, as options, environment and directory of this process tell."""
    return find(os.environ, Path.cwd(), gateway=gateway, storage=storage)


def run_in_checkout(command: Callable[[Path], Sequence[str]], as_json: bool) -> int:
    """Run what *command* returns for the root of the checkout, and return its exit code.

    With *as_json* its output comes as one object: the command, its exit code, and the lines that it printed.
    """
    from apps.cli import checkout

    root = checkout.find(Path.cwd())
    words = command(root)
    if not as_json:
        return checkout.run(root, words)
    from apps.cli import jsonlines

    code, lines = checkout.capture(root, words)
    jsonlines.write({"ok": code == 0, "exitCode": code, "output": lines})
    return code
