"""``carousel scale``: more replicas, or fewer, in the running native stack."""

import re

import click

from apps.cli import completing, errors
from apps.cli.commands.options import json_option, run_in_checkout

COUNT = re.compile(r"[a-z][a-z0-9-]*=[0-9]{1,3}", re.ASCII)


@click.command("scale")
@click.argument("counts", nargs=-1, required=True, metavar="SERVICE=N...", shell_complete=completing.counts)
@json_option
def command(counts: tuple[str, ...], as_json: bool) -> int:
    """Start or drain replicas until each SERVICE has N.

    Works on the native stack of the checkout (`make demo`). New nodes join the rings by themselves; those that go are
    drained first, so no request fails. With containers it is `docker compose up --scale service1=3`.

    \b
    Examples:
      carousel scale service1=3
      carousel scale service1=3 service2=2
      carousel scale gateway=2

    \b
    Exit codes: 0 the stack has what was asked for; 1 it has not; 2 the command line is
    wrong; 3 no stack runs.
    """
    from apps.cli import checkout

    for count in counts:
        if not COUNT.fullmatch(count):
            raise errors.Misused(f"{count!r}: expected SERVICE=N, like service1=3")
    return run_in_checkout(lambda root: checkout.scale(root, counts), as_json)
