"""Commands in the documentation can be typed."""

import importlib.util
import re
from pathlib import Path

import click
import pytest

from apps.cli.main import main as carousel
from tests.docs.support import ASSIGNMENT, commands, named, pages, read

TARGETS = set(re.findall(r"(?m)^([a-z][a-z-]*):", read("Makefile")))


def typed(page: Path, program: str) -> list[list[str]]:
    """Return the arguments of each call of *program* on a page."""
    return [words[1:] for words in commands(page.read_text(encoding="utf-8")) if words[0] == program and words[1:]]


def complaint(words: list[str]) -> str | None:
    """Return what is wrong with the arguments of ``carousel``, None if nothing is."""
    command: click.Command = carousel
    context = click.Context(command)
    options = {name for parameter in command.get_params(context) for name in parameter.opts}
    for word in words:
        if word.startswith("-"):
            if word.split("=")[0] not in options | {"--help"}:
                return f"{command.name} has no option {word}"
        elif isinstance(command, click.Group):
            inner = command.get_command(context, word)
            if inner is None:
                return f"there is no command {word}"
            command, context = inner, click.Context(inner, parent=context)
            options |= {name for parameter in command.get_params(context) for name in parameter.opts}
    return None


@pytest.mark.parametrize("page", pages(), ids=named)
def test_make_targets_exist(page: Path) -> None:
    """Every ``make TARGET`` is a target of the Makefile."""
    targets = {
        word for words in typed(page, "make") for word in words if not ASSIGNMENT.match(word) and word[0] not in "-…"
    }

    assert targets <= TARGETS


@pytest.mark.parametrize("page", pages(), ids=named)
def test_carousel_commands_exist(page: Path) -> None:
    """Every ``carousel COMMAND`` is a command, and its options are options."""
    complaints = [found for words in typed(page, "carousel") if (found := complaint(words))]

    assert complaints == []


@pytest.mark.parametrize("page", pages(), ids=named)
def test_modules_that_are_run_exist(page: Path) -> None:
    """Every ``python -m MODULE`` can be found."""
    modules = {words[1] for words in typed(page, "python") if words[0] == "-m" and len(words) > 1}

    assert {module for module in modules if importlib.util.find_spec(module) is None} == set()
