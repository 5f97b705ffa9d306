"""Trace ids as people paste them: 32 hex digits in any case, or a whole ``traceparent``."""

import re
from typing import Final

from apps.cli.errors import Misused
from apps.cli.escaping import plain

_ID: Final = re.compile(r"[0-9a-f]{32}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def parse(value: str) -> str:
    """Return the trace id in *value* as 32 lower-case hex digits.

    Raises:
        Misused: there is none in it, or it is all zeros (W3C Trace Context, "trace-id").
    """
    lowered = value.strip().lower().removeprefix("traceparent:").strip()
    whole = _TRACEPARENT.fullmatch(lowered)
    digits = whole[1] if whole else lowered
    if not _ID.fullmatch(digits) or digits == "0" * 32:
        raise Misused(
            f"{plain(value[:80])!r} is no trace id; expected 32 hex digits (not all 0) or a whole traceparent"
        )
    return digits
