"""``carousel ring``: once, and as it turns, on a terminal and in a pipe."""

import json
import signal
import subprocess
from collections.abc import Callable

import pytest
from click.testing import Result

from apps.cli.errors import FAILED, OK, UNREACHABLE
from tests.unit.cli.conftest import Server
from tests.unit.cli.fake_gateway import FakeGateway, event, pick
from tests.unit.cli.program import Terminal, finish, piped

Carousel = Callable[..., Result]
BEGIN, END = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
CHANGE = {
    "service": "service2", "node": "service2-1", "address": "127.0.0.1:8201", "state": "ejected", "before": "linked",
    "reason": "the connection was refused", "ringSize": 0, "time": "2026-11-23T11:52:59.123Z",
}  # fmt: skip


def test_every_gateway_is_drawn_by_its_name(carousel: Carousel, live: FakeGateway, other_live: FakeGateway) -> None:
    """With the admin token of the run directory, without a colour in a pipe."""
    result = carousel("ring")

    assert OK == result.exit_code
    assert ["gateway-1", "gateway-2"] == [line for line in result.stdout.splitlines() if line.startswith("gateway")]
    assert "⊘ service2-2 ejected, tried again in 3 s" in result.stdout
    assert "\x1b" not in result.stdout


def test_json_is_what_each_gateway_tells(carousel: Carousel, live: FakeGateway) -> None:
    """Whole, with those that did not answer named."""
    shape = json.loads(carousel("ring", "--json").stdout)

    assert [live.rings] == shape["gateways"]
    assert [] == shape["unavailable"]


def test_a_gateway_that_is_gone_is_said(carousel: Carousel, live: FakeGateway, other_gateway: Server) -> None:
    """The other one is drawn all the same."""
    result = carousel("ring")

    assert OK == result.exit_code
    assert f"shown without the gateway at {other_gateway.url}" in result.stderr


@pytest.mark.parametrize("options", [[], ["--watch"]])
def test_no_gateway_at_all_ends_in_3(carousel: Carousel, closed_port: str, options: list[str]) -> None:
    """With what to run; nothing is drawn."""
    result = carousel("ring", *options, "--gateway", closed_port)

    assert (UNREACHABLE, "") == (result.exit_code, result.stdout)
    assert "make demo" in result.stderr


def test_a_gateway_that_has_no_place_for_a_stream_says_so(carousel: Carousel, live: FakeGateway) -> None:
    """At most a quarter of its threads serve streams."""
    live.refuses_streams = (503, {"detail": "4 streams are served already; expected at most 4"})

    result = carousel("ring", "--watch")

    assert FAILED == result.exit_code
    assert "carousel: gateway answered 503: 4 streams are served already" in result.stderr


def test_in_a_pipe_it_is_a_line_a_change(live: FakeGateway) -> None:
    """First how it stands, then what changes; nothing that a terminal alone understands."""
    with piped("ring", "--watch") as process:
        live.await_readers()
        assert process.stdout is not None
        first = [process.stdout.readline().strip() for _ in range(5)]
        live.send(pick("a" * 16, "service1", "service1-1"), event("ring", **CHANGE))
        changed = process.stdout.readline()
        live.send(event("bug", target="service2", rates="slow=0.1", time=CHANGE["time"]))
        ordered = process.stdout.readline()
        code, rest, complaints = finish(process, signal.SIGINT)

    assert ["gateway-1 service1-1 ● linked", "gateway-1 service1-2 ● linked"] == first[:2]
    assert (
        "11:52:59.123 gateway-1 service2-1 linked → ⊘ ejected: the connection was refused, 0 in the ring\n" == changed
    )
    assert "11:52:59.123 gateway-1 bugs of service2 set to slow=0.1\n" == ordered
    assert (OK, "", "") == (code, rest, complaints)


def test_json_of_a_watch_is_an_object_a_change(live: FakeGateway) -> None:
    """First the rings, then each change as the gateway told it."""
    with piped("ring", "--watch", "--json") as process:
        live.await_readers()
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        live.send(event("ring", **CHANGE))
        changed = json.loads(process.stdout.readline())

    assert ("rings", "gateway-1") == (first["type"], first["gateway"])
    assert {"type": "ring", "gateway": "gateway-1", **CHANGE} == changed


def test_a_gateway_that_restarts_is_waited_for(live: FakeGateway) -> None:
    """It is said that it is gone, and that it is back."""
    with piped("ring", "--watch") as process:
        live.await_readers()
        assert process.stdout is not None
        for _ in range(5):
            process.stdout.readline()
        live.end_streams()
        gone = process.stdout.readline()
        back = process.stdout.readline()
        live.await_readers(opened=2)

    assert "gateway-1 is gone: it ended the stream; trying again\n" == gone
    assert back.startswith("gateway-1 is back after ")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, OK), (signal.SIGTERM, OK), (signal.SIGHUP, OK)], ids=["INT", "TERM", "HUP"]
)
def test_the_terminal_is_as_before_however_it_ends(live: FakeGateway, number: int, code: int) -> None:
    """The alternate screen is left and the cursor is back."""
    with Terminal(100, 40, "ring", "--watch") as terminal:
        terminal.await_text("service2-1")

        assert code == terminal.end(number)
        assert terminal.seen.startswith(BEGIN)
        assert terminal.seen.endswith(END)


def test_it_turns_and_follows_the_size_of_the_terminal(live: FakeGateway) -> None:
    """The hand goes on with a pick; no frame is wider or higher than the terminal."""
    with Terminal(100, 40, "ring", "--watch") as terminal:
        at = terminal.await_text("next service1-1")
        live.await_readers()
        live.send(pick("a" * 16, "service1", "service1-1"))
        at = terminal.await_text("next service1-2", at)
        terminal.resize(70, 12)
        terminal.await_text("more lines than fit", at)

        assert OK == terminal.end(signal.SIGINT)
        last = terminal.seen.split("\x1b[?2026h")[-1]
        assert 12 == last.count("\x1b[K")


def test_a_frame_is_written_at_most_ten_times_a_second(live: FakeGateway) -> None:
    """However fast it turns."""
    import time

    with Terminal(100, 40, "ring", "--watch") as terminal:
        terminal.await_text("service2-1")
        live.await_readers()
        began = time.monotonic()
        for n in range(2000):
            live.send(pick(f"{n:016x}", "service1", f"service1-{n % 2 + 1}"))
        terminal.await_text("drawn 10 times")
        terminal.end(signal.SIGINT)
        frames = terminal.seen.count("\x1b[?2026h")

    assert frames <= 10 * (time.monotonic() - began) + 15


def test_no_color_keeps_the_picture(live: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks and words say it all."""
    monkeypatch.setenv("NO_COLOR", "1")
    with Terminal(100, 40, "ring") as terminal:
        terminal.await_text("in the ring")
        terminal.await_text("joining")

        assert "\x1b[" not in terminal.seen


def test_a_dumb_terminal_gets_lines(live: FakeGateway) -> None:
    """It cannot be written over."""
    with Terminal(100, 40, "ring", "--watch", term="dumb") as terminal:
        terminal.await_text("gateway-1 service1-1 ● linked")

        assert OK == terminal.end(signal.SIGINT)
        assert "\x1b" not in terminal.seen


def test_a_reader_that_goes_away_ends_it(live: FakeGateway) -> None:
    """As with ``carousel ring --watch | head -1``."""
    with piped("ring", "--watch") as process:
        live.await_readers()
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        live.send(*[event("ring", **CHANGE)] * 10)
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            code = None
        process.stdout = None

    assert 141 == code
