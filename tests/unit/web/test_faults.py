"""The grammar of bugs on order, and who meets which."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.web.faults import Fault, FaultError, FaultPlan, Rates, format_rates, parse_header, parse_rates
from apps.web.kinds import KINDS, Parameter


@pytest.mark.parametrize(("value", "expected"), [
    ("", None),
    ("  ", None),
    ("none", ()),
    (" none ", ()),
    ("service2:slow", (Fault("slow", "service2"),)),
    ("service2:slow;ms=3000", (Fault("slow", "service2", {"ms": 3000}),)),
    ("service2:slow; ms=0.5", (Fault("slow", "service2", {"ms": 0.5}),)),
    ("service2-1:error;status=503", (Fault("error", "service2-1", {"status": 503}),)),
    ("service1:exception , service2-a1:garbage", (Fault("exception", "service1"), Fault("garbage", "service2-a1"))),
    ("service2: slow ;ms=60000", (Fault("slow", "service2", {"ms": 60_000}),)),
    ("service2:hang", (Fault("hang", "service2"),)),
    ("service2:crash;ms=50", (Fault("crash", "service2", {"ms": 50}),)),
    ("service1-1:leak;mb=256;s=0.5", (Fault("leak", "service1-1", {"mb": 256, "s": 0.5}),)),
    ("service2:burn;ms=0", (Fault("burn", "service2", {"ms": 0}),)),
])  # fmt: skip
def test_an_order_of_known_form_is_read(value: str, expected: tuple[Fault, ...] | None) -> None:
    """Targets, kinds and parameters."""
    assert expected == parse_header(value)


@pytest.mark.parametrize(("value", "hint"), [
    ("slow", "is no target"),
    ("gateway:slow", "is no target"),
    ("service3:slow", "is no target"),
    ("service2-:slow", "is no target"),
    ("service2-1-1:slow", "is no target"),
    (",", "is no target"),
    ("none,service2:slow", "is no target"),
    ("service2", "there is no bug ''"),
    ("service2:", "there is no bug ''"),
    ("service2:fire", "there is no bug 'fire'; expected one of slow, error"),
    ("service2:slow;s=1", "slow has no parameter 's'; it takes ms"),
    ("service2:garbage;ms=1", "garbage has no parameter 'ms'; it takes none"),
    ("service2:slow;", "slow has no parameter ''"),
    ("service2:slow;ms", "slow;ms=: expected a number from 0 to 60000"),
    ("service2:slow;ms=-1", "expected a number"),
    ("service2:slow;ms=1e3", "expected a number"),
    ("service2:slow;ms=nan", "expected a number"),
    ("service2:slow;ms=1;ms=2", "slow;ms is there twice; expected once"),
    ("service2:hang;ms=1", "hang has no parameter 'ms'; it takes none"),
    ("service2:leak;ms=1", "leak has no parameter 'ms'; it takes mb, s"),
])  # fmt: skip
def test_an_order_of_any_other_form_is_refused_with_what_is_wrong(value: str, hint: str) -> None:
    """Nobody should wait for a bug that never comes."""
    with pytest.raises(FaultError) as error:
        parse_header(value)

    assert hint in str(error.value)


def bounds() -> list[tuple[str, Parameter]]:
    """Return every parameter of every kind."""
    return [(kind.name, parameter) for kind in KINDS for parameter in kind.parameters]


@pytest.mark.parametrize(("kind", "parameter"), bounds(), ids=lambda one: getattr(one, "name", one))
def test_a_parameter_is_taken_up_to_its_bounds_and_refused_beyond(kind: str, parameter: Parameter) -> None:
    """The message says from where to where."""
    for value in (parameter.least, parameter.most, parameter.default):
        assert (Fault(kind, "service2", {parameter.name: value}),) == parse_header(
            f"service2:{kind};{parameter.name}={value:g}"
        )
    beyond = [parameter.most + 1, *([parameter.least - 1] if parameter.least else [])]
    beyond += [parameter.least + 0.5] if parameter.is_whole else []
    for value in beyond:
        with pytest.raises(FaultError, match=f"expected a.* number from {parameter.least:g} to {parameter.most:g}"):
            parse_header(f"service2:{kind};{parameter.name}={value:g}")


@given(st.text(max_size=200))
def test_whatever_a_client_sends_is_read_or_refused(value: str) -> None:
    """Never anything else; a message never repeats more than a piece of it."""
    said = ""
    try:
        parse_header(value)
    except FaultError as error:
        said = str(error)
    assert len(said) < 300


@pytest.mark.parametrize(("value", "expected"), [
    ("", ()),
    (" , ", ()),
    ("error=1", ((Fault("error"), 1.0),)),
    ("slow=0.01;ms=400, error=0.02", ((Fault("slow", "", {"ms": 400}), 0.01), (Fault("error"), 0.02))),
    ("garbage=0", ((Fault("garbage"), 0.0),)),
])  # fmt: skip
def test_rates_of_known_form_are_read(value: str, expected: tuple[tuple[Fault, float], ...]) -> None:
    """The environment's form."""
    assert expected == parse_rates(value)


