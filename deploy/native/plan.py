"""Which nodes have to come and which have to go so that a stack has as many of each service as is asked for.

Pure: decides and touches nothing. A new node is like its siblings; only its name, its port and what it knows of the
gateways are its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from deploy.native.config import BOUNDS
from deploy.native.programs import IN_RINGS, Program, address_of, gateway_urls, number_of

_ORDER: Final = re.compile(r"([a-z0-9]+)=(\d{1,4})")


class Misused(ValueError):
    """What was typed will not do; the message says what is wrong and what is expected."""


def parse(words: Sequence[str]) -> dict[str, int]:
    """Return how many of each service *words* like ``service1=3`` ask for.

    Raises:
        Misused: a word is of no such form, out of bounds, or there is none.
    """
    form = ", ".join(f"{name}={low}..{high}" for name, (low, high) in BOUNDS.items())
    if not words:
        raise Misused(f"say which service and how many: {form}")
    wanted: dict[str, int] = {}
    for word in words:
        order = _ORDER.fullmatch(word)
        if order is None or order[1] not in BOUNDS:
            raise Misused(f"{word!r}: expected {form}")
        low, high = BOUNDS[order[1]]
        if not low <= int(order[2]) <= high:
            raise Misused(f"{word!r}: expected {order[1]} from {low} to {high}")
        if wanted.setdefault(order[1], int(order[2])) != int(order[2]):
            raise Misused(f"{word!r}: {order[1]} was named twice")
    return wanted


@dataclass(frozen=True)
class Plan:
    """What has to be done, in this order."""

    start: tuple[Program, ...]
    """New replicas of services in rings, then new gateways."""
    rewire: tuple[Program, ...]
    """Replicas of service 1 as they have to be started anew, since the gateways are others now."""
    stop: tuple[Program, ...]
    """The highest numbers first."""


def of_service(programs: Sequence[Program], service: str) -> list[Program]:
    """Return the replicas of *service*, lowest number first."""
    return sorted((program for program in programs if program.service == service), key=number_of)


def ordered(programs: Sequence[Program]) -> list[Program]:
    """Return *programs* with those of one service side by side, by number."""
    services = list(dict.fromkeys(program.service for program in programs))
    return sorted(
        programs,
        key=lambda program: (services.index(program.service), number_of(program) if program.service in BOUNDS else 0),
    )


def sibling(template: Program, number: int, programs: Sequence[Program]) -> Program:
    """Return replica *number* of the service that *template* is one of, for a stack of *programs*."""
    name = f"{template.service}-{number}"
    address = urlsplit(template.ready_url or "")
    port = (address.port or 0) + number - number_of(template)
    env = {**template.env, "CAROUSEL_NODE": name, "CAROUSEL_PORT": str(port)}
    if template.service == "gateway":
        for service in IN_RINGS:
            members = ",".join(address_of(one) for one in of_service(programs, service))
            env[f"CAROUSEL_{service.upper()}_MEMBERS"] = members
    new = replace(
        template,
        name=name,
        env=env,
        ports=(("http", port),),
        ready_url=f"http://{address.hostname}:{port}{address.path}",
    )
    return knowing(new, of_service(programs, "gateway"))


def knowing(program: Program, gateways: Sequence[Program]) -> Program:
    """Return *program* as it is when the stack has these *gateways*: only replicas of service 1 differ."""
    if program.service != "service1":
        return program
    urls = gateway_urls([address_of(gateway) for gateway in gateways], number_of(program))
    return replace(program, env={**program.env, "CAROUSEL_GATEWAY_URL": urls})


def plan(programs: Sequence[Program], wanted: Mapping[str, int]) -> Plan:
    """Return what has to be done so that a stack of *programs* has as many of each service as *wanted* says."""
    stop = [one for service, count in wanted.items() for one in of_service(programs, service)[count:]]
    staying = [program for program in programs if program not in stop]
    gateways = _missing(staying, "gateway", wanted)
    # New replicas have to know all gateways, and new gateways all replicas.
    replicas = [one for service in IN_RINGS for one in _missing([*staying, *gateways], service, wanted)]
    after = [*staying, *gateways, *replicas]
    gateways = [sibling(one, number_of(one), after) for one in gateways]
    has_others = bool(gateways) or any(one.service == "gateway" for one in stop)
    known = of_service(after, "gateway")
    rewire = [knowing(one, known) for one in of_service(staying, "service1")] if has_others else []
    return Plan(
        start=(*replicas, *gateways),
        rewire=tuple(rewire),
        stop=tuple(sorted(stop, key=lambda one: (one.service == "gateway", one.service, -number_of(one)))),
    )


def _missing(programs: Sequence[Program], service: str, wanted: Mapping[str, int]) -> list[Program]:
    there = of_service(programs, service)
    taken = {number_of(program) for program in there}
    free = [number for number in range(1, BOUNDS[service][1] + 1) if number not in taken]
    count = max(wanted.get(service, 0) - len(there), 0)
    return [sibling(there[0], number, programs) for number in free[:count]]
