"""The prober: what it makes of an answer of /readyz, and that nothing an address answers stops it."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from apps.gateway.balancer import Balancer
from apps.gateway.members import Change, News, Policy, Seen, State
from apps.gateway.probes import FIRST_LOOK_S, Prober, seen_in
from apps.web.client import Answer
from tests.fakes import Network, Reply, Script, refuse, reset, too_late


def ready(node: str, service: str = "service1") -> Script:
    """A node that is ready."""
    return lambda _request: Reply(200, json.dumps({"status": "ready", "service": service, "node": node}).encode())


def broken(request: requests.PreparedRequest) -> Reply:
    """The connection breaks in the middle of the body."""
    raise requests.exceptions.ChunkedEncodingError("Connection broken", request=request)


def invalid(request: requests.PreparedRequest) -> Reply:
    """The address is none."""
    raise requests.exceptions.InvalidURL("Failed to parse", request=request)


def probe(script: Script) -> tuple[State, str]:
    """Probe one member that answers by *script*. Return its state and the reason for it."""
    network = Network({"a:1": script})
    balancer = Balancer("service1", ("a:1",))
    with network.session() as session, ThreadPoolExecutor(1) as pool:
        Prober((balancer,), session, 1.0).probe_all(pool)
    (member,) = balancer.members()
    return member.state, member.reason


def test_a_ready_node_is_linked_under_the_name_it_gives() -> None:
    """At /readyz, nowhere else."""
    network = Network({"a:1": ready("service1-7")})
    balancer = Balancer("service1", ("a:1",))
    with network.session() as session, ThreadPoolExecutor(1) as pool:
        Prober((balancer,), session, 1.0).probe_all(pool)

    assert [("service1-7", State.LINKED)] == [(member.node, member.state) for member in balancer.members()]
    assert ["http://a:1/readyz"] == [request.url for _, request in network.sent]


@pytest.mark.parametrize(("script", "reason"), [
    (refuse, "/readyz cannot be reached"),
    (reset, "/readyz cannot be asked: the connection broke before an answer came: the other side closed it"),
    (too_late, "/readyz did not answer within 1 s"),
    (broken, "/readyz cannot be asked: the answer is no HTTP: ChunkedEncodingError"),
    (invalid, "/readyz cannot be asked: the answer is no HTTP: InvalidURL"),
    (lambda _request: Reply(200, b"hello"), "/readyz answered no JSON"),
    (lambda _request: Reply(200, b"\xff\xfe"), "/readyz answered no JSON"),
    (lambda _request: Reply(200, b"[" * 60_000), "/readyz answered no JSON"),
    (lambda _request: Reply(200, b" " * 65_537), "/readyz cannot be asked: the answer has more than 65536 bytes"),
    (lambda _request: Reply(200, b"[]"), "/readyz is not that of a node of service1"),
    (ready("service2-1", "service2"), "/readyz is not that of a node of service1"),
    (ready(""), "/readyz names no node"),
    (ready("service1-1\r\nX-Evil: 1"), "/readyz names no node"),
    (ready("x" * 129), "/readyz names no node"),
    (lambda _request: Reply(503, json.dumps({"service": "service1", "reasons": ["x" * 999]}).encode()), "x" * 200),
    (lambda _request: Reply(503, b'{"service": "service1"}'), "/readyz answered 503"),
    (lambda _request: Reply(503, b'{"service": "service1", "reasons": ["a", "b"]}'), "a; b"),
    (lambda _request: Reply(503, b'{"service": "service1", "reasons": 7}'), "/readyz answered 503"),
    (lambda _request: Reply(302, b"{}", {"Location": "http://a:1/"}), "/readyz is not that of a node of service1"),
])  # fmt: skip
def test_anything_else_is_a_reason_not_to_link(script: Script, reason: str) -> None:
    """A stranger on that port may answer anything; the reason says what."""
    assert (State.JOINING, reason) == probe(script)


def test_it_goes_on_until_it_is_stopped() -> None:
    """A node that comes up later is linked without anybody asking."""
    network = Network({"a:1": broken})
    linked = threading.Event()

    def tell(_change: Change) -> None:
        linked.set()

    balancer = Balancer("service1", ("a:1",), on_change=tell)
    with network.session() as session:
        prober = Prober((balancer,), session, 0.001)
        prober.start()
        network.scripts["a:1"] = ready("service1-1")

        assert linked.wait(5)
        prober.stop()

    asked = len(network.sent)
    assert asked == len(network.sent)
    assert "prober" not in {thread.name for thread in threading.enumerate()}


def test_a_node_that_drains_says_so() -> None:
    """Its status tells it from one that is only not ready."""
    body = b'{"status": "draining", "service": "service1", "node": "service1-1", "reasons": ["draining"]}'

    assert (State.DRAINED, "draining") == probe(lambda _request: Reply(503, body))


@pytest.mark.parametrize("status", [200, 503])
def test_the_bugs_of_a_node_are_read(status: int) -> None:
    """Whether it is ready or not; anything but text is none."""
    shape = {"service": "service1", "node": "service1-1", "bugs": "slow=0.1"}

    assert "slow=0.1" == seen_in(Answer(status, {}, json.dumps(shape).encode()), "service1").bugs
    assert seen_in(Answer(status, {}, json.dumps(shape | {"bugs": 7}).encode()), "service1").bugs is None


def test_a_good_look_is_noticed() -> None:
    """By whoever talks to the node then."""
    noticed = []
    network = Network({"a:1": ready("service1-1"), "b:1": refuse})
    balancer = Balancer("service1", ("a:1", "b:1"))
    with network.session() as session, ThreadPoolExecutor(1) as pool:
        Prober((balancer,), session, 1.0, notice=lambda *told: noticed.append(told)).probe_all(pool)

    assert [("service1", balancer.find("a:1"), Seen("service1-1"))] == noticed


def test_a_start_returns_when_every_member_was_looked_at() -> None:
    """And those that were there already are warm."""
    network = Network({"a:1": ready("service1-1")})
    balancer = Balancer("service1", ("a:1", "b:1"))
    with network.session() as session:
        prober = Prober((balancer,), session, 60)
        prober.start()
        assert ["linked", "joining"] == [member.state.value for member in balancer.members()]
        assert balancer.find("a:1").room(Policy()) is None
        prober.stop()


def test_members_that_hang_hold_up_neither_the_start_nor_the_others() -> None:
    """However many there are."""
    release = threading.Event()
    hanging = [f"hang-{n}:1" for n in range(20)]

    def hangs(_request: requests.PreparedRequest) -> Reply:
        release.wait(0.5)
        raise requests.ReadTimeout("Read timed out.")

    looks = threading.Semaphore(0)

    def counted(request: requests.PreparedRequest) -> Reply:
        looks.release()
        return ready("service1-1")(request)

    network = Network({address: hangs for address in hanging} | {"a:1": counted})
    balancer = Balancer("service1", (*hanging, "a:1"))
    with network.session() as session:
        prober = Prober((balancer,), session, 0.01, at_once=4)
        began = time.monotonic()
        prober.start()
        assert time.monotonic() - began < FIRST_LOOK_S + 1
        # Twenty that hang for half a second each would leave four threads time for one look in two and a half.
        assert all(looks.acquire(timeout=5) for _ in range(20))
        release.set()
        prober.stop()

    assert State.LINKED is balancer.find("a:1").state


def test_a_member_that_is_added_is_looked_at_at_once_when_asked_to() -> None:
    """Whoever adds one does not wait for the interval."""
    network = Network({"a:1": ready("service1-1")})
    linked = threading.Event()
    balancer = Balancer("service1", on_change=lambda change: linked.set() if change.news is News.LINKED else None)
    with network.session() as session:
        prober = Prober((balancer,), session, 60)
        prober.start()
        balancer.add("a:1")
        prober.wake()

        assert linked.wait(5)
        prober.stop()


def test_one_that_retires_begins_no_more_probes_and_waits_for_none() -> None:
    """A newer process of the gateway looks after the members now."""
    network = Network({"a:1": ready("service1-1")})
    balancer = Balancer("service1", ("a:1",))
    noticed: list[object] = []
    with network.session() as session, ThreadPoolExecutor(1) as pool:
        prober = Prober((balancer,), session, 60, notice=lambda *told: noticed.append(told))
        prober.retire()
        prober.probe_all(pool)

    assert (State.JOINING, []) == (balancer.find("a:1").state, noticed)
