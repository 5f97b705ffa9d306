"""The `carousel` command: finds a subcommand, runs it, and turns what goes wrong into a line and an exit code.

A subcommand is imported when it is wanted; ``--help`` reads no more than their first lines.
"""

import os
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, NoReturn, TextIO

import click

from apps.cli import errors
from apps.cli.escaping import plain

COMMANDS: Final = {
    "send": "Send requests and show where each of them went.",
    "watch": "Show client requests as they end.",
    "trace": "Show a trace: its spans, then the steps of each request in it.",
    "logs": "Search the log records.",
    "ring": "Show the two rings: whose turn is next, shares, states.",
    "nodes": "Show the nodes: state, rate, errors, p95, processor, memory.",
    "bugs": "Show and order the bugs of the services.",
    "scale": "Start or drain replicas until each SERVICE has N.",
    "doctor": "Say what was found, what fits, what is missing.",
    "completion": "Print the completion script for a shell.",
    "help": "Show the help of a command, or of all.",
}
COMPLETE: Final = "_CAROUSEL_COMPLETE"
"""Set by a shell's completion script when it asks."""
EPILOG: Final = """\b
Exit codes: 0 all went well; 1 it did not (a request failed, a journey has holes);
2 the command line is wrong; 3 the stack cannot be reached; 130 interrupted.

The stack is found by --gateway and --storage, by CAROUSEL_GATEWAY_URL and CAROUSEL_STORAGE_API_URL, by .run/stack.json
of the stack that `make demo` started, or at the default ports moved by CAROUSEL_PORT_OFFSET."""


class Commands(click.Group):
    """The subcommands, each in a module of its own under `apps.cli.commands`."""

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command line and end the process with its exit code; or complete it for a shell that asks."""
        if os.environ.get(COMPLETE):
            _complete()
        code = run(*args, **kwargs)
        try:
            sys.stdout.flush()
        except OSError:
            code = _lost_reader()
        if threading.active_count() > 1:
            # Requests that are still under way when the user gives up hold no exit up.
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line and exit with its code; without *standalone_mode* as click does."""
        if kwargs.get("standalone_mode") is False:
            return super().main(*args, **kwargs)
        sys.exit(run(kwargs.get("args", args[0] if args else None)))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order that people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"apps.cli.commands.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from apps.telemetry.config import TelemetryConfig

    click.echo(f"carousel {TelemetryConfig('carousel', 'cli').version}")
    ctx.exit()


@click.command(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def main() -> None:
    """Send requests round the ring and see what became of them."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        _never_fail_to_encode(stream)
    try:
        result = main.main(args=arguments, prog_name="carousel", standalone_mode=False)
    except errors.CliError as error:
        return _fail(str(error), error.hint, error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return errors.USAGE
    except click.UsageError as error:
        hint = f"see `{error.ctx.command_path} --help`" if error.ctx else ""
        return _fail(error.format_message(), hint, errors.USAGE)
    except click.ClickException as error:
        return _fail(error.format_message(), "", errors.FAILED)
    except (click.Abort, KeyboardInterrupt):
        return _interrupted()
    except (BrokenPipeError, SystemExit):
        # Without standalone mode click ends the process itself for one reason only: nobody reads the output.
        return _lost_reader()
    except Exception as error:
        # A traceback tells a user nothing; the last line of it is what a report needs.
        kind = type(error).__name__
        return _fail(f"this is an error of the command's own: {kind}: {error}", "please report it", errors.FAILED)
    return result if isinstance(result, int) else errors.OK


def _complete() -> NoReturn:
    """Answer a shell that asks what may come next, and end; whatever goes wrong goes wrong in silence."""
    from contextlib import suppress

    from click.shell_completion import shell_complete

    with suppress(Exception):
        shell_complete(main, {}, "carousel", COMPLETE, os.environ[COMPLETE])
        sys.stdout.flush()
    os._exit(errors.OK)


def _fail(message: str, hint: str, code: int) -> int:
    hinted = f"\n  {hint}" if hint else ""
    click.echo(f"carousel: {plain(message)}{hinted}", err=True)
    return code


def _interrupted() -> int:
    click.echo("carousel: interrupted", err=True)
    return errors.INTERRUPTED


def _lost_reader() -> int:
    """Return the code for output that nobody reads any more, and let the interpreter end in silence."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return errors.BROKEN_PIPE


def _never_fail_to_encode(stream: TextIO) -> None:
    """Let a terminal that knows few characters show ``?`` for the others."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
