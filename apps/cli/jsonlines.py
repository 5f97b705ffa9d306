"""Standard output as NDJSON: one object a line, flushed as it comes."""

import sys
from typing import Any

from apps.cli.escaping import json_line


def write(value: Any) -> None:
    """Write *value* to standard output as one line of JSON."""
    sys.stdout.write(json_line(value) + "\n")
    sys.stdout.flush()
