"""The two READMEs say the same."""

from apps.telemetry.steps import STEPS, VARIANTS
from tests.docs.support import blocks, cells, headings, links, read

ENGLISH, RUSSIAN = read("README.md"), read("README.ru.md")


def test_headings_have_the_same_structure() -> None:
    """As many, in the same order of levels."""
    assert [level for level, _ in headings(ENGLISH)] == [level for level, _ in headings(RUSSIAN)]


def test_code_blocks_are_the_same() -> None:
    """Commands and outputs are not translated."""
    assert blocks(ENGLISH) == blocks(RUSSIAN)


def test_links_are_the_same() -> None:
    """Each links to the other, and to the same things besides."""
    others = {"README.md": "the other one", "README.ru.md": "the other one"}

    assert [others.get(link, link) for link in links(ENGLISH)] == [others.get(link, link) for link in links(RUSSIAN)]
    assert "README.ru.md" in links(ENGLISH)


def test_the_glossary_has_every_step_in_order() -> None:
    """Step names are not translated in the product: the Russian page explains them."""
    assert [step.name for step in (*STEPS, *VARIANTS)] == cells(RUSSIAN)


def test_both_name_the_commands_to_start_to_look_and_to_test() -> None:
    """What one types first, and the command that runs all tests."""
    text = "\n".join(body for _, body in blocks(ENGLISH))

    for command in ("make demo", "carousel send orders", "carousel trace", "make stop", "make test"):
        assert command in text
