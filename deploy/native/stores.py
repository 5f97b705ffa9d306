"""Asks Loki and Tempo for what they have of one trace, in the terms of storage: steps and spans with their nodes.

A store that does not answer, or answers something else, has nothing. Standard library only.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from deploy.native.listeners import get

NAMESPACE = "carousel"
LINES = 1000
HEX_SPAN_ID = re.compile(r"[0-9a-f]{16}")


def steps_in_loki(base: str, trace_id: str, since: str = "1h") -> list[tuple[str, str]]:
    """Return (step, node) of each step record of *trace_id* that the Loki at *base* has, oldest first."""
    query = f'{{service_namespace="{NAMESPACE}"}} | trace_id="{trace_id}" | carousel_step!=""'
    words = urlencode({"query": query, "since": since, "limit": LINES, "direction": "forward"})
    found = _json(f"{base}/loki/api/v1/query_range?{words}")
    try:
        rows = [
            (int(value[0]), stream["stream"]["carousel_step"], stream["stream"]["service_instance_id"])
            for stream in found["data"]["result"]
            for value in stream["values"]
        ]
    except (KeyError, TypeError, IndexError, ValueError):
        return []
    return [(step, node) for _, step, node in sorted(rows)]


def spans_in_tempo(base: str, trace_id: str) -> list[tuple[str, str]]:
    """Return (span id as 16 hex digits, node) of each span of *trace_id* that the Tempo at *base* has, by id."""
    found = _json(f"{base}/api/v2/traces/{trace_id}")
    return sorted(spans_of(found.get("trace") or {}))


def spans_of(trace: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (span id, node) of each span of an OTLP/JSON trace, whether its ids are hexadecimal or base64."""
    for group in trace.get("resourceSpans") or ():
        attributes = {item["key"]: item["value"] for item in group.get("resource", {}).get("attributes", ())}
        node = str(attributes.get("service.instance.id", {}).get("stringValue", ""))
        for scope in group.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                yield _hex(str(span["spanId"])), node


def _hex(span_id: str) -> str:
    # Eight bytes are 16 hexadecimal digits, or 12 characters of base64.
    return span_id if HEX_SPAN_ID.fullmatch(span_id) else base64.b64decode(span_id).hex()


def _json(url: str) -> dict[str, Any]:
    status, body = get(url, headers={"Accept": "application/json"})
    try:
        found = json.loads(body) if status == 200 else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
