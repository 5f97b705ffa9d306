"""The page of the bugs: one section a kind, and examples that no run changes."""

import pytest

from apps.web.faults import parse_header, parse_rates
from apps.web.kinds import KINDS
from docs.tools import bugs
from tests.docs.support import INLINE, blocks, headings, read

NAMES = [kind.name for kind in KINDS]
RUN = """
journey 5f44905e31484fb4  orders  19 steps  2026-11-26 08:10:57.271 UTC
whole · ok · ◷ slow of service2-2 · 200 · 1405.7 ms

11 ···◷ service2-2 service2.work.bug                     375.1 slow 337.7 ms
12 ···◂ service2-2 service2.response.sent                  6.6 200 12.5 ms

░ unfinished: span 2650747b5607a54d of service2-2 began and never ended
2026-11-26T08:10:57.646270022Z W service2-2 service2.work.bug                   bug in work  bug slow 337.7 ms
"""
NORMALISED = """\
journey …  orders  19 steps  …
whole · ok · ◷ slow of service2-1 · 200 · … ms

11 ···◷ service2-1 service2.work.bug                         … slow … ms
12 ···◂ service2-1 service2.response.sent                    … 200 … ms

░ unfinished: span … of service2-1 began and never ended
… W service2-1 service2.work.bug                   bug in work  bug slow … ms
"""


def test_what_differs_from_run_to_run_is_left_out_and_columns_stay() -> None:
    """Ids, times, durations, and which of its nodes a service sent."""
    assert NORMALISED == bugs.normalised(RUN)


def test_what_is_normalised_stays_as_it_is() -> None:
    """An example can be compared with itself."""
    assert NORMALISED == bugs.normalised(NORMALISED)


def test_every_kind_has_its_section_with_its_parameters() -> None:
    """In the order of the table."""
    page = read("docs/bugs.md")
    sections = [words for level, words in headings(page) if level == 2]

    assert NAMES == [words for words in sections if words in NAMES]
    for kind in KINDS:
        section = page.split(f"\n## {kind.name}\n")[1].split("\n## ")[0]
        assert {parameter.name for parameter in kind.parameters} <= set(INLINE.findall(section))


@pytest.mark.parametrize("kind", NAMES)
def test_what_the_page_orders_can_be_ordered(kind: str) -> None:
    """As header and as rates; the example is one of that kind."""
    section = read("docs/bugs.md").split(f"\n## {kind}\n")[1].split("\n## ")[0]
    header, command, variable = blocks(section)[0][1].splitlines()
    rates = variable.split("'")[1]

    assert [kind] == [fault.kind for fault in parse_header(header.split(": ")[1]) or ()]
    assert ([kind], rates) == ([fault.kind for fault, _ in parse_rates(rates)], command.split("'")[1])
    journey, log, metric = bugs.example(kind)
    assert all(kind in text for text in (journey, log, metric))


@pytest.mark.parametrize("kind", NAMES)
def test_an_example_is_normalised_and_of_the_outcome_that_the_table_tells(kind: str) -> None:
    """Whole, too."""
    journey, log, _ = bugs.example(kind)

    assert (journey, log) == (bugs.normalised(journey), bugs.normalised(log))
    outcome = bugs.SHOWN[kind].ends.split("`")[1]
    assert f"whole · {'' if outcome == 'ok' else '⊗ '}{outcome}" in journey


def test_a_kind_without_an_example_is_named() -> None:
    """And so is what writes it."""
    with pytest.raises(LookupError, match=r"fire\.txt is no example"):
        bugs.example("fire")
