"""Reads the repository's Markdown: pages, headings, links, code."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
ASSIGNMENT = re.compile(r"[A-Z_][A-Z0-9_]*=")


def pages() -> list[Path]:
    """Return every Markdown file of the repository; not those of folders that begin with a dot."""
    found = [path for path in ROOT.rglob("*.md") if not hidden(path)]
    assert ROOT / "README.md" in found
    return sorted(found)


def hidden(path: Path) -> bool:
    """Tell whether *path* lies in a folder that begins with a dot, or in one of packages."""
    parts = path.relative_to(ROOT).parts
    return any(part.startswith(".") or part in ("node_modules", "build", "dist") for part in parts)


def named(path: Path) -> str:
    """Return *path* as a test's name."""
    return str(path.relative_to(ROOT))


def read(name: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """Return *text* without fenced, indented and inline code."""
    text = FENCE.sub("", text)
    text = re.sub(r"(?m)^ {4}.*$", "", text)
    return INLINE.sub("", text)


def headings(text: str) -> list[tuple[int, str]]:
    """Return level and words of each heading."""
    return [(len(marks), words) for marks, words in re.findall(r"(?m)^(#{1,6}) (.+)$", FENCE.sub("", text))]


def slug(words: str) -> str:
    """Return the anchor of a heading as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", words.strip().lower())
    return kept.replace(" ", "-")


def links(text: str) -> list[str]:
    """Return the targets of links and pictures, in order."""
    return [one or other for one, other in LINK.findall(without_code(text))]


def blocks(text: str) -> list[tuple[str, str]]:
    """Return language and content of each fenced block."""
    return FENCE.findall(text)


def cells(text: str, column: int = 0) -> list[str]:
    """Return the names in inline code in one column of all tables, without their heads."""
    found = []
    for line in text.splitlines():
        if line.startswith("| ") and not set(line) <= set("| -"):
            parts = [part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]]
            found += INLINE.findall(parts[column])
    return found


def commands(text: str) -> list[list[str]]:
    """Return the commands of a page as words: lines of shell blocks and inline code, without what comes before them."""
    lines = [line for language, body in blocks(text) if language in ("sh", "console") for line in body.splitlines()]
    shell = [line.removeprefix("$ ") for line in lines if not line.startswith("#")]
    found = []
    for line in [*shell, *INLINE.findall(FENCE.sub("", text))]:
        for part in re.split(r"\s(?:&&|\||;)\s", line.split("  #")[0]):
            try:
                words = shlex.split(part)
            except ValueError:
                continue
            while words and ASSIGNMENT.match(words[0]):
                words.pop(0)
            if words:
                words[0] = words[0].removeprefix(".venv/bin/")
                found.append(words)
    return found
