"""The grammar of bugs on order, and who meets which."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.web.faults import KINDS, Fault, FaultError, FaultPlan, parse_header, parse_rates


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
    ("service2:slow;ms", "slow;ms=: expected a number"),
    ("service2:slow;ms=-1", "expected a number"),
    ("service2:slow;ms=1e3", "expected a number"),
    ("service2:slow;ms=nan", "expected a number"),
    ("service2:slow;ms=60001", "expected at most 60000"),
    ("service2:error;status=200", "expected 500 to 599"),
    ("service2:error;status=600", "expected 500 to 599"),
])  # fmt: skip
def test_an_order_of_any_other_form_is_refused_with_what_is_wrong(value: str, hint: str) -> None:
    """Nobody should wait for a bug that never comes."""
    with pytest.raises(FaultError) as error:
        parse_header(value)

    assert hint in str(error.value)


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
    ("slow=1.1", "add up to more than 1"),
    ("slow=0.6,error=0.6", "add up to more than 1"),
])  # fmt: skip
def test_rates_of_any_other_form_are_refused(value: str, hint: str) -> None:
    """A demo with a typo must not start as if it were well."""
    with pytest.raises(FaultError) as error:
        parse_rates(value)

    assert hint in str(error.value)


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


@pytest.mark.parametrize("kind", KINDS)
def test_a_parameter_that_was_not_given_has_its_default(kind: str) -> None:
    """A second of waiting, a 500."""
    defaults = {"slow": {"ms": 1000.0}, "error": {"status": 500.0}}.get(kind, {})

    assert defaults == {name: Fault(kind).parameter(name) for name in defaults}
