"""``carousel logs``: records that match, one line each, however many pages they fill."""

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from rich.text import Text

from apps.cli import logline
from apps.cli.errors import OK, UNREACHABLE, USAGE
from apps.cli.tailing import MOST_A_QUESTION, Tail
from tests.unit.cli import samples
from tests.unit.cli.conftest import Asked, Server
from tests.unit.cli.program import finish, piped

Carousel = Callable[..., Result]


def stored(records: list[dict[str, Any]]) -> Callable[[Asked], tuple[int, dict[str, str], Any]]:
    """Return storage's way to answer from *records*: pages with a cursor to the next."""

    def answer(asked: Asked) -> tuple[int, dict[str, str], Any]:
        query = dict(asked.query)
        start = int(query.get("cursor", 0))
        end = start + int(query["limit"])
        return 200, {}, {"logs": records[start:end], "next": str(end) if end < len(records) else None}

    return answer


def test_a_record_is_one_line(carousel: Carousel, storage: Server) -> None:
    """Time, severity letter, node, step, message, facts; in a pipe with the whole time."""
    storage.answer = stored([samples.record()])

    output = carousel("logs").stdout

    assert (
        "2026-11-23T11:52:59.123456789Z I service2-1 service2.response.sent              "
        "response sent  200 23.1 ms gateway\n" == output
    )


def test_filters_are_handed_to_storage(carousel: Carousel, storage: Server) -> None:
    """Under the names of its search, a filter that may repeat as often as it is given."""
    storage.answer = stored([])

    carousel(
        "logs", "--trace", samples.TRACE_ID.upper(), "--app", "service2", "--node", "service2-1",
        "--node", "service2-2", "--severity", "warn", "--state", "error", "--step", "service2.work.bug",
        "--since", "5m", "--until", "now", "--text", "time out", "--limit", "7",
    )  # fmt: skip

    assert [
        ("app", "service2"), ("from", "5m"), ("limit", "7"), ("node", "service2-1"), ("node", "service2-2"),
        ("order", "asc"), ("q", "time out"), ("severity", "warn"), ("state", "error"), ("step", "service2.work.bug"),
        ("to", "now"), ("trace_id", samples.TRACE_ID),
    ] == sorted(storage.asked[0].query)  # fmt: skip


def test_the_newest_come_first_without_a_trace(carousel: Carousel, storage: Server) -> None:
    """A trace is read from its beginning, a log from its end; --order says otherwise."""
    storage.answer = stored([])

    carousel("logs")
    carousel("logs", "--order", "asc")

    assert ["desc", "asc"] == [dict(asked.query)["order"] for asked in storage.asked]


@pytest.mark.parametrize(("limit", "expected", "calls"), [(2500, 2500, 3), (0, 3000, 3), (1000, 1000, 1), (10, 10, 1)])
def test_pages_until_the_limit(carousel: Carousel, storage: Server, limit: int, expected: int, calls: int) -> None:
    """A page has at most a thousand; 0 is no limit."""
    storage.answer = stored([samples.record(seq=n) for n in range(3000)])

    lines = carousel("logs", "--limit", str(limit), "--json").stdout.splitlines()

    assert (expected, calls) == (len(lines), len(storage.asked))
    assert list(range(expected)) == [json.loads(line)["seq"] for line in lines]


def test_what_was_left_out_is_said_beside_the_output(carousel: Carousel, storage: Server) -> None:
    """On standard error, so that a pipe gets records only."""
    storage.answer = stored([samples.record()] * 3)

    result = carousel("logs", "--limit", "2")

    assert 2 == len(result.stdout.splitlines())
    assert "2 shown, more match" in result.stderr


def test_no_match_is_no_failure(carousel: Carousel, storage: Server) -> None:
    """Nothing on standard output, a word on standard error."""
    storage.answer = stored([])

    result = carousel("logs", "--text", "nothing")

    assert (OK, "") == (result.exit_code, result.stdout)
    assert "No record matches." in result.stderr


def test_json_is_the_record_as_storage_has_it(carousel: Carousel, storage: Server) -> None:
    """Every member, also those that the line leaves out."""
    storage.answer = stored([samples.record(extra={"deep": [1]})])

    assert samples.record(extra={"deep": [1]}) == json.loads(carousel("logs", "--json").stdout)


def test_what_storage_cannot_understand_is_a_matter_of_usage(carousel: Carousel, storage: Server) -> None:
    """Its words say what it expected."""
    storage.says(400, {"detail": "from='5x': expected a time"})

    result = carousel("logs", "--since", "5x")

    assert (USAGE, "carousel: from='5x': expected a time\n") == (result.exit_code, result.stderr)


