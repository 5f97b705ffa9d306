"""Look-ups of names: again and again, each on its own, and no failure loses what was known."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from apps.gateway.dns import LookUps, resolve

Answer = Sequence[str] | Exception


class Resolver:
    """Answers what it is told to; a name without an answer hangs until the end."""

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = {f"{name}:1": answer for name, answer in answers.items()}
        self.changed = threading.Condition()
        self.asked: list[str] = []
        self.told: list[tuple[str, str, tuple[str, ...]]] = []
        self.ticks: list[str] = []
        self.end = threading.Event()

    def resolve(self, name: str) -> Sequence[str]:
        """Look *name* up."""
        with self.changed:
            self.asked.append(name)
            self.changed.notify_all()
        if name not in self.answers:
            self.end.wait(30)
        answer = self.answers.get(name, OSError("gave up"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def tell(self, service: str, name: str, addresses: Sequence[str]) -> None:
        """Take note of an answer."""
        with self.changed:
            self.told.append((service, name, tuple(addresses)))
            self.changed.notify_all()

    def tick(self, service: str) -> None:
        """Take note of a failure."""
        with self.changed:
            self.ticks.append(service)
            self.changed.notify_all()

    def wait_for(self, enough: Callable[[], bool]) -> bool:
        """Wait until *enough* holds; False if it takes too long."""
        with self.changed:
            return self.changed.wait_for(enough, 10)

    @contextmanager
    def looking_up(self, *names: str, interval_s: float = 0.005, wait_s: float = 10) -> Iterator[LookUps]:
        """Look names of service 1 up for a while."""
        look_ups = LookUps(
            [("service1", f"{name}:1") for name in names], self.tell, self.tick, interval_s, self.resolve
        )
        look_ups.start(wait_s)
        try:
            yield look_ups
        finally:
            look_ups.stop()
            self.end.set()


def test_a_start_waits_for_the_first_answers() -> None:
    """A gateway does not begin with rings that are empty only because nobody asked yet."""
    resolver = Resolver(a=["10.0.0.1:1"], b=["10.0.0.2:1"])

    with resolver.looking_up("a", "b", interval_s=60):
        assert {("service1", "a:1", ("10.0.0.1:1",)), ("service1", "b:1", ("10.0.0.2:1",))} == set(resolver.told)


def test_a_name_that_hangs_holds_up_neither_the_start_nor_another_name() -> None:
    """Nor the end."""
    resolver = Resolver(a=["10.0.0.1:1"])
    began = time.monotonic()

    with resolver.looking_up("hangs", "a", wait_s=0.05):
        assert resolver.wait_for(lambda: len(resolver.told) >= 5)

    assert time.monotonic() - began < 10
    assert 1 == resolver.asked.count("hangs:1")


def test_a_name_is_looked_up_again_and_again() -> None:
    """What changes is told."""
    resolver = Resolver(a=["10.0.0.1:1"])

    with resolver.looking_up("a"):
        resolver.answers["a:1"] = ["10.0.0.1:1", "10.0.0.2:1"]
        assert resolver.wait_for(lambda: resolver.told[-1][2] == ("10.0.0.1:1", "10.0.0.2:1"))


def test_a_failed_look_up_tells_no_addresses_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """However long it lasts; that it works again is said too."""
    caplog.set_level("INFO")
    resolver = Resolver(a=socket.gaierror(-2, "Name or service not known"))

    with resolver.looking_up("a"):
        assert resolver.wait_for(lambda: len(resolver.ticks) >= 5)
        assert [] == resolver.told
        resolver.answers["a:1"] = ["10.0.0.1:1"]
        assert resolver.wait_for(lambda: len(resolver.told) >= 3)

    assert [
        "a:1 cannot be looked up, so its members stay as they were: [Errno -2] Name or service not known",
        "a:1 can be looked up again: 10.0.0.1:1",
    ] == caplog.messages


def test_an_answer_that_comes_after_the_end_is_not_told() -> None:
    """Nobody is interested any more."""
    resolver = Resolver()
    with resolver.looking_up("late", wait_s=0.01):
        assert resolver.wait_for(lambda: bool(resolver.asked))
        resolver.answers["late:1"] = ["10.0.0.1:1"]

    assert [] == resolver.told


def test_every_address_of_a_name_is_found_each_once_with_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted, so that the order in which a server gives them does not matter; IPv6 in brackets."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.2", 8101)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fd00::1", 8101, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 8101)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.2", 8101)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: found)

    assert ["10.0.0.1:8101", "10.0.0.2:8101", "[fd00::1]:8101"] == resolve("service1:8101")


def test_an_address_is_its_own() -> None:
    """No server is asked for it."""
    assert ["127.0.0.1:8101"] == resolve("127.0.0.1:8101")
    assert ["[::1]:8101"] == resolve("[::1]:8101")


def test_a_name_that_cannot_be_encoded_is_a_failed_look_up() -> None:
    """Not another kind of error."""
    with pytest.raises(OSError, match="no host name"):
        resolve(f"{'é' * 64}:1")
