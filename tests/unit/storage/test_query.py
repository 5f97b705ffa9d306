"""How query parameters are read, and what is said about those that cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.storage.errors import BadQuery
from apps.storage.query import (
    END_OF_TIME,
    LOG_PARAMETERS,
    LogQuery,
    MetricQuery,
    Order,
    State,
    parse_logs,
    parse_metrics,
    parse_time,
    parse_trace_id,
)
from tests.unit.storage.builders import NOW, SECOND, TRACE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("5m", NOW - 300 * SECOND),
        ("-5m", NOW - 300 * SECOND),
        ("now-5m", NOW - 300 * SECOND),
        ("250ms", NOW - SECOND // 4),
        ("1w", NOW - 604_800 * SECOND),
        ("999999999w", 0),
        ("0", 0),
        ("1795434779", NOW),
        ("1795434779.5", NOW + SECOND // 2),
        ("1795434779000000000", NOW),
        ("2026-11-23T11:52:59Z", NOW),
        ("2026-11-23t11:52:59z", NOW),
        ("2026-11-23 11:52:59Z", NOW),
        ("2026-11-23T11:52:59.000000001Z", NOW + 1),
        ("2026-11-23T11:52:59.0000000019Z", NOW + 1),
        ("2026-11-23T14:52:59+03:00", NOW),
        ("2026-11-23T14:52:59 03:00", NOW),
        ("2026-11-23T06:22:59-05:30", NOW),
        ("2016-12-31T23:59:60Z", 1_483_228_799 * SECOND),
        ("9999-12-31T23:59:59Z", END_OF_TIME),
        ("0001-01-01T00:00:00+14:00", 0),
        ("18446744073709551615", END_OF_TIME),
    ],
)
def test_time_is_read(text: str, expected: int) -> None:
    """RFC 3339 with zone, unix seconds and nanoseconds, and times ago."""
    assert expected == parse_time("from", text, NOW)


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2026-11-23", "2026-11-23T11:52:59", "2026-02-30T00:00:00Z", "2026-11-23T25:00:00Z", "5 m",
     "m", "-1", "1e9", "٥m", "123456789012345678901", "2026-11-23T11:52:61Z", "2026-11-23T11:52:59+24:00", "NaN"],
)  # fmt: skip
def test_time_that_cannot_be_read_says_what_is_expected(text: str) -> None:
    """The error names parameter, value and forms. A time without zone is nobody's."""
    with pytest.raises(BadQuery, match=r"^from=.*expected an RFC 3339 time with zone"):
        parse_time("from", text, NOW)


@pytest.mark.parametrize("text", [TRACE, TRACE.upper(), f"00-{TRACE}-b7ad6b7169203331-01", f" {TRACE} "])
def test_trace_id_is_read_in_any_form(text: str) -> None:
    """People paste what they have."""
    assert bytes.fromhex(TRACE) == parse_trace_id(text)


@pytest.mark.parametrize(
    "text", ["", "x", TRACE[:-1], TRACE + "0", "0" * 32, "g" * 32, f"00-{TRACE}-b7ad-01", "٠" * 32]
)
def test_trace_id_that_is_none_is_refused(text: str) -> None:
    """The error says what one looks like."""
    with pytest.raises(BadQuery, match="32 hex digits"):
        parse_trace_id(text)