def test_a_hostile_message_stays_on_its_line(carousel: Carousel, storage: Server) -> None:
    """It can neither colour the terminal nor pretend to be another record."""
    storage.answer = stored(
        [samples.record(message="\x1b[2J[red]x[/red]\n2026-11-23T11:52:59Z E gateway-1 forged", step="")]
    )

    output = carousel("logs").stdout

    assert 1 == len(output.splitlines())
    assert "\\x1b[2J[red]x[/red]\\n2026" in output


def _marked(line: Text) -> list[str]:
    return [line.plain[span.start : span.end] for span in line.spans if span.style == "bold reverse"]


def test_the_words_of_the_query_are_marked() -> None:
    """Whole words, in any case, wherever they stand."""
    record = logline.decode(samples.record(message="Timeout of timeouts: TIMEOUT", step=""))

    assert ["Timeout", "TIMEOUT"] == _marked(logline.draw(record, width=None, marked=logline.words_of("timeout")))


def test_a_query_without_words_marks_nothing() -> None:
    """Storage will say what it thinks of it."""
    assert logline.words_of("--- !") is None


def test_a_terminal_gets_lines_of_its_width() -> None:
    """What does not fit is cut, with a mark that it was."""
    line = logline.draw(logline.decode(samples.record(message="x" * 200)), width=80)

    assert 80 == line.cell_len
    assert line.plain.startswith("11:52:59.123 I service2-1 service2.response.sent")
    assert line.plain.endswith("…")


@pytest.mark.parametrize("shape", [{}, {"http": 3, "attributes": [], "message": {"a": 1}, "time": 7}])
def test_a_record_of_any_shape_has_a_line(shape: dict[str, Any]) -> None:
    """Records of other programs are shown as far as they go."""
    assert logline.draw(logline.decode(shape), width=80).plain


def test_facts_come_before_words_that_only_repeat_the_step() -> None:
    """At 80 columns there is room for one of them, and the step's name is there already."""
    line = logline.draw(logline.decode(samples.record()), width=80)

    assert line.plain.endswith("service2.response.sent              200 23.1 ms gatew…")


def test_follow_goes_on_with_what_comes(storage: Server, carousel: Carousel) -> None:
    """The newest first, oldest of them on top; then each record once, though every question reaches back."""
    records = [samples.record(uid=f"{n:032x}", seq=n, time=f"2026-11-23T11:52:{n:02}.5Z") for n in range(1, 4)]

    def answer(asked: Asked) -> tuple[int, dict[str, str], Any]:
        query = dict(asked.query)
        found = [one for one in records if one["time"] >= query.get("from", "")]
        found.sort(key=lambda one: one["time"], reverse=query["order"] == "desc")
        return 200, {}, {"logs": found[: int(query["limit"])], "next": None}

    storage.answer = answer
    with piped("logs", "--follow", "--limit", "2", "--json", "--node", "service2-1") as process:
        assert process.stdout is not None
        first = [json.loads(process.stdout.readline())["seq"] for _ in range(2)]
        records.append(samples.record(uid=f"{9:032x}", seq=9, time="2026-11-23T11:52:02.9Z"))
        late = json.loads(process.stdout.readline())["seq"]
        code, rest, complaints = finish(process, signal.SIGINT)

    assert ([2, 3], 9) == (first, late)
    assert (OK, "", "") == (code, rest, complaints)
    assert "2026-11-23T11:52:00.500000Z" == dict(storage.asked[1].query)["from"]


def test_follow_at_a_storage_that_was_never_there_ends_in_3(carousel: Carousel) -> None:
    """A storage that goes later is waited for; at the start nobody is."""
    assert UNREACHABLE == carousel("logs", "--follow", "--storage", "127.0.0.1:1").exit_code


def test_follow_remembers_no_more_than_it_must() -> None:
    """What it remembers is bounded, and so is what one question gives."""
    tail = Tail(lambda after: ({"uid": f"{n}", "time": ""} for n in range(MOST_A_QUESTION + 5)))

    assert (MOST_A_QUESTION, 1) == (len(list(tail.new())), tail.skipped)


@pytest.mark.parametrize("options", [["--until", "now"], ["--order", "desc"]])
def test_follow_takes_no_end_and_no_order(carousel: Carousel, storage: Server, options: list[str]) -> None:
    """They would contradict it."""
    assert (USAGE, []) == (carousel("logs", "-f", *options).exit_code, storage.asked)
