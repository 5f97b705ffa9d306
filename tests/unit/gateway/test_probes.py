"""The prober: what it makes of an answer of /readyz, and that nothing an address answers stops it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from apps.gateway.balancer import Balancer
from apps.gateway.members import Change, State
from apps.gateway.probes import Prober
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
