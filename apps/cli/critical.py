"""The critical path of a trace: the chain of spans that made it take as long as it did. Pure.

Walked backwards from a root's end: whatever ended last was waited for, and before it began, what ended last before
that. A child counts within its parent's time only, whatever its clock says or however long it went on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apps.cli.spans import Branch, Span


@dataclass(frozen=True, slots=True)
class Share:
    """A span on the path: until *until* (unix nanoseconds), for *own_ns* of which it waited for no span below."""

    span: Span
    until: int
    own_ns: int


def path(branches: Sequence[Branch]) -> dict[str, Share]:
    """Return the spans on the critical paths of the trees in *branches*, by span id."""
    below = {branch.span.span_id: branch.children for branch in branches}
    found: dict[str, Share] = {}
    for branch in branches:
        if not branch.guides and branch.span.is_finished:
            _walk(branch.span, below, found)
    return found


def _walk(root: Span, below: Mapping[str, Sequence[Span]], found: dict[str, Share]) -> None:
    # A list instead of recursion: a hostile trace may be deeper than Python recurses.
    waiting = [(root, root.start, root.end)]
    while waiting:
        span, begun, until = waiting.pop()
        at, own_ns = until, 0
        for child in sorted(below.get(span.span_id, ()), key=lambda one: -one.end):
            start, end = max(child.start, begun), min(child.end, at)
            if start >= end or not child.is_finished:
                continue
            own_ns += at - end
            waiting.append((child, start, end))
            at = start
        found[span.span_id] = Share(span, until, own_ns + at - begun)


def largest(shares: Iterable[Share], most: int) -> list[Share]:
    """Return up to *most* shares whose own time is the longest, the longest first; those without own time never."""
    return sorted((one for one in shares if one.own_ns > 0), key=lambda one: -one.own_ns)[:most]
