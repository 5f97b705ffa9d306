"""Makes text from telemetry harmless before a terminal sees it.

A log message is written by whoever sends one: it may carry escape sequences that recolour, retitle or answer for
the terminal (ECMA-48), line ends that forge records, and bidirectional marks that show other words than there are.
"""

import json
import re
from typing import Any, Final

_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: 0x9b alone begins a sequence
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, bidirectional, line separators
    "\ud800-\udfff\U000e0000-\U000e007f]"  # what UTF-8 cannot say, and invisible tags
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _shown(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _in_json(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]


def plain(text: str) -> str:
    """Return *text* in one line, with everything that a terminal would act on spelled out (``\\x1b``, ``\\n``)."""
    return _UNSAFE.sub(_shown, text)


def json_line(value: Any) -> str:
    """Return *value* as one line of JSON: other scripts as they are, what is unsafe in a terminal as ``\\uXXXX``."""
    return _UNSAFE.sub(_in_json, json.dumps(value, ensure_ascii=False, separators=(", ", ": ")))
