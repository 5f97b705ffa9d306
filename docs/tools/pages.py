"""Which pages are generated, and from what."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from docs.tools import bugs, picture, steps, third_party

ROOT: Final = Path(__file__).resolve().parents[2]

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "docs/reference/steps.md": steps.page,
    "docs/bugs.md": bugs.page,
    "docs/images/flow-light.svg": partial(picture.flow, picture.LIGHT),
    "docs/images/flow-dark.svg": partial(picture.flow, picture.DARK),
    "THIRD_PARTY.md": partial(third_party.page, ROOT / "requirements" / "run.txt"),
}
"""Each generated file, from the root of the repository, with what makes its text."""
