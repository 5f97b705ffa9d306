"""What a search engine beside a store promises: it finds what the store finds, misses nothing, and may go away."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.storage.backends.base import FeedingStore
from apps.storage.errors import StoreUnavailable
from apps.storage.query import LogQuery, Order, parse_logs
from apps.storage.search import store as search_store
from apps.storage.search.documents import document_of, request_of
from apps.storage.search.meilisearch import MeilisearchIndex, SearchAddress, SearchUnavailable
from apps.storage.search.store import SearchedStore
from apps.storage.views import log_view
from tests.contract.back_ends import FEEDING, MEILISEARCH_URL, Engines, Place, caught_up, place
from tests.contract.test_store import LIBRARY, QUERIES, pairs_of
from tests.fake_meilisearch import FakeMeilisearch
from tests.unit.storage.builders import NOW, SECOND, ALog, logs

WORD = LogQuery(words=frozenset({"word"}))
only_the_fake = pytest.mark.skipif(bool(MEILISEARCH_URL), reason="only the fake can be told to misbehave")


@pytest.fixture
def where(tmp_path: Path, engines: Engines) -> Iterator[Place]:
    """A place with a search engine."""
    with place(tmp_path, engines, is_searched=True) as lent:
        yield lent


@pytest.fixture(params=list(FEEDING))
def main(request: pytest.FixtureRequest, where: Place) -> Iterator[FeedingStore]:
    """One empty store of each kind that feeds, closed afterwards."""
    made = FEEDING[request.param](where, True)
    yield made
    made.close()


@pytest.fixture
def fake(where: Place) -> FakeMeilisearch:
    """The engine, where it is ours."""
    assert where.search is not None
    return where.search


def eventually(is_so: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    """Wait until *is_so*."""
    give_up_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < give_up_at, f"not within {within_s} s: {what}"
        time.sleep(0.01)


def messages(found: search_store.Found) -> list[Any]:
    """Return the messages that were found."""
    return [log_view(log)["message"] for log in found.logs]


# --- the outbox of each store ------------------------------------------------------------------------------------


def test_log_is_pending_from_its_write_until_it_is_settled(main: FeedingStore) -> None:
    """Written together with the log; a duplicate is not pending again."""
    main.begin_feed("one", timeout_s=10)
    batch = logs(ALog("a word", "01"), ALog("another", "02", NOW + 5))
    main.write(batch, timeout_s=10)
    assert [NOW, NOW + 5] == sorted(log.key for log in main.next_pending(10))
    assert [1, 2] == [main.pending(1), main.pending(10)]
    main.settle([NOW], timeout_s=10)
    main.write(batch, timeout_s=10)
    assert [NOW + 5] == [log.key for log in main.next_pending(10)]
    assert "one" == main.generation()


def test_another_index_is_given_everything(main: FeedingStore) -> None:
    """What was settled for the old one is pending for the new one."""
    main.write(logs(*LIBRARY), timeout_s=10)
    main.begin_feed("one", timeout_s=10)
    main.settle([log.key for log in main.next_pending(100)], timeout_s=10)
    assert 0 == main.pending(100)
    main.begin_feed("two", timeout_s=10)
    assert (len(LIBRARY), "two") == (main.pending(100), main.generation())


@pytest.mark.parametrize("case", [case[1:] for case in QUERIES], ids=[case[0] for case in QUERIES])
def test_pending_logs_are_searched_like_all(main: FeedingStore, case: tuple[dict[str, Any], str]) -> None:
    """Every query means of the pending logs what it means of all."""
    main.write(logs(*LIBRARY), timeout_s=10)
    query = parse_logs(pairs_of(case[0]), NOW).query
    settled = {log.key for log in main.logs(LogQuery())[::2]}
    main.settle(sorted(settled), timeout_s=10)
    whole = [log for log in main.logs(replace(query, limit=100)) if log.key not in settled]
    assert whole[: query.limit] == main.pending_logs(query)


def test_logs_are_found_by_key_and_gone_ones_left_out(main: FeedingStore) -> None:
    """By key, in order."""
    main.write(logs(ALog("b", "02", NOW + 1), ALog("a", "01")), timeout_s=10)
    assert ["a", "b"] == [log_view(log)["message"] for log in main.logs_of([NOW + 1, 5, NOW])]
    assert [] == main.logs_of([])


@pytest.mark.parametrize("name", ["sqlite", "mongodb"])
def test_outbox_survives_a_restart_and_is_forgotten_by_a_store_that_feeds_nobody(name: str, where: Place) -> None:
    """What is written while nobody feeds is in no outbox, so the index has to be given everything anew."""
    first = FEEDING[name](where, True)
    first.begin_feed("one", timeout_s=10)
    first.write(logs(ALog("a", "01")), timeout_s=10)
    first.close()
    second = FEEDING[name](where, True)
    assert ("one", 1) == (second.generation(), second.pending(10))
    second.close()
    third = FEEDING[name](where, False)
    third.write(logs(ALog("b", "02")), timeout_s=10)
    third.close()
    fourth = FEEDING[name](where, True)
    assert "" == fourth.generation()
    fourth.close()


# --- the engine by itself ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, engines: Engines) -> Iterator[tuple[SearchedStore, Place]]:
    """A store with the library in it, and its engine, caught up."""
    with place(tmp_path_factory.mktemp("indexed"), engines, is_searched=True) as where:
        store = where.searched()
        assert isinstance(store, SearchedStore)
        store.write(logs(*LIBRARY), timeout_s=10)
        caught_up(store)
        # Its thread would go on asking while tests look for threads that somebody left behind.
        store._feeder.close()
        yield store, where
        store.close()


@pytest.mark.parametrize("parameters", [case[1] for case in QUERIES], ids=[case[0] for case in QUERIES])
def test_engine_alone_finds_what_the_store_finds(
    indexed: tuple[SearchedStore, Place], parameters: dict[str, Any]
) -> None:
    """Not only full text: every filter, window and order means the same there."""
    store, where = indexed
    query = parse_logs(pairs_of(parameters), NOW).query
    assert [log.key for log in store._main.logs(query)] == where.index().find(query)


def test_times_within_a_microsecond_are_told_apart(where: Place) -> None:
    """The engine's numbers are exact to 2^53 only, and a time has more digits."""
    with_word = [ALog("word", f"{n:032x}", NOW + n) for n in range(0, 3000, 7)]
    store = caught_up_with(where, *with_word)
    for order in Order:
        seen: list[int] = []
        query = replace(WORD, limit=50, order=order, start=NOW + 8, end=NOW + 2990)
        while page := where.index().find(query):
            seen += page
            query = replace(query, after=page[-1])
        assert sorted(range(NOW + 14, NOW + 2990, 7), reverse=order is Order.NEWEST_FIRST) == seen
    store.close()


