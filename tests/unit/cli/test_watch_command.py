"""``carousel watch``: requests as they end, with the way of each, from all gateways."""

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from apps.cli import sse, watch_view
from apps.cli.errors import INTERRUPTED, OK
from apps.cli.following import Told
from apps.cli.ways import Filter, Ways
from tests.unit.cli.fake_gateway import FakeGateway, event, pick, request
from tests.unit.cli.program import Terminal, finish, piped

Carousel = Callable[..., Result]
Golden = Callable[[str, list[Text]], None]
A, B, C = "a" * 16, "b" * 16, "c" * 16
HEALTHY = [pick(A, "service1", "service1-2"), pick(A, "service2", "service2-1", 1, 1), request(A)]
RETRIED = [
    pick(B, "service1", "service1-1"),
    pick(B, "service2", "service2-1", 1, 1),
    pick(B, "service2", "service2-2", 2, 1),
    request(B, durationMs=120.6),
]
FAILED = [
    pick(C, "service1", "service1-2"),
    pick(C, "service2", "service2-1", 1, 1),
    request(C, 502, entity="payments", durationMs=28.4, errorType="bad_answer", errorNode="service2-1"),
]


def ended(*events: bytes, gateway: str = "gateway-1") -> list[Any]:
    """Return the requests that a stream of *events* tells of."""
    reader, ways = sse.Reader(), Ways()
    for one in events:
        for told in reader.feed(one):
            ways.fold(Told("", gateway, told.name, told.data, 0.0))
    return list(ways.ripe(1.0))


@pytest.mark.parametrize("width", [80, 120, None])
def test_looks_as_it_should(width: int | None, golden: Golden) -> None:
    """In 80 columns ids are shortened; in a pipe everything is whole."""
    shed = request("d" * 16, 503, errorType="shed", durationMs=0.4)
    lines = [
        watch_view.head(width),
        *(watch_view.row(one, width) for one in ended(*HEALTHY, *RETRIED, *FAILED, shed)),
        *watch_view.summary(4, 2, None, ended(*FAILED)[0]),
    ]

    assert [] == [line.plain for line in lines[:-1] if width is not None and line.cell_len > width]
    golden(f"watch-{width or 'pipe'}", lines)


def test_a_retry_names_the_node_that_was_met_in_vain() -> None:
    """By attempt, whatever order the picks come in."""
    shuffled = ended(RETRIED[2], RETRIED[0], RETRIED[1], RETRIED[3])[0]

    assert "gateway-1 ▸ service1-1 ▸ service2-1✗ ▸ service2-2" == watch_view.way_text(shuffled).plain


def test_a_retry_of_service_1_takes_its_own_calls_with_it() -> None:
    """Each attempt of service 2 stands behind the attempt of service 1 that asked for it."""
    events = [
        pick(A, "service1", "service1-1", 1),
        pick(A, "service2", "service2-1", 1, 1),
        pick(A, "service1", "service1-2", 2),
        pick(A, "service2", "service2-2", 1, 2),
        request(A),
    ]

    way = watch_view.way_text(ended(*events)[0]).plain

    assert "gateway-1 ▸ service1-1✗ ▸ service2-1 ▸ service1-2 ▸ service2-2" == way


def test_a_request_whose_picks_nobody_saw_has_its_gateway_alone() -> None:
    """It came in before the stream was opened."""
    assert "gateway-1" == watch_view.way_text(ended(request(A))[0]).plain


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), [200, 200, 502]),
        (Filter(only_errors=True), [502]),
        (Filter(entity="orders"), [200, 200]),
        (Filter(slower_than_ms=100), [200]),
        (Filter(only_errors=True, entity="orders"), []),
    ],
)
def test_filters(wanted: Filter, expected: list[int]) -> None:
    """All that are given must hold."""
    assert expected == [one.status for one in ended(*HEALTHY, *RETRIED, *FAILED) if wanted.takes(one)]


def test_picks_of_another_gateway_are_waited_for() -> None:
    """Service 1 may call back by another gateway, whose stream may be late."""
    ways = Ways(grace_s=0.25)
    told = [Told("", "gateway-1", "request", {"journeyId": A, "status": 200}, 10.0)]
    told.append(Told("", "gateway-2", "pick", {"journeyId": A, "service": "service2", "node": "service2-1"}, 10.1))
    for one in told:
        ways.fold(one)

    assert [] == list(ways.ripe(10.2))
    assert ["service2-1"] == [pick.node for pick in next(ways.ripe(10.3)).picks]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_a_stream_reads_the_same_however_it_is_cut(noise: bytes, cuts: list[int]) -> None:
    """A piece may end anywhere, and what is no event is passed over."""
    stream = b": hello\r\n\r\n" + HEALTHY[0] + noise + b"\n\n" + HEALTHY[2]
    whole, parts = sse.Reader(), sse.Reader()
    at = sorted({cut for cut in cuts if cut < len(stream)} | {0, len(stream)})

    expected = list(whole.feed(stream))
    found = [one for n in range(len(at) - 1) for one in parts.feed(stream[at[n] : at[n + 1]])]

    # A piece that ends between CR and LF may read a line end more; that ends no event that has data.
    assert [one.data for one in expected if one.data] == [one.data for one in found if one.data]


