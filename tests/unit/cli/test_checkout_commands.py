"""``carousel scale`` and ``carousel doctor``: the checkout's own commands, as children."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from apps.cli import checkout
from apps.cli.errors import FAILED, USAGE

Carousel = Callable[..., Result]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose commands say how they were called, and end with 3."""
    package = tmp_path / "checkout" / "deploy" / "native"
    package.mkdir(parents=True)
    program = "import os, sys\nprint(*sys.argv[1:], os.path.basename(os.getcwd()))\nsys.exit(3)\n"
    for name in ("__main__.py", "bootstrap.py"):
        (package / name).write_text(program, encoding="utf-8")
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    below = tmp_path / "checkout" / "docs"
    below.mkdir()
    monkeypatch.chdir(below)
    return tmp_path / "checkout"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scale", "service1=3", "service2=2"], "scale service1=3 service2=2 checkout"),
        (["doctor"], "doctor checkout"),
    ],
)
def test_runs_the_command_of_the_checkout(
    carousel: Carousel, tree: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """In its root, with its output passed through and its exit code kept."""
    result = carousel(*arguments)

    assert (3, f"{said}\n") == (result.exit_code, capfd.readouterr().out)


def test_json_holds_output_and_exit_code(carousel: Carousel, tree: Path) -> None:
    """One object, whatever the child prints."""
    result = carousel("scale", "service1=3", "--json")

    assert 3 == result.exit_code
    assert {"ok": False, "exitCode": 3, "output": ["scale service1=3 checkout"]} == json.loads(result.stdout)


@pytest.mark.parametrize("counts", [[], ["service1"], ["service1=many"], ["service1=3", "=2"], ["service1=-1"]])
def test_what_is_no_count_is_refused(carousel: Carousel, tree: Path, counts: list[str]) -> None:
    """Before the child runs."""
    assert USAGE == carousel("scale", *counts).exit_code


def test_without_a_checkout_it_says_what_to_do(
    carousel: Carousel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with the installed package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkout, "BOOTSTRAP", Path("nowhere") / "bootstrap.py")

    result = carousel("doctor")

    assert FAILED == result.exit_code
    assert "this needs a checkout of Carousel" in result.stderr


def test_the_checkout_of_this_program_is_found_from_anywhere(tmp_path: Path) -> None:
    """One is enough, wherever the user stands."""
    assert Path(__file__).parents[3] == checkout.find(tmp_path)


def test_a_child_that_a_signal_ended_has_a_code_as_in_a_shell(tmp_path: Path) -> None:
    """128 and the number of the signal."""
    kills_itself = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"]

    assert 143 == checkout.run(tmp_path, kills_itself)
    assert 143 == checkout.capture(tmp_path, kills_itself)[0]
