"""The command as a program: help, errors, pipes, colours, signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from apps.cli import main as module
from apps.cli.errors import BROKEN_PIPE, FAILED, INTERRUPTED, OK, USAGE
from apps.cli.main import COMMANDS, main
from apps.cli.screen import Screen, wants_colour
from tests.unit.cli import samples
from tests.unit.cli.conftest import Server

Carousel = Callable[..., Result]
ROOT = Path(__file__).parents[3]


def start(*arguments: str, **streams: int) -> subprocess.Popen[bytes]:
    """Start the command as a process of its own, in the environment of this one."""
    return subprocess.Popen([sys.executable, "-m", "apps.cli", *arguments], cwd=ROOT, **streams)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_helps(name: str) -> None:
    """Its first line is the one in the list."""
    result = CliRunner().invoke(main, [name, "--help"])

    assert OK == result.exit_code
    assert COMMANDS[name] in " ".join(result.output.split())


def test_help_imports_no_command() -> None:
    """It is quick because it loads neither rich, nor requests, nor a command."""
    program = "import sys; from apps.cli.main import run; run(['--help']); print(sorted(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert [] == [name for name in ("'rich'", "'requests'", "'apps.cli.commands") if name in output.splitlines()[-1]]


def test_json_needs_no_rich(carousel: Carousel, storage: Server) -> None:
    """A script that asks a hundred times waits for no pictures."""
    storage.says(200, {"logs": [samples.record()], "next": None})
    program = "import sys; from apps.cli.main import run; run(['logs', '--json']); print('rich' in sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert "False" == output.splitlines()[-1]


def test_the_version_is_that_of_the_apps() -> None:
    """One number for all."""
    assert "carousel 0.1.0\n" == CliRunner().invoke(main, ["--version"]).output


@pytest.mark.parametrize("arguments", [["nonsense"], ["send"], ["send", "orders", "--nonsense"], []])
def test_usage_errors_end_in_2(arguments: list[str]) -> None:
    """On standard error."""
    result = CliRunner().invoke(main, arguments)

    assert (USAGE, "") == (result.exit_code, result.stdout)


def test_an_error_of_its_own_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a traceback."""

    def broken(_name: str) -> None:
        raise KeyError("what")

    monkeypatch.setattr(module, "import_module", broken)
    result = CliRunner().invoke(main, ["nodes"])

    assert FAILED == result.exit_code
    assert "carousel: this is an error of the command's own: KeyError: 'what'\n  please report it\n" == result.stderr


def test_a_reader_that_goes_away_ends_it_quietly(carousel: Carousel, storage: Server) -> None:
    """As with ``carousel logs | head -1``."""
    storage.says(200, {"logs": [samples.record()] * 1000, "next": "more"})
    read, write = os.pipe()
    process = start("logs", "--limit", "0", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    os.read(read, 100)
    os.close(read)
    _, complaints = process.communicate(timeout=30)

    assert (BROKEN_PIPE, b"") == (process.returncode, complaints)


def test_ctrl_c_ends_it_at_once(carousel: Carousel, storage: Server) -> None:
    """One word, no traceback, code 130."""
    process = start("trace", samples.TRACE_ID, "--wait", "60", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    give_up_at = time.monotonic() + 30
    while not storage.asked and time.monotonic() < give_up_at:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, complaints = process.communicate(timeout=10)

    assert (INTERRUPTED, b"", b"carousel: interrupted") == (process.returncode, output, complaints.strip())


def test_ctrl_c_while_sending_still_sums_up(carousel: Carousel, gateway: Server) -> None:
    """With a rate and no number it is how the command is meant to end, so the code is that of the results."""
    gateway.says(200, {"service1": {"node": "service1-1"}, "service2": {"node": "service2-1"}}, X_Trace_Id="1" * 32)
    process = start("send", "orders", "--rate", "50", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    give_up_at = time.monotonic() + 30
    while len(gateway.asked) < 10 and time.monotonic() < give_up_at:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, complaints = process.communicate(timeout=10)

    assert (OK, b"") == (process.returncode, complaints)
    assert "answered well" in output.decode()


@pytest.mark.parametrize(
    ("environ", "is_terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colour_is_for_those_who_want_it(environ: dict[str, str], is_terminal: bool, expected: bool) -> None:
    """https://no-color.org: set and not empty."""
    assert expected == wants_colour(environ, is_terminal)


def test_a_pipe_gets_no_escape_sequence() -> None:
    """Not even bold."""
    from apps.cli import theme

    stream = StringIO()
    Screen(stream, {}).show([theme.line(("missing", theme.MISSING))])

    assert "missing\n" == stream.getvalue()


def test_a_pipe_is_never_cut_nor_wrapped() -> None:
    """Whatever its width is said to be."""
    from apps.cli import theme

    stream = StringIO()
    screen = Screen(stream, {"COLUMNS": "40"})
    screen.show([theme.line("x" * 20_000)])

    assert ("x" * 20_000 + "\n", None) == (stream.getvalue(), screen.limit)


def test_colours_are_of_the_sixteen() -> None:
    """A terminal's own palette, so that its theme holds."""
    from apps.cli import theme

    stream = StringIO()
    Screen(stream, {"FORCE_COLOR": "1"}).show([theme.line(("gateway-1", theme.app_style("gateway")))])

    assert "\x1b[94mgateway-1\x1b[0m\n" == stream.getvalue()


def test_a_terminal_that_knows_few_characters_is_no_error(carousel: Carousel, storage: Server) -> None:
    """What it lacks is a question mark."""
    storage.says(200, {"logs": [samples.record(message="заказ")], "next": None})
    os.environ["PYTHONIOENCODING"] = "ascii"
    process = start("logs", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, complaints = process.communicate(timeout=30)

    assert (OK, b"") == (process.returncode, complaints)
    assert b"?????" in output