def caught_up_with(where: Place, *sent: ALog) -> SearchedStore:
    """Return a store with what was *sent* in it and in its engine."""
    store = where.searched()
    assert isinstance(store, SearchedStore)
    store.write(logs(*sent), timeout_s=10)
    caught_up(store)
    return store


def test_largest_page_and_one_more_is_found(where: Place) -> None:
    """The engine's own limit of 1,000 hits would hide that there is another page."""
    store = caught_up_with(where, *(ALog("word", f"{n:032x}", NOW + n) for n in range(1_010)))
    assert 1_001 == len(where.index().find(replace(WORD, limit=1_001)))
    store.close()


def test_words_that_differ_by_accents_only_are_two_words(where: Place) -> None:
    """The engine would fold them into one."""
    store = caught_up_with(where, ALog("café", "01"), ALog("cafe", "02", NOW + 1))
    found = [where.index().find(LogQuery(words=frozenset({word}))) for word in ("café", "cafe")]
    assert [[NOW], [NOW + 1]] == found
    store.close()


# --- both together -----------------------------------------------------------------------------------------------


@only_the_fake
def test_search_finds_what_the_engine_has_not_got_yet(where: Place, fake: FakeMeilisearch) -> None:
    """A write is searchable when it returns, also where the task that commits it there waits."""
    store = caught_up_with(where, ALog("old word", "01"))
    fake.holds_tasks = True
    store.write(logs(ALog("new word", "02", NOW + 1)), timeout_s=10)
    found = store.find(WORD)
    assert (["new word", "old word"], "meilisearch") == (messages(found), found.answered_by)
    assert 1 == store.state().lag.pending
    fake.holds_tasks = False
    caught_up(store)
    assert ["new word", "old word"] == messages(store.find(WORD))
    assert 0.0 == store.state().lag.seconds
    store.close()


