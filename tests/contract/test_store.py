"""What every back end promises (`apps.storage.backends.base`), held against each of them."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.storage.backends.base import Store
from apps.storage.errors import StoreUnavailable
from apps.storage.model import Batch, Written
from apps.storage.query import LogQuery, MetricQuery, Order, parse_logs
from apps.storage.search.store import SearchedStore, find
from apps.storage.views import log_view, metric_view
from tests.contract.back_ends import BACK_ENDS, Engines, Place, caught_up, place
from tests.unit.storage.builders import NOW, SECOND, SPAN, TRACE, ALog, ASpan, gauge, logs, spans

OTHER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
DAY = 86_400 * SECOND


@pytest.fixture(params=list(BACK_ENDS))
def store(request: pytest.FixtureRequest, tmp_path: Path, engines: Engines) -> Iterator[Store]:
    """One empty store of each kind, closed afterwards."""
    back_end = BACK_ENDS[request.param]
    with place(tmp_path, engines, back_end.is_searched) as where:
        made = back_end.open(where)
        yield made
        made.close()


def put(store: Store, *batches: Batch) -> list[Written]:
    """Write *batches*, one after the other."""
    written = [store.write(batch, timeout_s=10) for batch in batches]
    caught_up(store)
    return written


def messages(store: Store, **fields: Any) -> list[Any]:
    """Return the messages that a query finds."""
    return [log_view(log)["message"] for log in store.logs(LogQuery(**fields))]


# --- queries as data ---------------------------------------------------------------------------------------------

STEP = "carousel.step"
LIBRARY = (
    ALog("a", "01", NOW - 60 * SECOND, app="gateway", node="gateway-1", trace=TRACE, attributes={STEP: "x.picked"}),
    ALog("b timeout", "02", NOW - 50 * SECOND, app="service1", node="service1-1", severity=13, trace=TRACE),
    ALog("c Timeout again", "03", NOW - 40 * SECOND, app="service2", node="service2-1", severity=17, trace=OTHER_TRACE),
    ALog("d ёлка Straße", "04", NOW - 30 * SECOND, app="service2", node="service2-2", severity=21),
    ALog("e 日本語 हिन्दी", "05", NOW - 20 * SECOND, app="service2", node="service2-1", severity=5),
    ALog({"f": ["deep", {"inside": "needle"}]}, "06", NOW - 10 * SECOND, app="foreign", node="", severity=0),
    ALog("g", "07", NOW - 5 * SECOND, severity=14, attributes={"error": "Connection_Reset by peer", "n": 7}),
    ALog("h", "08", NOW - 1 * SECOND, app="GATEWAY", node="Node Ä:1 \"x\" OR *", attributes={STEP: "x.picked"}),
    ALog("", "09", NOW, severity=24, event="carousel.work.failed"),
)  # fmt: skip
NAMES = {log.uid: key for log, key in zip(LIBRARY, "abcdefghi", strict=True)}

QUERIES: list[tuple[str, dict[str, Any], str]] = [
    ("nothing asked: all, newest first", {}, "ihgfedcba"),
    ("oldest first", {"order": "asc"}, "abcdefghi"),
    ("limit keeps the newest", {"limit": "3"}, "ihg"),
    ("limit keeps the oldest", {"limit": "2", "order": "asc"}, "ab"),
    ("trace id", {"trace_id": TRACE}, "ba"),
    ("trace id in upper case", {"trace_id": TRACE.upper()}, "ba"),
    ("whole traceparent", {"trace_id": f"00-{OTHER_TRACE}-{SPAN}-01"}, "c"),
    ("unknown trace", {"trace_id": "f" * 32}, ""),
    ("app", {"app": "service2"}, "edc"),
    ("app is told apart by case", {"app": "GATEWAY"}, "h"),
    ("app with no records", {"app": "nobody"}, ""),
    ("node", {"node": "service2-1"}, "ec"),
    ("node is no prefix", {"node": "service2"}, ""),
    ("two nodes: either", {"node": ["service2-1", "service1-1"]}, "ecb"),
    ("node with every hostile character", {"node": 'Node Ä:1 "x" OR *'}, "h"),
    ("severity means that level and above", {"severity": "WARN"}, "igdcb"),
    ("severity in lower case", {"severity": "error"}, "idc"),
    ("severity by number", {"severity": "14"}, "igdc"),
    ("least severity leaves the unspecified out", {"severity": "TRACE"}, "ihgedcba"),
    ("state error", {"state": "error"}, "idc"),
    ("state ok", {"state": "ok"}, "hgfeba"),
    ("step", {"step": "x.picked"}, "ha"),
    ("step and app", {"step": "x.picked", "app": "gateway"}, "a"),
    ("word", {"q": "timeout"}, "cb"),
    ("word in another case", {"q": "TIMEOUT"}, "cb"),
    ("two words: both", {"q": "timeout again"}, "c"),
    ("two words that no record has both of", {"q": "timeout needle"}, ""),
    ("q twice: all words of both", {"q": ["timeout", "again"]}, "c"),
    ("part of a word is not the word", {"q": "time"}, ""),
    ("Cyrillic with е for ё", {"q": "ЕЛКА"}, "d"),
    ("Cyrillic with ё", {"q": "Ёлка"}, "d"),
    ("case folding of ß", {"q": "STRASSE"}, "d"),
    ("one Han character of a sentence", {"q": "本"}, "e"),
    ("Devanagari with its vowel signs", {"q": "हिन्दी"}, "e"),
    ("word deep inside a structured body", {"q": "needle"}, "f"),
    ("word of an attribute's value", {"q": "peer"}, "g"),
    ("underscore divides", {"q": "connection reset"}, "g"),
    ("underscore asked for", {"q": "connection_reset"}, "g"),
    ("word of the event's name", {"q": "failed"}, "i"),
    ("from is included", {"from": str(NOW - 10 * SECOND)}, "ihgf"),
    ("to is not included", {"to": str(NOW - 40 * SECOND)}, "ba"),
    ("window", {"from": "30s", "to": "10s"}, "ed"),
    ("empty window", {"from": "5s", "to": "5s"}, ""),
    ("window and word", {"q": "timeout", "from": "45s"}, "c"),
    ("window and node, oldest first", {"node": "service2-1", "from": "1h", "order": "asc"}, "ce"),
    ("RFC 3339 with an offset", {"from": "2026-11-23T14:52:58+03:00"}, "ih"),
    ("window in the year 2262", {"from": "2262-04-11T00:00:00Z"}, ""),
    ("window before everything", {"to": "1970-01-01T00:00:01Z"}, ""),
    ("everything at once", {
        "trace_id": OTHER_TRACE, "app": "service2", "node": "service2-1", "severity": "WARN", "state": "error",
        "q": "again", "from": "1h", "to": "now", "limit": "10", "order": "desc",
    }, "c"),
    ("FTS operators are words", {"q": "timeout OR needle"}, ""),
    ("FTS column filter is no filter", {"q": "token:timeout"}, ""),
    ("quotes do not get out", {"q": '"timeout" AND "again'}, ""),
    ("prefix star is no star", {"q": "tim*"}, ""),
    ("filter token cannot be forged", {"q": "n:service2-1"}, ""),
    ("SQL is text", {"q": "'; DROP TABLE log; --"}, ""),
    ("SQL in a node", {"node": "' OR 1=1 --"}, ""),
    ("NUL in a node", {"node": "gateway-1\0"}, ""),
    ("empty values are not asked", {"q": "", "node": " ", "limit": ""}, "ihgfedcba"),
]  # fmt: skip


def pairs_of(parameters: dict[str, Any]) -> list[tuple[str, str]]:
    """Return parameters as a query string gives them."""
    listed = {name: value if isinstance(value, list) else [value] for name, value in parameters.items()}
    return [(name, value) for name, values in listed.items() for value in values]


@pytest.mark.parametrize(("parameters", "expected"), [case[1:] for case in QUERIES], ids=[case[0] for case in QUERIES])
def test_query_finds_exactly(store: Store, parameters: dict[str, Any], expected: str) -> None:
    """Every back end gives a query the same meaning."""
    put(store, logs(*LIBRARY))
    query = parse_logs(pairs_of(parameters), NOW).query
    found = find(store, query)
    assert expected == "".join(NAMES[log_view(log)["uid"]] for log in found.logs)
    is_engines = isinstance(store, SearchedStore) and bool(query.words)
    assert ("meilisearch" if is_engines else store.name) == found.answered_by


@pytest.mark.parametrize("parameters", [case[1] for case in QUERIES], ids=[case[0] for case in QUERIES])
def test_empty_store_answers_every_query_with_nothing(store: Store, parameters: dict[str, Any]) -> None:
    """A store nobody has written to is no error."""
    assert [] == store.logs(parse_logs(pairs_of(parameters), NOW).query)


def test_empty_store_knows_no_spans_points_nodes_or_counts(store: Store) -> None:
    """Not found is empty, not an exception."""
    assert [] == store.spans(bytes.fromhex(TRACE))
    assert [] == store.latest_points(MetricQuery())
    assert [] == store.nodes()
    assert 0 == store.stats().logs
    assert store.check() is None


# --- identity ----------------------------------------------------------------------------------------------------


def test_log_sent_twice_is_kept_once_and_counted(store: Store) -> None:
    """The same `log.record.uid` is the same record, in one batch or in two."""
    batch = logs(ALog("first", "07"), ALog("second", "07"))
    assert [Written(1, 1), Written(0, 2)] == put(store, batch, batch)
    assert ["first"] == messages(store)
    assert (1, 3) == (store.stats().logs, store.stats().duplicates)


def test_foreign_log_without_uid_is_kept_once(store: Store) -> None:
    """Then the whole record with its time and resource is its identity."""
    log = ALog("same", None)
    put(store, logs(log), logs(log), logs(replace(log, time=NOW + 1)), logs(replace(log, node="gateway-2")))
    assert 3 == len(messages(store))


def test_span_sent_twice_is_kept_once_and_the_first_wins(store: Store) -> None:
    """The identity of a span is (trace id, span id)."""
    assert [Written(1, 0), Written(0, 1)] == put(store, spans(ASpan("first")), spans(ASpan("second")))
    assert b"first" in store.spans(bytes.fromhex(TRACE))[0].raw


def test_same_span_id_in_two_traces_is_two_spans(store: Store) -> None:
    """A span id alone identifies nothing."""
    put(store, spans(ASpan(), ASpan(trace=OTHER_TRACE)))
    assert [1, 1] == [len(store.spans(bytes.fromhex(trace))) for trace in (TRACE, OTHER_TRACE)]


def test_point_sent_twice_is_kept_once(store: Store) -> None:
    """The identity of a point is its series and its time."""
    assert [Written(1, 0), Written(0, 1)] == put(store, gauge("g", (NOW, 1.0)), gauge("g", (NOW, 2.0)))
    assert (1, 1) == (store.stats().points, store.stats().points_held)


def test_batch_of_all_signals_is_written_as_one(store: Store) -> None:
    """A batch may hold any mixture; its rejected records are added up."""
    batch = Batch(logs(ALog()).logs, spans(ASpan()).spans, gauge("g", (NOW, 1.0)).points, rejected=4)
    assert [Written(3, 0)] == put(store, batch)
    stats = store.stats()
    assert (1, 1, 1, 4) == (stats.logs, stats.spans, stats.points, stats.rejected)


# --- order and paging --------------------------------------------------------------------------------------------


def test_logs_of_one_nanosecond_are_all_kept_in_order_of_arrival(store: Store) -> None:
    """A clock that stands still loses nothing: keys move on by nanoseconds."""
    for first in range(0, 60, 20):
        put(store, logs(*(ALog(f"{number:02}", f"{number:032x}") for number in range(first, first + 20))))
    assert [f"{number:02}" for number in range(60)] == messages(store, order=Order.OLDEST_FIRST)
    assert 60 == len({log.key for log in store.logs(LogQuery())})


def test_colliding_keys_stay_unique_beside_later_times(store: Store) -> None:
    """Records that had to move on do not push out the one that owns the next nanosecond."""
    put(store, logs(ALog("next", "aa", NOW + 1)))
    put(store, logs(ALog("one", "bb"), ALog("two", "cc"), ALog("three", "dd")))
    assert {"next", "one", "two", "three"} == set(messages(store))


def page_through(store: Store, query: LogQuery, between: Callable[[], None] = lambda: None) -> list[Any]:
    """Return the messages of all pages; *between* is called after each."""
    found: list[Any] = []
    while page := store.logs(query):
        found += [log_view(log)["message"] for log in page]
        query = replace(query, after=page[-1].key)
        between()
    return found


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("word", [frozenset(), frozenset({"even"})], ids=["all", "by word"])
def test_paging_neither_repeats_nor_misses_while_records_arrive(
    store: Store, order: Order, word: frozenset[str]
) -> None:
    """Everything that was there at the first page is seen exactly once, whatever comes in between, at any time."""
    first = [ALog(f"{n} {'odd' if n % 2 else 'even'}", f"{n:032x}", NOW + n * 10) for n in range(57)]
    put(store, logs(*first))
    arrived = iter(range(1000, 2000))

    def newcomers() -> None:
        times = (NOW - SECOND, NOW + 95, NOW + 10**6)
        put(store, logs(*(ALog("even newcomer", f"{next(arrived):032x}", time) for time in times)))

    seen = page_through(store, LogQuery(words=word, limit=10, order=order, end=NOW + 10**5), newcomers)
    expected = [log.message for log in first if word <= set(log.message.split())]
    if order is Order.NEWEST_FIRST:
        expected.reverse()
    assert expected == [message for message in seen if message != "even newcomer"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    offsets=st.lists(st.integers(0, 30), max_size=40),
    size=st.integers(1, 7),
    order=st.sampled_from(Order),
)
def test_pages_together_are_the_whole(
    tmp_path_factory: Any, engines: Engines, offsets: list[int], size: int, order: Order
) -> None:
    """For any times, equal ones included, and any page size; every back end finds what memory finds."""
    where = Place(tmp_path_factory.mktemp("pages"), engines)
    batch = logs(*(ALog(f"{index}", f"{index:032x}", NOW + offset) for index, offset in enumerate(offsets)))
    results = []
    for back_end in BACK_ENDS.values():
        if back_end.is_searched or (back_end.name == "mongodb" and not engines.has_mongodb()):
            continue
        store = back_end.open(where)
        put(store, batch)
        results.append(page_through(store, LogQuery(limit=size, order=order)))
        store.close()
    assert sorted(str(index) for index in range(len(offsets))) == sorted(results[0])
    assert all(results[0] == found for found in results)


def test_spans_come_oldest_first(store: Store) -> None:
    """Whatever the order they arrived in."""
    put(store, spans(ASpan("b", span="00000000000000bb", start=NOW + 1), ASpan("a", span="00000000000000aa")))
    assert ["aa", "bb"] == [span.span_id.hex()[-2:] for span in store.spans(bytes.fromhex(TRACE))]


# --- hostile times -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "time",
    [0, 1, NOW - 50 * 365 * DAY, NOW + 3600 * SECOND, 2**63 - 1, 2**63, 2**64 - 1],
    ids=["zero", "1970", "fifty years ago", "in an hour", "2262", "past signed 64 bits", "2554"],
)
def test_hostile_time_is_kept_and_breaks_nothing(store: Store, time: int) -> None:
    """The record is found, its own time is shown, and a healthy record is still the newest of its own second."""
    put(store, logs(ALog("hostile", "01", time), arrival=NOW - SECOND), logs(ALog("healthy", "02")))
    put(store, spans(ASpan(start=time)))
    assert ["healthy", "hostile"] == messages(store)
    assert 1 == len(store.spans(bytes.fromhex(TRACE)))


def test_time_too_far_ahead_is_sorted_by_arrival(store: Store) -> None:
    """Otherwise one wrong clock would top every newest-first answer for two centuries."""
    put(store, logs(ALog("from 2262", "01", 2**63 - 1)))
    assert ["from 2262"] == messages(store, start=NOW - SECOND, end=NOW + SECOND)
    assert log_view(store.logs(LogQuery())[0])["time"].startswith("2262-04-11T23:47:16")


def test_time_that_is_missing_is_the_observed_one(store: Store) -> None:
    """OTLP: time_unix_nano 0 means unknown; observed_time_unix_nano stands for it."""
    put(store, logs(ALog("observed", "01", 0, observed=NOW - 7)))
    assert [NOW - 7] == [log.key for log in store.logs(LogQuery())]


# --- metrics and nodes -------------------------------------------------------------------------------------------


def test_latest_point_of_each_series_is_found(store: Store) -> None:
    """One answer a series, also where points arrive out of order; other attributes are another series."""
    put(store, gauge("b", (NOW - 5, 1.0), (NOW - 1, 3.0), (NOW - 3, 2.0)), gauge("a", (NOW, 9.0)))
    put(store, gauge("b", (NOW - 9, 8.0), ring="two"))
    found = [metric_view(point) for point in store.latest_points(MetricQuery())]
    assert [("a", 9.0), ("b", 3.0), ("b", 8.0)] == [(point["name"], point["value"]) for point in found]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (MetricQuery(names=("b",)), ["b"]),
        (MetricQuery(names=("a", "b")), ["a", "b"]),
        (MetricQuery(apps=("gateway",)), ["a", "b"]),
        (MetricQuery(nodes=("nobody",)), []),
        (MetricQuery(names=("' OR 1=1",)), []),
    ],
)
def test_points_are_found_by_name_app_and_node(store: Store, query: MetricQuery, expected: list[str]) -> None:
    """Filters of metrics are exact."""
    put(store, gauge("a", (NOW, 1.0)), gauge("b", (NOW, 1.0)))
    assert expected == [point.series.name for point in store.latest_points(query)]


def test_series_without_young_points_is_gone(store: Store) -> None:
    """Points are kept two hours: a stack that idles for weeks keeps no more than that."""
    put(store, gauge("old", (NOW - 3 * 3600 * SECOND, 1.0)), gauge("young", (NOW - 3600 * SECOND, 1.0)))
    assert ["young"] == [point.series.name for point in store.latest_points(MetricQuery())]


def test_nodes_tell_when_they_were_seen_and_what_they_sent(store: Store) -> None:
    """Duplicates count for nothing."""
    log = ALog("x", "01", NOW - 5, app="service2", node="service2-1")
    put(store, logs(log, replace(log, uid="02", time=NOW - 9)), logs(log), spans(ASpan(start=NOW - 7)))
    nodes = [(n.node, n.app, NOW - n.first_seen, NOW - n.last_seen, n.logs, n.spans, n.points) for n in store.nodes()]
    assert [("gateway-1", "gateway", 7, 7, 0, 1, 0), ("service2-1", "service2", 9, 5, 2, 0, 0)] == nodes


# --- many at once, and the end -----------------------------------------------------------------------------------


def test_many_writers_and_readers_lose_nothing(store: Store) -> None:
    """Every record that a write returned for is found, once, while others write and read."""
    errors: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for turn in range(10):
                name = f"w{worker}t{turn}"
                put(store, logs(*(ALog(name, f"{worker:08x}{turn:08x}{n:016x}", NOW + n) for n in range(20))))
                assert 20 == len(store.logs(LogQuery(words=frozenset({name}))))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == errors
    assert 800 == store.stats().logs


def test_closed_store_refuses_and_closes_again_in_peace(store: Store) -> None:
    """A closed store is unavailable, whatever is asked of it."""
    store.close()
    store.close()
    assert store.check() is not None
    calls: list[Callable[[], object]] = [
        lambda: store.write(logs(ALog()), timeout_s=1),
        lambda: store.logs(LogQuery()),
        lambda: store.spans(bytes(16)),
        lambda: store.latest_points(MetricQuery()),
        store.nodes,
        store.stats,
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable):
            call()


@pytest.mark.parametrize("name", [name for name, back_end in BACK_ENDS.items() if back_end.is_durable])
def test_everything_is_there_after_a_restart(name: str, tmp_path: Path, engines: Engines) -> None:
    """Records, duplicates' memory, points, nodes and totals survive a clean close."""
    back_end = BACK_ENDS[name]
    with place(tmp_path, engines, back_end.is_searched) as where:
        first = back_end.open(where)
        put(first, logs(*LIBRARY), spans(ASpan()), gauge("g", (NOW, 1.0)), Batch(rejected=2))
        before = (first.logs(LogQuery()), first.spans(bytes.fromhex(TRACE)), first.nodes(), first.stats())
        first.close()
        second = back_end.open(where)
        again = (second.logs(LogQuery()), second.spans(bytes.fromhex(TRACE)), second.nodes(), second.stats())
        assert before == again
        assert [Written(0, len(LIBRARY)), Written(0, 1)] == put(second, logs(*LIBRARY), gauge("g", (NOW, 2.0)))
        assert ["x.picked"] == [log_view(log)["step"] for log in second.logs(LogQuery(steps=("x.picked",), limit=1))]
        assert 2 == len(second.logs(LogQuery(words=frozenset({"timeout"}))))
        second.close()