def test_an_event_without_end_is_given_up() -> None:
    """Memory is bounded."""
    with pytest.raises(sse.TooLong):
        list(sse.Reader().feed(b"data: " + b"x" * (sse.MOST_HELD + 1)))


def test_shows_requests_as_they_end(live: FakeGateway) -> None:
    """In a pipe with whole ids; -n ends it, and the sum is on standard error."""
    with piped("watch", "-n", "3") as process:
        live.await_readers()
        live.send(*HEALTHY, *RETRIED, *FAILED)
        output, complaints = process.communicate(timeout=30)

    lines = output.splitlines()
    assert (OK, 4) == (process.returncode, len(lines))
    assert lines[1].split() == [
        "11:52:59", "200", "66.5", "orders", "gateway-1", "▸", "service1-2", "▸", "service2-1", A * 2
    ]  # fmt: skip
    assert "3 requests seen · ⊗ 1 failed" in complaints
    assert f"carousel trace {C * 2}" in complaints


def test_json_is_one_object_a_line(live: FakeGateway) -> None:
    """Whole and stable, the way in the order of the picks."""
    with piped("watch", "-n", "1", "--json", "--errors") as process:
        live.await_readers()
        live.send(*HEALTHY, *FAILED)
        output, _ = process.communicate(timeout=30)

    shape = json.loads(output)
    assert ("request", False, 502, "service2-1") == tuple(shape[key] for key in ("type", "ok", "status", "errorNode"))
    assert ["service1-2", "service2-1"] == [one["node"] for one in shape["way"]]


def test_a_gateway_that_restarts_is_waited_for(live: FakeGateway) -> None:
    """It is said, also what is not shown; the lines go on."""
    with piped("watch", "-n", "2") as process:
        live.await_readers()
        live.send(*HEALTHY)
        assert process.stdout is not None
        process.stdout.readline(), process.stdout.readline()
        live.end_streams()
        live.await_readers(opened=2)
        live.send(*RETRIED)
        output, complaints = process.communicate(timeout=30)

    assert (OK, 1) == (process.returncode, len(output.splitlines()))
    assert "gateway-1 is gone: it ended the stream; trying again" in complaints
    assert "gateway-1 is back after" in complaints
    assert "what ended meanwhile is not shown" in complaints


def test_lines_that_were_dropped_are_said(live: FakeGateway) -> None:
    """The gateway drops for a reader that is too slow, and tells how many."""
    with piped("watch", "-n", "1") as process:
        live.await_readers()
        live.send(event("dropped", count=17), *HEALTHY)
        _, complaints = process.communicate(timeout=30)

    assert "17 events dropped: this reader was too slow" in complaints


def test_two_gateways_are_joined_by_journey(live: FakeGateway, other_live: FakeGateway) -> None:
    """The request came in at the first, service 1 called back by the second."""
    with piped("watch", "-n", "1") as process:
        live.await_readers()
        other_live.await_readers()
        other_live.send(HEALTHY[1])
        live.send(HEALTHY[0], HEALTHY[2])
        output, _ = process.communicate(timeout=30)

    assert "gateway-1 ▸ service1-2 ▸ service2-1" in output


@pytest.mark.parametrize(("options", "code"), [([], OK), (["-n", "9"], INTERRUPTED)])
def test_ctrl_c_ends_it_with_a_sum(live: FakeGateway, options: list[str], code: int) -> None:
    """Without -n it is how the command is meant to end."""
    with piped("watch", *options) as process:
        live.await_readers()
        live.send(*HEALTHY)
        assert process.stdout is not None
        process.stdout.readline(), process.stdout.readline()
        ended_with, _, complaints = finish(process, signal.SIGINT)

    assert code == ended_with
    assert "1 request seen" in complaints


def test_on_a_terminal_no_line_is_wider_than_it(live: FakeGateway) -> None:
    """And there is colour, for those who want it."""
    with Terminal(80, 24, "watch") as terminal:
        live.await_readers()
        live.send(*HEALTHY, *RETRIED, *FAILED)
        terminal.await_text("payments")

        assert OK == terminal.end(signal.SIGINT)
        assert "\x1b[33mservice1-2" in terminal.seen


@pytest.mark.parametrize("options", [["--slower-than", "-1"], ["-n", "0"], ["--slower-than", "soon"]])
def test_what_makes_no_sense_is_refused(carousel: Carousel, live: FakeGateway, options: list[str]) -> None:
    """Before any stream is opened."""
    assert (2, 0) == (carousel("watch", *options).exit_code, live.streams_opened)
