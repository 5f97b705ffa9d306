"""A journey in the terminal: nineteen lines, and whatever is wrong with them said aloud."""

from collections.abc import Callable
from typing import Any

import pytest
from rich.text import Text

from apps.cli import journey_view, journeys
from apps.telemetry import steps
from tests.unit.cli import samples

Golden = Callable[[str, list[Text]], None]


def drawn(shape: dict[str, Any], width: int | None = 80) -> list[Text]:
    """Return a journey as it is shown."""
    [journey] = journeys.decode(samples.journeys(shape))
    return journey_view.draw(journey, width)


SHAPES: dict[str, Callable[[], dict[str, Any]]] = {
    "healthy": samples.journey,
    "holed": samples.holed,
    "retried": samples.retried,
    "reset": samples.reset,
}


@pytest.mark.parametrize("kind", SHAPES)
def test_looks_as_it_should_in_80_columns(kind: str, golden: Golden) -> None:
    """The four that people meet: all well, holes, a retry, a node that was killed."""
    golden(f"journey-{kind}-80", drawn(SHAPES[kind]()))


@pytest.mark.parametrize("kind", SHAPES)
def test_is_never_wider_than_80_columns(kind: str) -> None:
    """Also with the words that say what to check."""
    assert [] == [line.plain for line in drawn(SHAPES[kind](), None) if line.cell_len > 80]


def test_all_nineteen_have_their_line() -> None:
    """Number, node and step of each, in order."""
    lines = [line.plain for line in drawn(samples.journey())][4:]

    assert [(str(step.n), step.name) for step in steps.STEPS] == [
        (line.split()[0], line.split()[3]) for line in lines[-19:]
    ]


def test_a_hole_keeps_its_place_and_says_missing() -> None:
    """Loud: its own colour, dashes, the word, and what to check."""
    hole = next(line for line in drawn(samples.holed()) if line.plain.startswith("11"))

    assert hole.plain.endswith("╌╌ missing")
    assert {"bold bright_magenta"} <= {str(span.style) for span in hole.spans}


def test_a_hole_of_an_unknown_node_names_its_app() -> None:
    """Where the pick is lost too, nobody knows which replica it was."""
    shape = samples.journey(complete=False, missing=[{"n": 4, "step": "service1.request.received", "app": "service1"}])
    shape["steps"] = [step for step in shape["steps"] if step["n"] != 4]

    assert any("service1-?" in line.plain for line in drawn(shape))


def test_steps_logged_twice_are_named() -> None:
    """A duplicate is as wrong as a hole."""
    twice = {"n": 11, "step": "service2.work.done", "app": "service2", "node": "service2-1", "attempt": 1}
    text = "\n".join(line.plain for line in drawn(samples.journey(complete=False, duplicated=[twice])))

    assert "◌ 1 step twice" in text
    assert "◌ twice from service2-1: step 11." in text


def test_clock_skew_is_flagged_at_its_step() -> None:
    """The step says so, and below it stands by how much."""
    skew = {"n": 10, "step": "service2.request.received", "offsetMs": -3.2}
    text = "\n".join(line.plain for line in drawn(samples.journey(clockSkew=[skew])))

    assert "23.4 clock skew" in text
    assert "step 10 is 3.2 ms before a step that it follows" in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, "whole", id="whole"),
        pytest.param({"complete": False, "outcome": "unfinished"}, "░ unfinished", id="unfinished"),
        pytest.param({"outcome": "shed", "at": "service1", "status": 503}, "⊗ shed at service1", id="shed"),
        pytest.param({"steps": [samples.step(11, bug="slow")]}, "◷ slow of service2-1", id="slow"),
        pytest.param({"steps": [samples.step(11, bug="leak")]}, "◷ leak of service2-1", id="leak"),
        pytest.param({"steps": [samples.step(11, bug="hang")]}, "⊗ hang of service2-1", id="hang"),
        pytest.param({"steps": [samples.step(11, bug="new")]}, "⊗ new of service2-1", id="a bug of a later version"),
    ],
)
def test_the_second_line_sums_it_up(changes: dict[str, Any], expected: str) -> None:
    """Each state has a mark and a word."""
    assert expected in drawn(samples.journey(**changes))[1].plain.split(" · ")


def test_text_from_telemetry_cannot_act_on_the_terminal() -> None:
    """Escape sequences and markup are shown, not obeyed."""
    hostile = samples.step(4, node="\x1b[31mred", peer="[bold]x[/bold]", step="service1.request.received")
    hostile["step"] = "[red]x\x1b]0;title\x07\n"

    text = "\n".join(line.plain for line in drawn(samples.journey(steps=[hostile]), 200))

    assert "\x1b" not in text
    assert "[red]x\\x1b]0;title\\x07\\n" in text


@pytest.mark.parametrize("junk", [{}, {"journeys": 3}, {"journeys": [{"steps": [None, {"n": "x"}], "missing": {}}]}])
def test_any_shape_of_answer_is_drawn(junk: dict[str, Any]) -> None:
    """An answer that is not as agreed is shown as far as it goes."""
    for journey in journeys.decode(junk):
        assert journey_view.draw(journey, 80)
