"""Colours, marks and words of the terminal: the same states as everywhere, in the sixteen colours a terminal has.

A colour never says anything alone: each state has a mark and a word. Pure; lines are `rich.text.Text`.
"""

from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

APPS: Final = {
    "gateway": "bright_blue",
    "service1": "yellow",
    "service2": "green",
    "storage": "magenta",
    "console": "cyan",
}
APP_ORDER: Final = tuple(APPS)

DIM: Final = "dim"
STRONG: Final = "bold"
ERROR: Final = "bold red"
SLOW: Final = "bright_yellow"
MISSING: Final = "bold bright_magenta"
MARKED: Final = "bold reverse"

ERROR_MARK: Final = "⊗"
SLOW_MARK: Final = "◷"
MISSING_MARK: Final = "◌"
UNFINISHED_MARK: Final = "░"
EJECTED_MARK: Final = "⊘"
PROBATION_MARK: Final = "○"
LINKED_MARK: Final = "●"
DRAINING_MARK: Final = "▽"
TRIED_MARK: Final = "✗"
"""Behind a node that a request met in vain before it was tried on another."""
DASHES: Final = "╌╌"
ELLIPSIS: Final = "…"


MEMBERS: Final = {
    "linked": (LINKED_MARK, ""),
    "probation": (PROBATION_MARK, SLOW),
    "ejected": (EJECTED_MARK, ERROR),
    "joining": (UNFINISHED_MARK, STRONG),
    "draining": (DRAINING_MARK, STRONG),
    "drained": (DRAINING_MARK, DIM),
}
"""Mark and style of a ring member's state; linked is drawn in the colour of its app."""


def member_mark(state: str) -> tuple[str, str]:
    """Return the mark and the style of a ring member's *state*; a question mark for one that is not known."""
    return MEMBERS.get(state, ("?", STRONG))


def shortened(identifier: str, width: int) -> str:
    """Return *identifier* in at most *width* columns, shortened in the middle: 4bf92f35…0e4736."""
    if len(identifier) <= width or width < 3:
        return identifier
    tail = (width - 1) // 2
    return f"{identifier[: width - 1 - tail]}{ELLIPSIS}{identifier[-tail:]}"


def app_style(app: str) -> str:
    """Return the colour of *app*; none for one that is not ours."""
    return APPS.get(app, "")


def app_of(node: str) -> str:
    """Return the app that a node's name tells: service1 for service1-2."""
    return node.rsplit("-", 1)[0]


def fit(text: str, width: int) -> str:
    """Return *text* in exactly *width* columns: cut with an ellipsis, or filled with spaces at its end."""
    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + ELLIPSIS if width > 0 else ""
    return set_cell_size(text, width)


def padded(text: str, width: int) -> str:
    """Return *text* with spaces after it, at least *width* columns; nothing of it is cut."""
    return text + " " * (width - cell_len(text))


def right(text: str, width: int) -> str:
    """Return *text* with spaces before it, at least *width* columns."""
    return " " * (width - cell_len(text)) + text


def line(*parts: str | tuple[str, str]) -> Text:
    """Return a line of plain parts and (text, style) parts. Nothing in them is read as markup."""
    built = Text(no_wrap=True, end="")
    for part in parts:
        if isinstance(part, tuple):
            built.append(part[0], part[1] or None)
        else:
            built.append(part)
    return built


def cut(shown: Text, width: int | None) -> Text:
    """Return *shown* in at most *width* columns, without spaces at its end; None leaves it whole."""
    result = shown.copy()
    result.rstrip()
    if width is not None and result.cell_len > width:
        result.truncate(width, overflow="ellipsis")
    return result
