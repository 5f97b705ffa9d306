"""Bugs on order: by probability, or for one request by the header ``X-Carousel-Fault``.

The header is ``none``, or a comma-separated list of ``target:kind`` with parameters: ``service2:slow;ms=3000`` asks
all of service 2, ``service2-1:error`` one node. Rates are ``kind=probability`` with the same parameters:
``slow=0.01;ms=400,error=0.02``.
"""

import random
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

NONE: Final = "none"
PARAMETERS: Final[Mapping[str, Mapping[str, float]]] = {
    "slow": {"ms": 1000.0},
    "error": {"status": 500.0},
    "exception": {},
    "garbage": {},
}
"""The kinds of bugs there are, and the parameters of each with their defaults."""

KINDS: Final = tuple(PARAMETERS)
MAX_MS: Final = 60_000
_TARGET: Final = re.compile(r"service[12](-[A-Za-z0-9]{1,32})?")


class FaultError(ValueError):
    """An order for a bug that nobody could carry out; the message says what is wrong and what is expected."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A bug to be shown. *target* is a service or a node, empty where the rates of a node itself ordered it."""

    kind: str
    target: str = ""
    parameters: Mapping[str, float] = field(default_factory=dict)

    def parameter(self, name: str) -> float:
        """Return a parameter, or its default."""
        return self.parameters.get(name, PARAMETERS[self.kind][name])


def _parameters(kind: str, items: Sequence[str]) -> dict[str, float]:
    if kind not in PARAMETERS:
        raise FaultError(f"there is no bug {kind[:40]!r}; expected one of {', '.join(KINDS)}")
    found = {}
    for item in items:
        name, _, text = item.strip().partition("=")
        if name not in PARAMETERS[kind]:
            known = ", ".join(PARAMETERS[kind]) or "none"
            raise FaultError(f"{kind} has no parameter {name[:40]!r}; it takes {known}")
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text):
            raise FaultError(f"{kind};{name}={text[:40]}: expected a number")
        found[name] = float(text)
    if found.get("ms", 0) > MAX_MS:
        raise FaultError(f"{kind};ms={found['ms']:g}: expected at most {MAX_MS}")
    if not 500 <= found.get("status", 500) <= 599:
        raise FaultError(f"{kind};status={found['status']:g}: expected 500 to 599")
    return found


def parse_header(value: str) -> tuple[Fault, ...] | None:
    """Return the bugs that a header field orders; empty for ``none``, None for an empty field.

    Raises:
        FaultError: the field is of no form that is known.
    """
    value = value.strip()
    if not value:
        return None
    if value == NONE:
        return ()
    faults = []
    for order in value.split(","):
        target, _, rest = order.strip().partition(":")
        if not _TARGET.fullmatch(target):
            raise FaultError(
                f"{target[:40]!r} is no target; expected service1, service2 or one of their nodes, as in "
                "service2:slow;ms=3000, or none"
            )
        kind, *items = rest.split(";")
        faults.append(Fault(kind.strip(), target, _parameters(kind.strip(), items)))
    return tuple(faults)


def parse_rates(value: str) -> tuple[tuple[Fault, float], ...]:
    """Return the bugs of a node with their probabilities.

    Raises:
        FaultError: the value is of no form that is known, or the probabilities add up to more than 1.
    """
    rates = []
    for order in filter(None, (part.strip() for part in value.split(","))):
        head, *items = order.split(";")
        kind, _, text = head.partition("=")
        parameters = _parameters(kind.strip(), items)
        if not re.fullmatch(r"\d{1,3}(\.\d{1,9})?", text.strip()):
            raise FaultError(f"{order[:40]!r}: expected kind=probability, as in slow=0.01;ms=400")
        rates.append((Fault(kind.strip(), parameters=parameters), float(text)))
    if sum(rate for _, rate in rates) > 1:
        raise FaultError("the probabilities add up to more than 1")
    return tuple(rates)


class FaultPlan:
    """Decides which bug, if any, a request meets on this node.

    Args:
        service: name of this node's service.
        node: name of this node.
        rates: the bugs that happen by themselves.
        generator: decides; a seeded one makes a run repeatable.
        honours_header: whether a request may order a bug.
    """

    def __init__(
        self,
        service: str,
        node: str,
        rates: Sequence[tuple[Fault, float]] = (),
        *,
        generator: random.Random | None = None,
        honours_header: bool = False,
    ) -> None:
        self._names = (service, node)
        self._rates = rates
        self._generator = generator or random.Random()
        self._lock = threading.Lock()
        self._honours_header = honours_header

    def choose(self, header: str) -> Fault | None:
        """Return the bug that a request with this header field (empty: none) meets.

        An order counts instead of the rates, also one that names somebody else.

        Raises:
            FaultError: the field is of no form that is known.
        """
        ordered = parse_header(header) if self._honours_header else None
        if ordered is not None:
            return next((fault for fault in ordered if fault.target in self._names), None)
        with self._lock:
            drawn = self._generator.random()
        for fault, rate in self._rates:
            if drawn < rate:
                return fault
            drawn -= rate
        return None
