"""The spans of a trace: read from OTLP JSON, and put in the order of a tree. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from apps.cli.journeys import Journey
from apps.cli.quantities import parse_time, to_nanoseconds
from apps.cli.shape import Object, child, children, text, whole
from apps.telemetry import names

INTERNAL: Final = 1
SERVER: Final = 2
CLIENT: Final = 3
_ERROR: Final = 2
"""StatusCode of a failed span (opentelemetry/proto/trace/v1)."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span. Times are unix nanoseconds, and *end* is never before *start*.

    One that is not finished began at the first sign of life in it; nobody knows its end, nor its parent.
    """

    span_id: str
    parent_id: str
    name: str
    kind: int
    node: str
    app: str
    start: int
    end: int
    is_error: bool = False
    error_type: str = ""
    status: int | None = None
    bug: str = ""
    resend: int = 0
    server: str = ""
    is_finished: bool = True

    @property
    def duration_ms(self) -> float:
        """Return how long it took, in milliseconds."""
        return (self.end - self.start) / 1e6


@dataclass(frozen=True, slots=True)
class Branch:
    """A span at its place in the tree. *guides* draws the way to it, one column a level.

    *children* are the spans right below it. *is_cut_off* tells that it names a parent which is not there.
    """

    span: Span
    guides: str
    children: Sequence[Span]
    is_cut_off: bool = False


def decode(shape: Object) -> list[Span]:
    """Return the spans in an OTLP JSON document, by start. Of two with one id the first counts."""
    found: dict[str, Span] = {}
    for resource_spans in children(shape, "resourceSpans"):
        resource = _attributes(child(resource_spans, "resource"))
        for scope_spans in children(resource_spans, "scopeSpans"):
            for one in children(scope_spans, "spans"):
                span = _span(one, resource)
                found.setdefault(span.span_id, span)
    return sorted(found.values(), key=lambda span: (span.start, -span.end))


def _span(shape: Object, resource: Object) -> Span:
    attributes = _attributes(shape)
    start = whole(shape, "startTimeUnixNano")
    status = whole(attributes, names.STATUS, -1)
    server = text(attributes, "server.address")
    port = text(attributes, "server.port")
    return Span(
        span_id=text(shape, "spanId"),
        parent_id=text(shape, "parentSpanId"),
        name=text(shape, "name", "(no name)"),
        kind=whole(shape, "kind"),
        node=text(resource, names.NODE),
        app=text(resource, names.APP),
        start=start,
        end=max(start, whole(shape, "endTimeUnixNano")),
        is_error=whole(child(shape, "status"), "code") == _ERROR,
        error_type=text(attributes, names.ERROR_TYPE),
        status=status if status >= 0 else None,
        bug=text(attributes, names.BUG),
        resend=whole(attributes, names.RESEND_COUNT),
        server=f"{server}:{port}" if server and port else server,
    )


def unfinished(journeys: Iterable[Journey], known: Sequence[Span]) -> list[Span]:
    """Return the spans that *journeys* know to have begun and that never came, as long as the *known* ones go on."""
    last = max((span.end for span in known), default=0)
    found = []
    for journey in journeys:
        began = parse_time(journey.time)
        steps = [*journey.steps, *(step for earlier in journey.earlier for step in earlier.steps)]
        for one in journey.unfinished:
            offsets = [step.offset_ms for step in steps if step.span_id == one.span_id and step.offset_ms is not None]
            if began is None or not offsets:
                continue
            start = to_nanoseconds(began) + int(min(offsets) * 1e6)
            name = f"after {one.last_step}" if one.last_step else ""
            end = max(start, last)
            found.append(Span(one.span_id, "", name, SERVER, one.node, one.app, start, end, is_finished=False))
    return found


@dataclass(frozen=True, slots=True)
class Tick:
    """A log record in a span, at *time* (unix nanoseconds)."""

    time: int
    is_error: bool


def ticks(journeys: Iterable[Journey]) -> dict[str, list[Tick]]:
    """Return the log records of *journeys*' steps, earlier attempts among them, by the span they are in."""
    found: dict[str, list[Tick]] = {}
    for journey in journeys:
        began = parse_time(journey.time)
        if began is None:
            continue
        for step in (*journey.steps, *(step for earlier in journey.earlier for step in earlier.steps)):
            if step.span_id and step.offset_ms is not None:
                time = to_nanoseconds(began) + int(step.offset_ms * 1e6)
                found.setdefault(step.span_id, []).append(Tick(time, step.severity in ("ERROR", "FATAL")))
    return found


def absent(journeys: Iterable[Journey], known: Sequence[Span]) -> list[str]:
    """Return the nodes that *journeys* miss steps of and that no span of *known* comes from, in order of the way."""
    there = {span.node for span in known}
    nodes = (hole.node or f"{hole.app}-?" for journey in journeys for hole in journey.missing)
    return [node for node in dict.fromkeys(nodes) if node not in there]


def _attributes(shape: Object) -> dict[str, Any]:
    """Return the attributes of an OTLP JSON message whose values are plain; the others are of no use here."""
    found: dict[str, Any] = {}
    for pair in children(shape, "attributes"):
        value = child(pair, "value")
        for kind in ("stringValue", "intValue", "boolValue", "doubleValue"):
            if kind in value:
                found[str(pair.get("key"))] = value[kind]
    return found


def tree(spans: Sequence[Span]) -> list[Branch]:
    """Return *spans* in the order of their tree: each right after its parent, siblings by start.

    Whatever the parents claim, each span comes exactly once: one whose parent is not there begins a tree of its
    own, and so does one of a circle.
    """
    ids = {span.span_id for span in spans}
    below: dict[str, list[Span]] = {}
    for span in spans:
        below.setdefault(span.parent_id, []).append(span)
    seen: set[str] = set()
    branches: list[Branch] = []
    roots = [span for span in spans if span.parent_id not in ids or span.parent_id == span.span_id]
    for root in (*roots, *spans):
        if root.span_id not in seen:
            branches.extend(_grow(root, below, seen, ids))
    return branches


def _grow(root: Span, below: dict[str, list[Span]], seen: set[str], ids: set[str]) -> Iterator[Branch]:
    # An explicit stack: a hostile trace may be deeper than Python recurses.
    stack = [(root, "", "")]
    seen.add(root.span_id)
    while stack:
        span, guides, onward = stack.pop()
        under = [one for one in below.get(span.span_id, ()) if one.span_id not in seen]
        seen.update(one.span_id for one in under)
        yield Branch(span, guides, under, is_cut_off=bool(span.parent_id) and span.parent_id not in ids)
        for one in reversed(under):
            is_last = one is under[-1]
            stack.append((one, onward + ("└" if is_last else "├"), onward + (" " if is_last else "│")))


def uncovered(span: Span, below: Iterable[Span]) -> list[tuple[int, int]]:
    """Return the stretches of *span*'s time in which none of *below* ran: its own time."""
    own: list[tuple[int, int]] = []
    at = span.start
    for one in sorted(below, key=lambda span: span.start):
        if one.start > at:
            own.append((at, min(one.start, span.end)))
        at = max(at, one.end)
        if at >= span.end:
            return own
    own.append((at, span.end))
    return own
