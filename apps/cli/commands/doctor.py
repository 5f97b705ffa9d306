"""``carousel doctor``: what the native stack finds on this machine."""

import click

from apps.cli.commands.options import json_option, run_in_checkout


@click.command("doctor")
@json_option
def command(as_json: bool) -> int:
    """Say what was found, what fits, what is missing.

    Python, packages, engines, ports and what runs, each with the line that gets or repairs it. It is `make doctor` of
    the checkout.

    \b
    Examples:
      carousel doctor

    \b
    Exit codes: those of `make doctor`: 0 the demo can run; 1 it cannot.
    """
    from apps.cli import checkout

    return run_in_checkout(checkout.doctor, as_json)
