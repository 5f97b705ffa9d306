"""The decisions: their form, and their index."""

import re
from pathlib import Path

import pytest

from tests.docs.support import ROOT, headings, read

DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


def title(path: Path) -> str:
    """Return a decision's title without its number."""
    return headings(path.read_text(encoding="utf-8"))[0][1].split(": ", 1)[1]


def field(path: Path, name: str) -> str:
    """Return a field of a decision's head."""
    found = re.search(rf"(?m)^- {name}: (.+)$", path.read_text(encoding="utf-8"))
    assert found, f"{path.name} has no {name}"
    return found[1]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_the_form_of_the_template(path: Path) -> None:
    """Number, status, date and the three sections, in that order."""
    template = headings(read("docs/adr/template.md"))
    own = headings(path.read_text(encoding="utf-8"))

    assert own[0][1].startswith(f"{path.name[:4]}: ")
    assert template[1:] == own[1:]
    assert re.fullmatch(r"accepted|proposed|replaced by \d{4}", field(path, "Status"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", field(path, "Date"))


def test_the_index_lists_every_decision() -> None:
    """Number, file, title, status and date of each, in the order of the numbers."""
    rows = re.findall(r"(?m)^\| \[(\d{4})\]\(([^)]+)\) \| (.+) \| (.+) \| (.+) \|$", read("docs/adr/README.md"))
    wanted = [(path.name[:4], path.name, title(path), field(path, "Status"), field(path, "Date")) for path in DECISIONS]

    assert wanted == rows


def test_numbers_have_no_gap() -> None:
    """A decision is replaced, never removed."""
    assert list(range(1, len(DECISIONS) + 1)) == [int(path.name[:4]) for path in DECISIONS]


def test_cited_decisions_exist() -> None:
    """Code cites decisions by number."""
    known = {path.name[:4] for path in DECISIONS}
    sources = [path for folder in ("apps", "deploy", "tests", "docs") for path in (ROOT / folder).rglob("*.py")]
    cited = {number for path in sources for number in re.findall(r"ADR-(\d{4})", path.read_text(encoding="utf-8"))}

    assert cited <= known
