"""Bugs on order: by probability, or for one request by the header ``X-Carousel-Fault``.

The header is ``none``, or a comma-separated list of ``target:kind`` with parameters: ``service2:slow;ms=3000`` asks
all of service 2, ``service2-1:error`` one node. Rates are ``kind=probability`` with the same parameters:
``slow=0.01;ms=400,error=0.02``. Which kinds there are stands in `apps.web.kinds`.
"""

import random
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from apps.web.kinds import BY_NAME, Kind

NONE: Final = "none"
MAX_ORDERS: Final = 32
"""The most bugs that a node may have rates for."""
ROUNDING: Final = 1e-9
"""By how much a sum of probabilities may be above 1: nine times 0.1 and 0.1 are not exactly 1."""
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
        """Return a parameter, or its default. Raises KeyError if the kind has none of that name."""
        known = BY_NAME[self.kind].parameter(name)
        if known is None:
            raise KeyError(name)
        return self.parameters.get(name, known.default)

    @property
    def is_mild(self) -> bool:
        """Tell whether a request may end well all the same."""
        return BY_NAME[self.kind].is_mild


Rates = tuple[tuple[Fault, float], ...]
"""The bugs of a node that happen by themselves, each with its probability."""


def _kind(name: str) -> Kind:
    if name not in BY_NAME:
        raise FaultError(f"there is no bug {name[:40]!r}; expected one of {', '.join(BY_NAME)}")
    return BY_NAME[name]


def _parameters(kind: Kind, items: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for item in items:
        name, _, text = item.strip().partition("=")
        parameter = kind.parameter(name)
        if parameter is None:
            known = ", ".join(parameter.name for parameter in kind.parameters) or "none"
            raise FaultError(f"{kind.name} has no parameter {name[:40]!r}; it takes {known}")
        if name in found:
            raise FaultError(f"{kind.name};{name} is there twice; expected once")
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text, re.ASCII) or not parameter.holds(float(text)):
            raise FaultError(f"{kind.name};{name}={text[:40]}: expected {parameter.expected()}")
        found[name] = float(text)
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
        name, *items = rest.split(";")
        kind = _kind(name.strip())
        faults.append(Fault(kind.name, target, _parameters(kind, items)))
    return tuple(faults)


def parse_rates(value: str) -> Rates:
    """Return the bugs of a node with their probabilities; none for an empty value.

    Raises:
        FaultError: the value is of no form that is known, has more than `MAX_ORDERS` bugs, or probabilities that add
            up to more than 1.
    """
    rates = []
    for order in filter(None, (part.strip() for part in value.split(","))):
        head, *items = order.split(";")
        name, _, text = head.partition("=")
        kind = _kind(name.strip())
        parameters = _parameters(kind, items)
        if not re.fullmatch(r"\d{1,3}(\.\d{1,9})?", text.strip(), re.ASCII):
            raise FaultError(f"{order[:40]!r}: expected kind=probability, as in slow=0.01;ms=400")
        rates.append((Fault(kind.name, parameters=parameters), float(text)))
    if len(rates) > MAX_ORDERS:
        raise FaultError(f"there are {len(rates)} bugs; expected at most {MAX_ORDERS}")
    total = sum(rate for _, rate in rates)
    if total > 1 + ROUNDING:
        raise FaultError(f"the probabilities add up to {total:g}; expected at most 1")
    return tuple(rates)


def format_rates(rates: Rates) -> str:
    """Return *rates* in their canonical form, which `parse_rates` reads back; empty for none.

    Two values that mean the same (blanks, trailing zeros, the order of parameters) have one canonical form.
    """
    return ",".join(";".join((f"{fault.kind}={_plain(rate)}", *_written(fault))) for fault, rate in rates)


def _written(fault: Fault) -> list[str]:
    """Return the parameters that were given, in the order of the table."""
    given = fault.parameters
    return [f"{one.name}={_plain(given[one.name])}" for one in BY_NAME[fault.kind].parameters if one.name in given]


def _plain(number: float) -> str:
    return f"{number:.9f}".rstrip("0").rstrip(".")


class FaultPlan:
    """Decides which bug, if any, a request meets on this node. Thread-safe; the rates can be replaced at any time.

    One number is drawn for each request without an order, whatever the rates are: a run that is seeded alike and
    whose rates are replaced at the same request meets the same bugs.

    Args:
        service: name of this node's service.
        node: name of this node.
        rates: the bugs that happen by themselves, until they are replaced.
        generator: decides; a seeded one makes a run repeatable.
        honours_header: whether a request may order a bug.
    """

    def __init__(
        self,
        service: str,
        node: str,
        rates: Rates = (),
        *,
        generator: random.Random | None = None,
        honours_header: bool = False,
    ) -> None:
        self._names = (service, node)
        self._own = rates
        self._ordered: Rates | None = None
        self._generator = generator or random.Random()
        self._lock = threading.Lock()
        self._honours_header = honours_header

    @property
    def rates(self) -> Rates:
        """Return the bugs that happen by themselves now."""
        ordered = self._ordered
        return self._own if ordered is None else ordered

    @property
    def is_ordered(self) -> bool:
        """Tell whether the rates are others than those that the node was started with."""
        return self._ordered is not None

    def replace(self, rates: Rates | None) -> Rates:
        """Let *rates* decide from now on, None for those that the node was started with. Return the ones before."""
        with self._lock:
            before = self.rates
            self._ordered = rates
        return before

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
            drawn, rates = self._generator.random(), self.rates
        for fault, rate in rates:
            if drawn < rate:
                return fault
            drawn -= rate
        return None
