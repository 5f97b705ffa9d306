"""What a shell offers behind the cursor: names from the running stack, where it answers at once, else none.

Nothing here ever fails or says anything: a completion that complains would do so in the middle of a command line.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

ANSWER_S: Final = 0.4
"""Seconds that a part of the stack has for its answer."""
ENTITIES: Final = "orders,payments,deliveries"
SERVICES: Final = ("service1", "service2")

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _quietly(names: Callable[[click.Context], Iterable[str]]) -> Complete:
    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            found = dict.fromkeys(names(ctx))
        except Exception:  # whatever it is, the user is typing
            found = {}
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]

    return complete


def _entities(_ctx: click.Context) -> list[str]:
    return [name.strip() for name in (os.environ.get("CAROUSEL_ENTITIES") or ENTITIES).split(",") if name.strip()]


def _nodes(ctx: click.Context) -> list[str]:
    from apps.cli import shape

    given = {name: ctx.params.get(name) for name in ("gateway", "storage")}
    names = [
        shape.text(member, "node")
        for ring in shape.children(_ask(given, "gateway", "/admin/rings"), "rings")
        for member in shape.children(ring, "members")
    ]
    names += [shape.text(node, "node") for node in shape.children(_ask(given, "storage", "/api/v1/nodes"), "nodes")]
    return sorted(name for name in names if name)


def _ask(given: dict[str, Any], part: str, path: str) -> dict[str, Any]:
    """Return what a part of the stack answers; empty when it does not answer at once."""
    from apps.cli import errors
    from apps.cli.addresses import find, read_admin_token
    from apps.cli.api import Api

    places = find(os.environ, Path.cwd(), gateway=given["gateway"], storage=given["storage"])
    is_gateway = part == "gateway"
    token = read_admin_token(places.run_dir) if is_gateway else None
    address = places.gateway if is_gateway else places.storage
    try:
        with Api(address, token=token, answer_s=ANSWER_S, connect_s=ANSWER_S) as api:
            return api.get(path)
    except errors.CliError:
        return {}


def _targets(ctx: click.Context) -> list[str]:
    return [*SERVICES, *(name for name in _nodes(ctx) if name.startswith(SERVICES))]


def _kinds(_ctx: click.Context) -> list[str]:
    from apps.cli.bug_kinds import kinds

    return [f"{kind['kind']}=" for kind in kinds()]


def _counts(_ctx: click.Context) -> list[str]:
    return [f"{service}=" for service in (*SERVICES, "gateway")]


def _steps(_ctx: click.Context) -> list[str]:
    from apps.telemetry import steps

    return sorted(steps.BY_NAME)


def _apps(_ctx: click.Context) -> list[str]:
    return ["gateway", *SERVICES, "storage", "console"]


def _faults(_ctx: click.Context) -> list[str]:
    from apps.cli.bug_kinds import kinds

    return ["none", *(f"{service}:{kind['kind']}" for service in reversed(SERVICES) for kind in kinds())]


entities = _quietly(_entities)
nodes = _quietly(_nodes)
targets = _quietly(_targets)
kinds = _quietly(_kinds)
counts = _quietly(_counts)
steps = _quietly(_steps)
apps = _quietly(_apps)
faults = _quietly(_faults)
