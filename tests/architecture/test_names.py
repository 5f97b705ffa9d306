"""Every name that a backend will see is in apps/telemetry/names.py."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.telemetry import names, steps

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path
    for package in ("telemetry", "web", "gateway", "service1", "service2", "storage")
    for path in (ROOT / "apps" / package).rglob("*.py")
    if path.name != "names.py"
)
EVENTS = {step.event for step in steps.BY_NAME.values()}


def literals(path: Path) -> Iterator[str]:
    """Yield the string literals of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node.value


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_spells_a_name_of_ours_itself(path: Path) -> None:
    """A name that is written twice is one that will be misspelt once."""
    assert [] == [text for text in literals(path) if text.startswith("carousel.") and " " not in text]


def test_no_name_is_given_twice() -> None:
    """But for the baggage members, which are named after the attributes they become."""
    values = [
        value
        for name, value in vars(names).items()
        if name.isupper() and isinstance(value, str) and not name.startswith("BAGGAGE_")
    ]
    assert len(values) == len(set(values))


def test_names_of_ours_begin_with_one_prefix() -> None:
    """Events, metrics and baggage; attributes unless the semantic conventions have them."""
    ours = {
        value
        for name, value in vars(names).items()
        if name.isupper() and (name.startswith(("METRIC_", "BAGGAGE_")) or value in EVENTS)
    }
    assert {"carousel."} == {value[:9] for value in ours}
