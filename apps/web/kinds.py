"""The kinds of bugs there are: what each does, its parameters and their bounds. The one table that knows.

Pure data. The grammar of orders is read by it (`apps.web.faults`), the admin API of a replica shows it, the
documentation and the command line take their words from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

OVERTIME_S: Final = 5.0
"""The longest that work goes on, in seconds, after nobody waits for it any more."""
LEAK_MIB: Final = 256
"""The most that leaks hold at once in one node, in MiB."""
MAX_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number that an order for a bug may carry. *words* tells what it is and in which unit."""

    name: str
    default: float
    least: float
    most: float
    words: str
    is_whole: bool = False

    def holds(self, value: float) -> bool:
        """Tell whether *value* is one that will do."""
        return self.least <= value <= self.most and not (self.is_whole and value != int(value))

    def expected(self) -> str:
        """Return what a value must be, for people."""
        return f"{'a whole number' if self.is_whole else 'a number'} from {self.least:g} to {self.most:g}"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of bug. A *mild* one lets the request end well if there is time enough."""

    name: str
    words: str
    parameters: tuple[Parameter, ...] = ()
    is_mild: bool = False

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter *name*, None if this kind has none of that name."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    def shape(self) -> dict[str, Any]:
        """Return this row of the table as the admin API shows it."""
        return {
            "kind": self.name,
            "parameters": {parameter.name: parameter.default for parameter in self.parameters},
            "limits": {parameter.name: parameter.most for parameter in self.parameters},
            "words": self.words,
        }


KINDS: Final = (
    Kind(
        "slow",
        "waits too long, then answers well",
        (Parameter("ms", 1000, 0, MAX_MS, "how long it waits on top of its work, in milliseconds"),),
        is_mild=True,
    ),
    Kind(
        "error",
        "answers a server error",
        (Parameter("status", 500, 500, 599, "the HTTP status that it answers", is_whole=True),),
    ),
    Kind("exception", "raises an exception a few frames down and answers 500"),
    Kind("hang", f"never answers; ends {OVERTIME_S:g} s after the deadline"),
    Kind(
        "crash",
        "dies with all its processes while the request waits",
        (Parameter("ms", 0, 0, MAX_MS, "how long it works before that, in milliseconds"),),
    ),
    Kind("garbage", "answers 200 with a body that is no JSON"),
    Kind(
        "leak",
        f"holds memory for a while, at most {LEAK_MIB} MiB in all a node, and answers well",
        (
            Parameter("mb", 10, 1, LEAK_MIB, "how much it holds, in MiB", is_whole=True),
            Parameter("s", 30, 0, 600, "how long it holds that, in seconds"),
        ),
        is_mild=True,
    ),
    Kind(
        "burn",
        "burns processor time, one request at a time, then answers well",
        (Parameter("ms", 1000, 0, MAX_MS, "how long it burns, in milliseconds"),),
        is_mild=True,
    ),
)
BY_NAME: Final[Mapping[str, Kind]] = {kind.name: kind for kind in KINDS}


def is_mild(kind: str) -> bool:
    """Tell whether a bug of *kind* lets a request end well; one of a kind that is not known here does not."""
    return kind in BY_NAME and BY_NAME[kind].is_mild