@pytest.mark.parametrize(("value", "hint"), [
    ("slow", "expected kind=probability"),
    ("slow=", "expected kind=probability"),
    ("slow=often", "expected kind=probability"),
    ("slow=-0.1", "expected kind=probability"),
    ("slow=nan", "expected kind=probability"),
    ("fire=0.1", "there is no bug 'fire'"),
    ("slow=0.1;s=1", "slow has no parameter 's'"),
    ("slow=1.1", "add up to 1.1; expected at most 1"),
    ("slow=0.6,error=0.6", "add up to 1.2; expected at most 1"),
    (",".join(["slow=0"] * 33), "there are 33 bugs; expected at most 32"),
])  # fmt: skip
def test_rates_of_any_other_form_are_refused(value: str, hint: str) -> None:
    """A demo with a typo must not start as if it were well."""
    with pytest.raises(FaultError) as error:
        parse_rates(value)

    assert hint in str(error.value)


def test_probabilities_that_add_up_to_one_but_for_rounding_will_do() -> None:
    """Ten times a tenth is no more than one."""
    assert 10 == len(parse_rates(",".join(["slow=0.1"] * 10)))
    assert 3 == len(parse_rates("slow=0.7,error=0.2,hang=0.1"))


@pytest.mark.parametrize(("value", "canonical"), [
    ("", ""),
    ("slow=0.0125;ms=400,error=0.0125", "slow=0.0125;ms=400,error=0.0125"),
    (" leak=0.10; s=5.50 ;mb=010 , hang=0.50", "leak=0.1;mb=10;s=5.5,hang=0.5"),
    ("crash=0.000000001,garbage=0", "crash=0.000000001,garbage=0"),
])  # fmt: skip
def test_rates_have_one_canonical_form(value: str, canonical: str) -> None:
    """Two nodes whose bugs are the same say the same."""
    assert canonical == format_rates(parse_rates(value))


def numbers(least: float, most: float, places: int, *, whole: bool = False) -> st.SearchStrategy[float]:
    """Return numbers that can be written with so many places."""
    step = 1 if whole else 10**places
    return st.integers(int(least * step), int(most * step)).map(lambda number: number / step)


@st.composite
def rates(draw: st.DrawFn) -> Rates:
    """Any bugs with probabilities that leave room for health."""
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=8))
    found = []
    for kind in kinds:
        parameters = {
            one.name: draw(numbers(one.least, one.most, 6, whole=one.is_whole))
            for one in kind.parameters
            if draw(st.booleans())
        }
        found.append((Fault(kind.name, parameters=parameters), draw(numbers(0, 0.125, 9))))
    return tuple(found)


@given(rates())
def test_the_canonical_form_reads_back_as_what_it_came_from(ordered: Rates) -> None:
    """And is its own canonical form."""
    text = format_rates(ordered)

    assert ordered == parse_rates(text)
    assert text == format_rates(parse_rates(text))


def plan(rates: str = "", *, seed: int | None = None, honours: bool = True) -> FaultPlan:
    """Return the plan of service2-1."""
    return FaultPlan(
        "service2", "service2-1", parse_rates(rates), generator=random.Random(seed), honours_header=honours
    )  # fmt: skip


@pytest.mark.parametrize(("header", "kind"), [
    ("service2:slow", "slow"),
    ("service2-1:error", "error"),
    ("service2-2:error", None),
    ("service1:error", None),
    ("service1:error,service2:garbage", "garbage"),
    ("service2-1:slow,service2:error", "slow"),
    ("none", None),
])  # fmt: skip
def test_an_order_is_met_by_whom_it_names(header: str, kind: str | None) -> None:
    """A service or one of its nodes; the first that fits."""
    chosen = plan().choose(header)

    assert kind == (chosen.kind if chosen else None)


