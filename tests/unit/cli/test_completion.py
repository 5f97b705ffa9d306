"""Completion and help: what a shell offers, and what every command says of itself."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from apps.cli.errors import OK, USAGE
from apps.cli.main import COMMANDS, main
from tests.unit.cli import samples
from tests.unit.cli.conftest import Asked, Server

Carousel = Callable[..., Result]
ROOT = Path(__file__).parents[3]


def offered(*words: str) -> list[str]:
    """Return what a shell would offer for the last of *words*."""
    environ = os.environ | {
        "_CAROUSEL_COMPLETE": "bash_complete",
        "COMP_WORDS": "\n".join(["carousel", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "apps.cli"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert (OK, "") == (done.returncode, done.stderr)
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_commands_and_options_are_offered(carousel: Carousel) -> None:
    """By their beginning."""
    assert ["send", "scale"] == offered("s")
    assert "--watch" in offered("ring", "--")
    assert ["clear"] == offered("bugs", "c")
    assert ["ring"] == offered("help", "ri")


def test_names_of_the_running_stack_are_offered(carousel: Carousel, gateway: Server, storage: Server) -> None:
    """Nodes from the rings and from storage; entities, kinds and steps need nobody."""
    gateway.knows({"/admin/rings": samples.RINGS})
    storage.knows({"/api/v1/nodes": samples.NODES})

    assert ["gateway-1"] == offered("logs", "--node", "gat")
    assert ["service2", "service2-1", "service2-2"] == offered("bugs", "set", "service2")
    assert ["orders"] == offered("send", "o")
    assert ["slow="] == offered("bugs", "set", "service2", "sl")
    assert ["service1="] == offered("scale", "service1")
    assert ["service2.work.bug"] == offered("logs", "--step", "service2.work.b")


def test_a_stack_that_does_not_answer_offers_nothing_and_says_nothing(
    carousel: Carousel, gateway: Server, storage: Server
) -> None:
    """And it is quick about it: nobody waits at a prompt."""
    asked, is_over = [], threading.Event()

    def answer(_asked: Asked) -> tuple[int, dict[str, str], Any]:
        asked.append(time.monotonic())
        is_over.wait(30)
        return 200, {}, samples.RINGS

    gateway.answer = storage.answer = answer
    try:
        assert [] == offered("logs", "--node", "")
    finally:
        is_over.set()

    assert 2 == len(asked)
    assert asked[1] - asked[0] < 5


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_its_shell_reads(shell: str) -> None:
    """It names the program and the variable; where the shell is here, it reads it without a complaint."""
    result = CliRunner().invoke(main, ["completion", shell])

    assert OK == result.exit_code
    assert "_CAROUSEL_COMPLETE" in result.stdout
    if which(shell):
        done = subprocess.run([shell, "-n"], input=result.stdout, text=True, capture_output=True, check=False)
        assert (0, "") == (done.returncode, done.stderr)


def test_another_shell_is_refused() -> None:
    """With those there are."""
    assert USAGE == CliRunner().invoke(main, ["completion", "tcsh"]).exit_code


def _all_commands() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command, those of a group's own included."""
    for name in COMMANDS:
        yield (name,)
        command = main.get_command(click.Context(main), name)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.commands)


@pytest.mark.parametrize("words", list(_all_commands()), ids=" ".join)
def test_every_command_helps_like_a_manual_page(words: tuple[str, ...]) -> None:
    """Synopsis, what it shows, examples, exit codes, options; in 80 columns, and `help` says the same."""
    own = CliRunner().invoke(main, [*words, "--help"])
    by_help = CliRunner().invoke(main, ["help", *words])

    assert (OK, OK) == (own.exit_code, by_help.exit_code)
    assert own.output == by_help.output
    assert own.output.startswith(f"Usage: carousel {' '.join(words)} ")
    assert [] == [part for part in ("Examples:", "Exit codes:", "Options:") if part not in own.output]
    assert [] == [line for line in own.output.splitlines() if len(line) > 92]


def test_help_of_no_command_is_that_of_all() -> None:
    """The list."""
    result = CliRunner().invoke(main, ["help"])

    assert OK == result.exit_code
    assert [] == [name for name in COMMANDS if name not in result.output]


def test_help_of_what_is_no_command_ends_in_2() -> None:
    """With where they are listed."""
    result = CliRunner().invoke(main, ["help", "unicorn"])

    assert USAGE == result.exit_code
    assert "carousel --help" in result.stderr
