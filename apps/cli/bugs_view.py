"""Orders for bugs and what every node has, as tables. Pure.

::

    target      ordered
    service2    slow=0.1;ms=400,error=0.05

    node        bugs                          by
    service1-1  none                          itself
    service2-1  slow=0.1;ms=400,error=0.05    the order for service2
"""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from apps.cli import theme
from apps.cli.quantities import counted
from apps.cli.shape import Object, child, children, text

NOT_THERE = "?"


def draw(answer: Object, *, gateway: str = "") -> Iterator[Text]:
    """Yield orders and nodes of a gateway's answer; *gateway* names it where there are several."""
    if gateway:
        yield theme.line((gateway, theme.app_style("gateway")))
    orders = {text(one, "target"): text(one, "rates") for one in children(answer, "orders")}
    width = _width([*orders, *(text(one, "node") for one in children(answer, "nodes"))])
    if orders:
        yield theme.line((f"{'target':{width}}  ordered", theme.DIM))
        for target, rates in orders.items():
            yield theme.line(
                (theme.fit(target, width), theme.app_style(_service(target))), "  ", (rates or "none", theme.STRONG)
            )
    else:
        yield theme.line("no bugs are ordered: every node has those that it was started with")
    nodes = children(answer, "nodes")
    if not nodes:
        return
    yield Text("")
    rates_width = max(4, *(cell_len(text(one, "bugs", "none")) for one in nodes))
    yield theme.line((f"{'node':{width}}  {'bugs':{rates_width}}  by", theme.DIM))
    for one in nodes:
        node = text(one, "node", "?")
        known = one.get("bugs")
        shown = NOT_THERE if known is None else text(one, "bugs", "none")
        yield theme.line(
            (theme.fit(node, width), theme.app_style(text(one, "service"))),
            "  ",
            (theme.fit(shown, rates_width), "" if shown not in ("none", NOT_THERE) else theme.DIM),
            "  ",
            (_by(node, text(one, "service"), orders) if known is not None else "it does not tell", theme.DIM),
        )


def _by(node: str, service: str, orders: dict[str, str]) -> str:
    for target in (node, service):
        if target in orders:
            return "its own order" if target == node else f"the order for {target}"
    return "itself"


def _service(target: str) -> str:
    return target if target in theme.APPS else theme.app_of(target)


def _width(names: Sequence[str]) -> int:
    return max(10, *map(cell_len, names)) if names else 10


def changed(answer: Object) -> Iterator[Text]:
    """Yield what came of an order: one line for it, one for each node that could not be told."""
    target, rates = text(answer, "target"), text(answer, "rates")
    nodes = children(answer, "nodes")
    reached = [one for one in nodes if text(one, "status") == "set"]
    what = f"bugs of {target or 'all'}: {rates}" if rates else f"bugs of {target or 'all'}: back to their own"
    yield theme.line((what, theme.STRONG), f"  {counted(len(reached), 'node')} told")
    for one in nodes:
        if text(one, "status") != "set":
            detail = text(one, "detail")
            yield theme.line(
                (f"  {theme.ERROR_MARK} {text(one, 'node', '?')} {text(one, 'status', 'unreachable')}", theme.ERROR),
                f"{': ' + detail if detail else ''}; it is told when it is back",
            )


def kinds_table(kinds: Sequence[dict[str, Any]], width: int) -> Iterator[Text]:
    """Yield the kinds of bugs with their words, under each its parameters."""
    name_width = max(len(kind["kind"]) for kind in kinds)
    yield theme.line((f"{'kind':{name_width}}  what it does", theme.DIM))
    for kind in kinds:
        words = wrap(kind.get("words") or "", width - name_width - 2) or [""]
        yield theme.cut(theme.line((theme.fit(kind["kind"], name_width), theme.STRONG), f"  {words[0]}"), width)
        yield from (theme.line(" " * (name_width + 2), more) for more in words[1:])
        limits = child(kind, "limits")
        for name, default in child(kind, "parameters").items():
            most = limits.get(name)
            limit = f", at most {most:g}" if isinstance(most, int | float) else ""
            yield theme.line(" " * (name_width + 2), (f"{name}={default:g}", ""), (f"  the default{limit}", theme.DIM))
    yield Text("")
    yield theme.line(
        ("as a rate: ", theme.DIM),
        "slow=0.1;ms=400",
        ("   for one request: ", theme.DIM),
        "--fault 'service2:slow;ms=400'",
    )
