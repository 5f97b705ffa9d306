"""The feed: everything to everybody, and nobody waits for a slow reader."""

import threading

from apps.gateway.feed import DROPPED, Event, Feed


def names(events: list[Event]) -> list[str]:
    """Return the names of events."""
    return [event.name for event in events]


def test_every_reader_gets_what_happens_from_now_on() -> None:
    """In order, and nothing from before."""
    feed = Feed(2)
    feed.publish("before", {})
    one = feed.open()
    feed.publish("first", {"n": 1})
    two = feed.open()
    feed.publish("second", {})
    assert one is not None
    assert two is not None

    assert [Event("first", {"n": 1}), Event("second", {})] == one.take(0)
    assert ["second"] == names(two.take(0))
    assert [] == one.take(0)


def test_there_are_no_more_readers_than_may_be() -> None:
    """A place that is given back is free again; giving it back twice changes nothing."""
    feed = Feed(1)
    reader = feed.open()
    assert reader is not None
    assert feed.open() is None

    feed.close(reader)
    feed.close(reader)

    assert feed.open() is not None
    assert feed.open() is None


def test_nobody_watches_at_first() -> None:
    """Then nothing need be put together."""
    feed = Feed(1)
    assert not feed.is_watched

    reader = feed.open()

    assert feed.is_watched
    assert reader is not None
    feed.close(reader)
    assert not feed.is_watched


def test_the_oldest_gives_way_where_a_reader_is_too_slow() -> None:
    """It is told how many; they are counted."""
    dropped = []
    feed = Feed(1, capacity=3, on_drop=lambda: dropped.append(1))
    reader = feed.open()
    assert reader is not None
    for number in range(10):
        feed.publish(str(number), {})

    assert [Event(DROPPED, {"count": 7}), Event("7", {}), Event("8", {}), Event("9", {})] == reader.take(0)
    feed.publish("10", {})
    assert ["10"] == names(reader.take(0))
    assert 7 == len(dropped)


def test_a_reader_waits_for_the_next_event() -> None:
    """And is woken by it."""
    feed = Feed(1)
    reader = feed.open()
    assert reader is not None
    got: list[Event] = []
    thread = threading.Thread(target=lambda: got.extend(reader.take(10)))
    thread.start()
    feed.publish("at last", {})
    thread.join(5)

    assert ["at last"] == names(got)


def test_nothing_is_lost_or_doubled_between_threads() -> None:
    """Eight publish, one reads; what it gets and what gave way is all there was."""
    feed = Feed(1, capacity=64)
    reader = feed.open()
    assert reader is not None
    threads = [threading.Thread(target=lambda: [feed.publish("event", {}) for _ in range(1_000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    events: list[Event] = []
    while any(thread.is_alive() for thread in threads):
        events += reader.take(0.01)
    events += reader.take(0)

    dropped = sum(event.data["count"] for event in events if event.name == DROPPED)
    assert 8_000 == dropped + names(events).count("event")
