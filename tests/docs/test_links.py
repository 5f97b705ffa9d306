"""Links of the documentation lead somewhere."""

from pathlib import Path

import pytest

from tests.docs.support import ROOT, headings, links, named, pages, slug


@pytest.mark.parametrize("page", pages(), ids=named)
def test_relative_links_resolve(page: Path) -> None:
    """The file is there, and so is the heading."""
    relative = [link for link in links(page.read_text(encoding="utf-8")) if "://" not in link]

    assert [link for link in relative if not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    """Tell whether a relative link on a page has a target inside of the repository."""
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in [slug(words) for _, words in headings(target.read_text(encoding="utf-8"))]


def test_every_page_of_the_docs_is_reachable_from_the_index() -> None:
    """Nobody finds a page that nothing links to."""
    seen: set[Path] = set()
    waiting = [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        near = [(page.parent / link.split("#")[0]).resolve() for link in links(page.read_text(encoding="utf-8"))]
        waiting += [target for target in near if target.suffix == ".md" and target not in seen and target.exists()]

    assert {page for page in pages() if ROOT / "docs" in page.parents} <= seen
