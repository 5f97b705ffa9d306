"""Who may import whom: import-linter holds the contracts, this page holds import-linter to all of the code."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LIBRARIES = {"telemetry", "web"}


@pytest.fixture(scope="module")
def contracts() -> list[dict[str, Any]]:
    """The import contracts of pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: list[dict[str, Any]] = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return found


def packages() -> list[str]:
    """Return the names of the packages in apps."""
    return sorted(path.parent.name for path in (ROOT / "apps").glob("*/__init__.py"))


@pytest.mark.parametrize("package", packages())
def test_each_package_has_its_layer(contracts: list[dict[str, Any]], package: str) -> None:
    """A package that no contract names could import anything."""
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    named = {name.strip() for layer in layers for name in layer.split("|")}

    assert f"apps.{package}" in named


@pytest.mark.parametrize("package", sorted(set(packages()) - LIBRARIES))
def test_each_app_is_independent_of_the_others(contracts: list[dict[str, Any]], package: str) -> None:
    """Apps never import each other."""
    (independent,) = [contract["modules"] for contract in contracts if contract["type"] == "independence"]

    assert f"apps.{package}" in independent


def test_every_module_is_inside_a_package(contracts: list[dict[str, Any]]) -> None:
    """A folder without __init__.py is seen by no contract."""
    folders = {path.parent for path in (ROOT / "apps").rglob("*.py")}

    assert [] == sorted(str(folder) for folder in folders if not (folder / "__init__.py").exists())


def test_a_pure_core_exists_under_the_name_that_its_contract_gives(contracts: list[dict[str, Any]]) -> None:
    """A renamed module must not drop out of its contract."""
    named = [name for one in contracts if one["type"] == "forbidden" for name in one["source_modules"]]
    paths = {name: ROOT / name.replace(".", "/") for name in named}

    assert [] == [name for name, path in paths.items() if not path.with_suffix(".py").exists() and not path.is_dir()]


def test_the_contracts_are_kept() -> None:
    """As `make check` asks too."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    run = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert 0 == run.returncode, run.stdout + run.stderr


def test_importing_everything_starts_nothing() -> None:
    """No work at import: no thread, no provider, no handler of the root logger."""
    program = (
        "import apps, pkgutil, importlib, threading, logging\n"
        "for module in pkgutil.walk_packages(apps.__path__, 'apps.'):\n"
        "    if not module.name.endswith('__main__') and '.cli' not in module.name:\n"
        "        importlib.import_module(module.name)\n"
        "from opentelemetry import trace\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert not logging.getLogger().handlers\n"
        "assert type(trace.get_tracer_provider()).__name__ == 'ProxyTracerProvider'\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert 0 == run.returncode, run.stderr
