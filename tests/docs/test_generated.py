"""Pages that come from code are those that the code would write now."""

import hashlib

import pytest

from docs.tools.pages import PAGES
from docs.tools.tables import ranges
from docs.tools.third_party import licence, locked
from tests.docs.support import ROOT, cells, read

GENERATED = [path for path in PAGES if path != "THIRD_PARTY.md"]
LOCK = ROOT / "requirements" / "run.txt"
STANDARD_APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


@pytest.mark.parametrize("path", GENERATED)
def test_a_generated_page_is_current(path: str) -> None:
    """``python -m docs.tools`` would change nothing."""
    assert PAGES[path]() == read(path)


def test_third_party_lists_what_is_locked() -> None:
    """Each package with its version; those for Windows by name."""
    page = read("THIRD_PARTY.md")
    rows = dict(
        zip(cells(page), (row.split(" | ")[1] for row in page.splitlines() if row.startswith("| `")), strict=True)
    )

    assert {entry.name: entry.version for entry in locked(LOCK) if not entry.is_for_windows} == rows
    assert all(f"`{entry.name}`" in page for entry in locked(LOCK))


def test_third_party_states_the_licences_of_the_installed_packages() -> None:
    """As each package's own metadata has it; a package that is not installed here is not asked."""
    page = read("THIRD_PARTY.md")
    packages = [(entry, entry.installed) for entry in locked(LOCK)]
    rows = [f"| `{entry.name}` | {entry.version} | {licence(found)} |" for entry, found in packages if found]

    assert rows
    assert [row for row in rows if row not in page] == []


def test_the_licence_is_the_unaltered_standard_text() -> None:
    """The Apache License 2.0 as its authors publish it."""
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == STANDARD_APACHE_2


@pytest.mark.parametrize(
    ("numbers", "words"),
    [((), ""), ((4,), "4"), ((18, 19), "18, 19"), ((1, 2, 3, 5), "1–3, 5"), (range(1, 20), "1–19")],
)
def test_runs_of_numbers_are_shortened(numbers: range, words: str) -> None:
    """From three numbers on, a run is its first and its last."""
    assert words == ranges(numbers)