@only_the_fake
def test_store_answers_while_the_engine_is_far_behind(
    where: Place, fake: FakeMeilisearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says so."""
    monkeypatch.setattr(search_store, "MAX_BEHIND", 3)
    store = caught_up_with(where, ALog("word", "01"))
    fake.holds_tasks = True
    store.write(logs(*(ALog("word", f"{n:032x}", NOW + n) for n in range(2, 6))), timeout_s=10)
    assert (5, "sqlite") == (len(store.find(WORD).logs), store.find(WORD).answered_by)
    assert not store.state().is_caught_up
    store.close()


@only_the_fake
def test_engine_that_goes_away_costs_no_answer_and_no_log(where: Place, fake: FakeMeilisearch) -> None:
    """Writes go on, the store answers; when the engine is back it gets what it missed, and answers again."""
    store = caught_up_with(where, ALog("word one", "01"))
    fake.is_down = True
    assert (1, "sqlite") == (len(store.find(WORD).logs), store.find(WORD).answered_by)
    store.write(logs(ALog("word two", "02", NOW + 1)), timeout_s=10)
    assert ["word two", "word one"] == messages(store.find(WORD))
    assert "503" in str(store.state().error)
    assert store.check() is None
    fake.is_down = False
    caught_up(store)
    assert (["word two", "word one"], "meilisearch") == (messages(store.find(WORD)), store.find(WORD).answered_by)
    store.close()


@only_the_fake
def test_engine_that_lost_its_index_is_given_everything_anew(where: Place, fake: FakeMeilisearch) -> None:
    """Its settings first; no search is answered from a part of it."""
    store = caught_up_with(where, *(ALog("word", f"{n:032x}", NOW + n) for n in range(5)))
    fake.indexes.clear()
    assert 5 == len(store.find(WORD).logs)
    eventually(lambda: where.label in fake.indexes and store.find(WORD).answered_by == "meilisearch", "fed again")
    caught_up(store)
    assert 5 == len(where.index().find(WORD))
    store.close()


@only_the_fake
def test_index_of_another_store_is_emptied_first(where: Place, fake: FakeMeilisearch) -> None:
    """Keys of logs that this store never had would be found in it."""
    index = where.index()
    index.make_anew()
    stranger = FEEDING["memory"](where, True)
    stranger.write(logs(ALog("a stranger's word", "09", NOW - SECOND)), timeout_s=10)
    index.is_committed(index.add([document_of(log, 0) for log in stranger.logs(LogQuery())]), 10)
    stranger.close()
    store = caught_up_with(where, ALog("word", "01"))
    assert [NOW] == where.index().find(WORD)
    store.close()


@only_the_fake
def test_task_that_fails_is_asked_for_again(where: Place, fake: FakeMeilisearch) -> None:
    """202 is no commit: a full disk shows in the task alone."""
    failures: list[int] = []
    store = SearchedStore(where.sqlite(feeds=True), where.index(), on_failure=lambda: failures.append(1))
    fake.fails_next = "documentAdditionOrUpdate"
    store.write(logs(ALog("word", "01")), timeout_s=10)
    eventually(lambda: bool(failures), "the failure is counted")
    caught_up(store)
    assert [NOW] == where.index().find(WORD)
    store.close()


def test_restart_amid_feeding_loses_nothing_and_repeats_nothing(where: Place) -> None:
    """What was on its way is handed over once more, under the same id."""
    for turn in range(4):
        store = where.searched()
        sent = [ALog("word", f"{turn:016x}{n:016x}", NOW + turn * 100 + n) for n in range(50)]
        store.write(logs(*sent), timeout_s=10)
        store.close()
    store = caught_up(where.searched())
    assert 200 == len(where.index().find(replace(WORD, limit=1000)))
    store.close()


def test_key_that_the_store_has_no_more_is_left_out_of_the_page(where: Place) -> None:
    """A page is filled with what comes after it."""
    store = caught_up_with(where, *(ALog("word", f"{n:032x}", NOW + n) for n in range(6)))
    gone = {NOW + 5, NOW + 4, NOW + 2}
    whole = store._main.logs_of

    def without_gone(keys: list[int]) -> list[Any]:
        return whole([key for key in keys if key not in gone])

    store._main.logs_of = without_gone  # type: ignore[method-assign,assignment]
    assert [NOW + 3, NOW + 1] == [log.key for log in store.find(replace(WORD, limit=2)).logs]
    store.close()


def test_settings_are_laid_down_before_any_document(where: Place, request: pytest.FixtureRequest) -> None:
    """Set later they would index everything twice."""
    if MEILISEARCH_URL:
        pytest.skip("a real engine does not tell who called it")
    caught_up_with(where, ALog("word", "01")).close()
    assert where.search is not None
    writes = [
        f"{method} {path.rsplit('/', 1)[-1]}" for method, path in where.search.calls if method in ("PATCH", "POST")
    ]
    assert ["POST indexes", "PATCH settings", "POST documents"] == writes[:3]


# --- the edge ----------------------------------------------------------------------------------------------------


def test_key_is_shown_and_asked_for() -> None:
    """A wrong one is an error with the engine's own words, not a crash."""
    with FakeMeilisearch(key="s3cret").running() as fake:
        address = SearchAddress.parse(fake.url)
        assert "" == MeilisearchIndex(address, "s3cret").generation()
        with pytest.raises(SearchUnavailable, match="403 invalid_api_key"):
            MeilisearchIndex(address, "wrong").generation()


def test_engine_that_nobody_runs_is_unavailable(tmp_path: Path, engines: Engines) -> None:
    """The store works as without one."""
    store = SearchedStore(
        Place(tmp_path, engines).sqlite(feeds=True), MeilisearchIndex(SearchAddress("http://127.0.0.1:1", "x"))
    )
    store.write(logs(ALog("word", "01")), timeout_s=10)
    assert (["word"], "sqlite") == (messages(store.find(WORD)), store.find(WORD).answered_by)
    eventually(lambda: "Connection" in str(store.state().error), "the error is told")
    store.close()
    with pytest.raises(StoreUnavailable):
        store.find(WORD)


def test_answer_of_another_shape_is_unavailable(where: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What answers at that address may be anybody."""
    if where.search is None:
        pytest.skip("only the fake can be told to misbehave")
    monkeypatch.setattr(where.search, "answer", lambda *_: (200, ["not", "an", "answer"]))
    for ask in (lambda: where.index().find(WORD), where.index().generation, lambda: where.index().is_committed(0)):
        with pytest.raises(SearchUnavailable):
            ask()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("meilisearch://localhost", SearchAddress("http://localhost:7700", "carousel-logs")),
        ("meilisearch://[::1]:7701/mine", SearchAddress("http://[::1]:7701", "mine")),
        ("meilisearchs://search.example/x_1", SearchAddress("https://search.example:7700", "x_1")),
    ],
)
def test_address_is_understood(url: str, expected: SearchAddress) -> None:
    """Port and index have defaults."""
    assert expected == SearchAddress.parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://x",
        "meilisearch://",
        "meilisearch://x/a b",
        "meilisearch://x/a/b",
        "meilisearch://u:p@x",
        "meilisearch://x:y",
    ],
)
def test_other_address_is_refused(url: str) -> None:
    """With ValueError, which the settings turn into one line."""
    with pytest.raises(ValueError, match=r"address|index|[Pp]ort"):
        SearchAddress.parse(url)


def test_query_without_matches_is_not_asked() -> None:
    """An empty window needs no call."""
    assert request_of(LogQuery(start=5, end=5)) is None


def test_searches_from_many_threads_do_not_disturb_each_other(where: Place) -> None:
    """The library's client is made for one thread."""
    store = caught_up_with(where, *(ALog(f"word w{n}", f"{n:032x}", NOW + n) for n in range(8)))
    wrong: list[object] = []

    def ask(number: int) -> None:
        for _ in range(10):
            found = [log.key for log in store.find(LogQuery(words=frozenset({f"w{number}"}))).logs]
            if found != [NOW + number]:
                wrong.append(found)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == wrong
    store.close()