@pytest.mark.parametrize("header", ["none", "service1:error", "service2-2:slow"])
def test_an_order_counts_instead_of_the_rates(header: str) -> None:
    """Also one that names somebody else: who orders knows what to expect."""
    assert plan("error=1").choose(header) is None


def test_without_an_order_the_rates_decide() -> None:
    """Each with its own probability."""
    misbehaving = plan("slow=0.1,error=0.2,garbage=0.3", seed=1)

    met = Counter(fault.kind if (fault := misbehaving.choose("")) else None for _ in range(20_000))

    assert {"slow": 0.1, "error": 0.2, "garbage": 0.3, None: 0.4} == {
        kind: round(count / 20_000, 1) for kind, count in met.items()
    }


@pytest.mark.parametrize("header", ["service2:error", "rubbish"])
def test_an_order_is_not_even_read_where_it_is_not_honoured(header: str) -> None:
    """CAROUSEL_FAULT_HEADERS=0."""
    assert plan(honours=False).choose(header) is None


def test_a_seeded_run_can_be_repeated() -> None:
    """The same bugs in the same places, others with another seed."""
    runs = [
        [fault.kind if (fault := chosen.choose("")) else None for _ in range(200)]
        for chosen in (plan("slow=0.3,error=0.3", seed=seed) for seed in (7, 7, 8))
    ]

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def kinds_of(chosen: FaultPlan, requests: int) -> list[str | None]:
    """Return what so many requests without an order meet."""
    return [fault.kind if (fault := chosen.choose("")) else None for _ in range(requests)]


@given(st.integers(), rates(), rates(), st.integers(0, 40))
def test_a_seeded_run_with_replaced_rates_can_be_repeated(seed: int, first: Rates, then: Rates, after: int) -> None:
    """Replacing the rates keeps the generator: what comes later does not depend on the rates before."""
    one, other = plan(seed=seed), plan(seed=seed)
    one.replace(first)
    kinds_of(one, after)
    kinds_of(other, after)
    one.replace(then)
    other.replace(then)

    assert kinds_of(one, 40) == kinds_of(other, 40)


def test_an_order_by_header_draws_no_number() -> None:
    """A canary in between does not shift what the others meet."""
    alone, among = plan("slow=0.3,error=0.3", seed=7), plan("slow=0.3,error=0.3", seed=7)
    met = []
    for _ in range(50):
        among.choose("none")
        met += kinds_of(among, 1)

    assert kinds_of(alone, 50) == met


def test_rates_are_replaced_and_put_back() -> None:
    """The ones that the node was started with are never forgotten."""
    changing = plan("error=1")

    assert ("error=1", False) == (format_rates(changing.replace(parse_rates("hang=1"))), not changing.is_ordered)
    assert ["hang"] == kinds_of(changing, 1)
    assert "hang=1" == format_rates(changing.replace(()))
    assert ([None], True) == (kinds_of(changing, 1), changing.is_ordered)
    assert () == changing.replace(None)
    assert (["error"], False) == (kinds_of(changing, 1), changing.is_ordered)


def test_rates_may_be_replaced_while_others_choose() -> None:
    """Every choice is by the old rates or by the new ones, and no number is drawn twice."""
    changing = plan("error=1", seed=3)
    stop = threading.Event()

    def choose() -> set[str | None]:
        met: set[str | None] = set()
        while not stop.is_set():
            met |= set(kinds_of(changing, 20))
        return met

    with ThreadPoolExecutor(4) as pool:
        choosers = [pool.submit(choose) for _ in range(4)]
        for number in range(200):
            changing.replace(parse_rates("hang=1" if number % 2 else "leak=1"))
        stop.set()
        assert set().union(*(one.result(10) for one in choosers)) <= {"error", "hang", "leak"}


@pytest.mark.parametrize(("kind", "parameter"), bounds(), ids=lambda one: getattr(one, "name", one))
def test_a_parameter_that_was_not_given_has_its_default(kind: str, parameter: Parameter) -> None:
    """As the table has it."""
    assert parameter.default == Fault(kind).parameter(parameter.name)


def test_the_table_has_every_kind_of_the_design() -> None:
    """With its parameters."""
    assert {
        "slow": ["ms"], "error": ["status"], "exception": [], "hang": [], "crash": ["ms"], "garbage": [],
        "leak": ["mb", "s"], "burn": ["ms"],
    } == {kind.name: [one.name for one in kind.parameters] for kind in KINDS}  # fmt: skip
    assert ["slow", "leak", "burn"] == [kind.name for kind in KINDS if kind.is_mild]
