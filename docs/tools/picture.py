"""The picture of the flow: one request round the ring, its nineteen steps, and where telemetry goes. Light and dark."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape

LIGHT: Final[Mapping[str, str]] = {
    "ink": "#18212b",
    "quiet": "#536170",
    "line": "#8a97a5",
    "hair": "#d3dae1",
    "paper": "#ffffff",
    "field": "#f6f8fa",
}
DARK: Final[Mapping[str, str]] = {
    "ink": "#e6ebf0",
    "quiet": "#9aa7b4",
    "line": "#6f7d8b",
    "hair": "#2f3943",
    "paper": "#0d1117",
    "field": "#151b23",
}
APPS: Final[Mapping[str, str]] = {
    "gateway": "#0072B2",
    "service1": "#E69F00",
    "service2": "#009E73",
    "storage": "#CC79A7",
}
"""A colour for each app, colour-blind safe (Okabe and Ito)."""

WIDTH, HEIGHT = 1000, 462
BOX_W, BOX_H, TOP = 158, 186, 50
LEFTS: Final = {"gateway a": 128, "service1": 356, "gateway b": 584, "service2": 812}
UP_Y, DOWN_Y = TOP + 38, TOP + 148
CLIENT_X = 46
COLLECTOR_Y, STORE_Y = 308, 396

Tokens = Mapping[str, str]


def _text(x: float, y: float, words: str, kind: str, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{kind}"/>'


def _badge(x: float, y: float, number: int, app: str, what: str) -> str:
    return (
        f'<g><title>{number}: {escape(what)}</title><circle cx="{x:g}" cy="{y:g}" r="11.5" class="badge {app}"/>'
        f"{_text(x, y + 4, str(number), 'number')}</g>"
    )


def _box(left: float, app: str, name: str, what: str) -> list[str]:
    middle = left + BOX_W / 2
    return [
        f'<rect x="{left:g}" y="{TOP:g}" width="{BOX_W:g}" height="{BOX_H:g}" rx="4" class="box"/>',
        f'<rect x="{left:g}" y="{TOP:g}" width="{BOX_W:g}" height="4" rx="2" class="edge {app}"/>',
        _text(middle, TOP + 88, name, "name"),
        _text(middle, TOP + 107, what, "words"),
    ]


def _ring(x: float, y: float, app: str) -> list[str]:
    """Return a small ring of three nodes with its hand, in the colour of the *app* it picks from."""
    radius = 13
    nodes = [(0, -radius), (radius * 0.866, radius / 2), (-radius * 0.866, radius / 2)]
    drawn = [f'<circle cx="{x:g}" cy="{y:g}" r="{radius}" class="orbit"/>']
    drawn.append(_line(x, y, x + nodes[1][0] * 0.62, y + nodes[1][1] * 0.62, "hand"))
    drawn += [f'<circle cx="{x + dx:g}" cy="{y + dy:g}" r="4" class="node {app}"/>' for dx, dy in nodes]
    return drawn


def _badges(left: float, app: str, places: Sequence[tuple[float, float, int, str]]) -> list[str]:
    return [_badge(left + dx, y, number, app, what) for dx, y, number, what in places]


def _way() -> list[str]:
    """Return the arrows of the request and of the answer, under the boxes' edges."""
    drawn = []
    stops = [CLIENT_X + 34, *(LEFTS[key] for key in LEFTS)]
    for n, (before, after) in enumerate(pairwise(stops)):
        start = before if n == 0 else before + BOX_W
        drawn.append(_line(start + 6, UP_Y, after - 5, UP_Y, "arrow"))
        drawn.append(_line(after - 6, DOWN_Y, start + 5, DOWN_Y, "arrow"))
    # Service 2 turns round: from its work to its answer.
    turn = LEFTS["service2"] + BOX_W - 14
    drawn.append(
        f'<path d="M{LEFTS["service2"] + BOX_W / 2 + 17:g} {UP_Y} H{turn - 8} q8 0 8 8 V{DOWN_Y - 8} q0 8 -8 8 '
        f'H{LEFTS["service2"] + 40}" class="turn"/>'
    )
    # Both boxes named gateway are one process.
    a, b = (LEFTS[key] + BOX_W / 2 for key in ("gateway a", "gateway b"))
    middle = (a + b) / 2
    drawn.append(f'<path d="M{a:g} {TOP - 6} V{TOP - 20} H{middle - 56:g}" class="same"/>')
    drawn.append(f'<path d="M{b:g} {TOP - 6} V{TOP - 20} H{middle + 56:g}" class="same"/>')
    drawn.append(_text(middle, TOP - 16, "one gateway", "words"))
    return drawn


def _boxes() -> list[str]:
    left, middle, right = 22, BOX_W / 2, BOX_W - 22
    a, s1, b, s2 = LEFTS.values()
    return [
        *_box(a, "gateway", "gateway", "ring of service 1"),
        *_ring(a + middle, TOP + 150, "service1"),
        *_badges(
            a,
            "gateway",
            [
                (left, UP_Y, 1, "request received"),
                (middle, UP_Y, 2, "node of service 1 picked"),
                (right, UP_Y, 3, "request sent"),
                (right, DOWN_Y, 18, "response received"),
                (left, DOWN_Y, 19, "response sent"),
            ],
        ),
        *_box(s1, "service1", "service1-k", "work, part 1 and 2"),
        *_badges(
            s1,
            "service1",
            [
                (left, UP_Y, 4, "request received"),
                (middle, UP_Y, 5, "work part 1 done"),
                (right, UP_Y, 6, "request for service 2 sent"),
                (right, DOWN_Y, 15, "response of service 2 received"),
                (middle, DOWN_Y, 16, "work part 2 done"),
                (left, DOWN_Y, 17, "response sent"),
            ],
        ),
        *_box(b, "gateway", "gateway", "ring of service 2"),
        *_ring(b + middle, TOP + 150, "service2"),
        *_badges(
            b,
            "gateway",
            [
                (left, UP_Y, 7, "request for service 2 received"),
                (middle, UP_Y, 8, "node of service 2 picked"),
                (right, UP_Y, 9, "request sent"),
                (right, DOWN_Y, 13, "response received"),
                (left, DOWN_Y, 14, "response forwarded to service 1"),
            ],
        ),
        *_box(s2, "service2", "service2-m", "work, or a bug"),
        *_badges(
            s2,
            "service2",
            [
                (left, UP_Y, 10, "request received"),
                (middle, UP_Y, 11, "work done"),
                (left, DOWN_Y, 12, "response sent"),
            ],
        ),
    ]


