"""How text becomes words: one tokenizer for every back end, so that `q` means the same on each.

Pure. A word is a run of letters, digits and the marks that belong to them, in any script; everything else
divides. Case is folded, compatibility forms are one (NFKC: ``ﬁ`` = ``fi``, full-width = plain) and ``ё`` = ``е``.
Han and kana are written without spaces: each character counts as a word, so that a part of a sentence is found.
Words are compared by their first `MAX_WORD` characters.
"""

import re
import unicodedata
from collections.abc import Collection
from functools import cache, lru_cache
from itertools import islice
from typing import Final

MAX_WORD: Final = 64
"""Characters of a word that are compared; a longer run (base64, a minified line) is cut here."""

MAX_WORDS: Final = 4096
"""Distinct words that are searched of one record; a hostile one cannot fill the index."""

_ASCII: Final = re.compile(r"[a-z0-9]+")
_KANA: Final = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED: Final = _KANA + _HAN


@cache
def _any_script() -> re.Pattern[str]:
    """Return the pattern of a word; `re` has no class for marks, so their ranges are collected once."""
    marks: list[str] = []
    start: int | None = None
    for code in range(0x300, 0x20000):
        is_mark = unicodedata.category(chr(code)).startswith("M")
        if is_mark and start is None:
            start = code
        elif not is_mark and start is not None:
            marks.append(f"{chr(start)}-{chr(code - 1)}")
            start = None
    letter = f"(?:[^\\W_{_UNSPACED}]|[{''.join(marks)}])"
    return re.compile(f"[{_UNSPACED}]|{letter}+")


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.replace("ё", "е")


def _split(text: str) -> tuple[str, ...]:
    found = _ASCII.findall(text.lower()) if text.isascii() else _any_script().findall(_fold(text))
    if len(text) > MAX_WORD:
        found = [word[:MAX_WORD] for word in found]
    return tuple(dict.fromkeys(found))


_split_short = lru_cache(maxsize=32768)(_split)


def words(text: str) -> tuple[str, ...]:
    """Return the distinct words of *text* in the order they first appear; empty if it has none."""
    # Attribute values repeat from record to record; long texts do not, and would fill the cache.
    return _split_short(text) if len(text) <= MAX_WORD else _split(text)


def words_of(texts: Collection[str]) -> frozenset[str]:
    """Return the distinct words of all *texts* together, at most `MAX_WORDS` of them (the first ones)."""
    found: set[str] = set()
    for text in texts:
        found.update(_split_short(text) if len(text) <= MAX_WORD else _split(text))
    return frozenset(found) if len(found) <= MAX_WORDS else _first_words(texts)


def _first_words(texts: Collection[str]) -> frozenset[str]:
    in_order = dict.fromkeys(word for text in texts for word in words(text))
    return frozenset(islice(in_order, MAX_WORDS))