def test_all_parameters_together() -> None:
    """Each one lands in its field."""
    given_parameters = [
        ("trace_id", TRACE), ("app", "a"), ("app", "b"), ("app", "a"), ("node", "n"), ("step", "s"),
        ("severity", "warning"), ("state", "ERROR"), ("q", "One two"), ("from", "10"), ("to", "20"), ("limit", "7"),
        ("order", "asc"),
    ]  # fmt: skip
    expected = LogQuery(
        bytes.fromhex(TRACE), ("a", "b"), ("n",), ("s",), 13, State.ERROR, frozenset({"one", "two"}), 10 * SECOND,
        20 * SECOND, 7, Order.OLDEST_FIRST,
    )  # fmt: skip
    assert expected == parse_logs(given_parameters, NOW).query


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([("trace", "x")], "trace='x': expected one of the parameters trace_id, app"),
        ([("limit", "0")], "limit='0': expected a whole number from 1 to 1000"),
        ([("limit", "1001")], "limit='1001'"),
        ([("limit", "1e2")], "limit='1e2'"),
        ([("limit", "5"), ("limit", "6")], "limit='6': expected to be given once"),
        ([("severity", "LOUD")], "severity='LOUD': expected one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL or a"),
        ([("severity", "25")], "severity='25'"),
        ([("severity", "0")], "severity='0'"),
        ([("state", "bad")], "state='bad': expected ok or error"),
        ([("order", "up")], "order='up': expected desc or asc"),
        ([("q", "!?")], r"q='!\?': expected at least one word"),
        ([("q", " ".join(f"w{n}" for n in range(40)))], "expected at most 32 words"),
        ([("from", "1m"), ("to", "2m")], "from='1m': expected a time not after to='2m'"),
        ([("node", "n")] * 33, "node='n': expected at most 32 values"),
        ([("node", "n" * 1001)], "expected at most 1000 characters"),
        ([("cursor", "nonsense")], "cursor='nonsense': expected a cursor from `next`"),
    ],
)
def test_bad_parameter_is_named_with_what_is_expected(parameters: list[tuple[str, str]], message: str) -> None:
    """An error names parameter, value and expected form."""
    with pytest.raises(BadQuery, match=f"^{message}|{message}"):
        parse_logs(parameters, NOW)


def test_cursor_goes_on_in_the_window_of_its_first_page() -> None:
    """A relative time does not move on while somebody pages."""
    asked = parse_logs([("from", "5m"), ("to", "now"), ("app", "x")], NOW)
    cursor = asked.cursor_after(NOW - 7)
    following = parse_logs(
        [("from", "5m"), ("to", "now"), ("app", "x"), ("cursor", cursor), ("limit", "5")], NOW + SECOND
    )
    assert (asked.query.start, asked.query.end, NOW - 7, 5) == (
        following.query.start, following.query.end, following.query.after, following.query.limit,
    )  # fmt: skip


def test_cursor_of_another_query_is_refused() -> None:
    """It would silently give an answer to neither."""
    cursor = parse_logs([("app", "x")], NOW).cursor_after(1)
    with pytest.raises(BadQuery, match="the same filters"):
        parse_logs([("app", "y"), ("cursor", cursor)], NOW)


@given(st.text())
def test_no_cursor_breaks_the_parser(cursor: str) -> None:
    """Anything that is no cursor is a BadQuery, or no cursor at all where it is blank."""
    try:
        query = parse_logs([("cursor", cursor)], NOW).query
    except BadQuery:
        return
    assert not cursor.strip()
    assert query.after is None


@given(st.lists(st.tuples(st.sampled_from(LOG_PARAMETERS), st.text(max_size=40)), max_size=6))
def test_no_parameters_break_the_parser(parameters: list[tuple[str, str]]) -> None:
    """Whatever is asked is a query or a BadQuery."""
    try:
        limit = parse_logs(parameters, NOW).query.limit
    except BadQuery:
        return
    assert 1 <= limit <= 1000


def test_metric_parameters_are_read() -> None:
    """Names, apps and nodes, each any number of times."""
    expected = MetricQuery(("m",), ("a", "b"), ())
    assert expected == parse_metrics([("name", "m"), ("app", "a"), ("app", "b"), ("node", "")])


def test_unknown_metric_parameter_is_refused() -> None:
    """Also one that logs would have."""
    with pytest.raises(BadQuery, match="expected one of the parameters name, app, node"):
        parse_metrics([("q", "x")])