def _client() -> list[str]:
    y = TOP + 98
    return [
        f'<circle cx="{CLIENT_X}" cy="{y - 22:g}" r="8" class="person"/>',
        f'<path d="M{CLIENT_X - 14} {y + 8:g} a14 14 0 0 1 28 0" class="person"/>',
        _text(CLIENT_X, y + 30, "client", "name"),
    ]


def _telemetry() -> list[str]:
    left, right = LEFTS["gateway a"], LEFTS["service2"] + BOX_W
    middle, bottom = (left + right) / 2, TOP + BOX_H
    storage, prometheus = left + 190, right - 190
    drawn = [_line(x + BOX_W / 2, bottom + 4, x + BOX_W / 2, COLLECTOR_Y - 5, "sends") for x in LEFTS.values()]
    drawn.append(_text(left + BOX_W / 2 + 12, bottom + 40, "OTLP/HTTP: logs, spans, metrics", "words", "start"))
    drawn += [
        f'<rect x="{left}" y="{COLLECTOR_Y}" width="{right - left}" height="34" rx="4" class="box"/>',
        _text(middle, COLLECTOR_Y + 22, "OpenTelemetry Collector", "name"),
        _line(storage, COLLECTOR_Y + 38, storage, STORE_Y - 5, "sends"),
        _line(prometheus, COLLECTOR_Y + 38, prometheus, STORE_Y - 5, "sends"),
    ]
    for x, edge, name, what in (
        (storage, "storage", "storage", "logs, spans, metrics; the journey of a trace"),
        (prometheus, "engine", "Prometheus", "metrics with exemplars; who is up"),
    ):
        drawn += [
            f'<rect x="{x - 160}" y="{STORE_Y}" width="320" height="50" rx="4" class="box"/>',
            f'<rect x="{x - 160}" y="{STORE_Y}" width="4" height="50" rx="2" class="edge {edge}"/>',
            _text(x, STORE_Y + 21, name, "name"),
            _text(x, STORE_Y + 39, what, "words"),
        ]
    return drawn


def _style(tokens: Tokens) -> str:
    sans = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', 'DejaVu Sans', sans-serif"
    mono = "ui-monospace, 'SF Mono', Menlo, Consolas, 'Liberation Mono', 'DejaVu Sans Mono', monospace"
    rules = [
        f".name {{ font: 600 14px {mono}; fill: {tokens['ink']}; }}",
        f".words {{ font: 12px {sans}; fill: {tokens['quiet']}; }}",
        f".number {{ font: 600 12px {sans}; fill: {tokens['ink']}; font-variant-numeric: tabular-nums; }}",
        f".box {{ fill: {tokens['field']}; stroke: {tokens['hair']}; }}",
        f".arrow {{ stroke: {tokens['line']}; stroke-width: 1.5; marker-end: url(#head); }}",
        f".turn {{ fill: none; stroke: {tokens['line']}; stroke-width: 1.5; marker-end: url(#head); }}",
        f".same {{ fill: none; stroke: {APPS['gateway']}; }}",
        f".sends {{ stroke: {tokens['line']}; stroke-dasharray: 2 4; marker-end: url(#head); }}",
        f".orbit {{ fill: none; stroke: {tokens['line']}; }}",
        f".hand {{ stroke: {tokens['ink']}; stroke-width: 1.5; stroke-linecap: round; }}",
        f".person {{ fill: none; stroke: {tokens['line']}; stroke-width: 1.5; }}",
        f".badge {{ fill: {tokens['paper']}; stroke-width: 2; }}",
        f".edge.engine {{ fill: {tokens['line']}; }}",
        f".head {{ fill: {tokens['line']}; }}",
    ]
    for app, colour in APPS.items():
        rules.append(f".badge.{app} {{ stroke: {colour}; }} .node.{app}, .edge.{app} {{ fill: {colour}; }}")
    return "\n".join(f"    {rule}" for rule in rules)


def flow(tokens: Tokens) -> str:
    """Return the picture as SVG in the neutrals of *tokens*, on a transparent ground."""
    parts = [*_client(), *_boxes(), *_way(), *_telemetry()]
    body = "\n".join(f"  {part}" for part in parts)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title desc">
  <title id="title">A request goes round the ring in nineteen steps</title>
  <desc id="desc">From left to right: a client asks the gateway (1), which picks a node of service 1 from a ring (2, 3).
  Service 1 works (4, 5) and asks the gateway for service 2 (6). The gateway picks a node of service 2 from a second
  ring (7 to 9). Service 2 works (10, 11). The answer comes back the same way (12 to 19). Every app sends its logs,
  spans and metrics to the OpenTelemetry Collector, which feeds storage and Prometheus.</desc>
  <!-- Generated by `python -m docs.tools`. -->
  <style>
{_style(tokens)}
  </style>
  <defs>
    <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"
            markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.5 L8 4 L0 7.5 z" class="head"/></marker>
  </defs>
{body}
</svg>
"""
