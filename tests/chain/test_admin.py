"""The admin API of the gateway, from the outside: rings, bugs, the stream, and what bad input gets."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from apps.web.leaving import leaving_of
from tests.chain.conftest import MakeChain
from tests.chain.support import ADMIN_TOKEN, GATEWAY, SERVICE_TOKEN, Chain, ClientAnswer
from tests.fakes import Reply

AUTHORIZED = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
MEMBERS = "/admin/rings/service1/members"


def ask(chain: Chain, method: str, path: str, shape: Any = None, **headers: str) -> ClientAnswer:
    """Send an admin's request."""
    body = b"" if shape is None else json.dumps(shape).encode()
    return chain.send(method, path, AUTHORIZED | headers, body)


def members(chain: Chain, service: str = "service1") -> dict[str, Mapping[str, Any]]:
    """Return the members of a ring by node or address."""
    rings = {ring["service"]: ring for ring in ask(chain, "GET", "/admin/rings").json["rings"]}
    return {member["node"] or member["address"]: member for member in rings[service]["members"]}


def test_a_member_has_all_that_is_known_of_it(chain: Chain) -> None:
    """The shape that the console and the command line read."""
    chain.send()

    member = members(chain)["service1-1"]

    assert [
        "address", "node", "service", "state", "reason", "since", "picks", "inFlight", "source", "ejectedForS",
        "ejections", "bugs",
    ] == list(member)  # fmt: skip
    assert ("127.0.0.1:8101", "service1", "linked", 1, 0, "config") == tuple(
        member[name] for name in ("address", "service", "state", "picks", "inFlight", "source")
    )
    assert member["since"].endswith("Z")


def test_a_member_is_added_linked_drained_and_removed(chain: Chain) -> None:
    """The whole life of one, without a restart and without a failed request."""
    ask(chain, "DELETE", f"{MEMBERS}/service1-2")
    assert ["service1-1"] == list(members(chain))

    added = ask(chain, "POST", MEMBERS, {"address": "127.0.0.1:8102"})
    assert (201, "joining", "config") == (added.status, added.json["state"], added.json["source"])
    chain.probe()
    assert {"service1-1", "service1-2"} == {chain.send().headers["X-Served-By"] for _ in range(2)}
    drained = ask(chain, "POST", f"{MEMBERS}/service1-2/drain")
    assert (200, "drained", "on order") == (drained.status, drained.json["state"], drained.json["reason"])
    assert {"service1-1"} == {chain.send().headers["X-Served-By"] for _ in range(4)}
    back = ask(chain, "POST", MEMBERS, {"address": "127.0.0.1:8102"})
    assert (200, "joining") == (back.status, back.json["state"])
    removed = ask(chain, "DELETE", f"{MEMBERS}/127.0.0.1:8102")

    assert (204, b"") == (removed.status, removed.body)
    assert ["service1-1"] == list(members(chain))


def test_nothing_is_in_flight_when_all_is_answered(chain: Chain) -> None:
    """Also after failures and retries."""
    for fault in ("none", "service2:error", "service1:error", "service2:exception"):
        chain.send("GET", headers={"X-Carousel-Fault": fault})

    for service in ("service1", "service2"):
        assert {0} == {member["inFlight"] for member in members(chain, service).values()}


def test_what_happens_to_a_member_is_an_event(chain: Chain) -> None:
    """Each with who, why and the size of the ring."""
    ask(chain, "POST", f"{MEMBERS}/service1-2/drain")
    ask(chain, "DELETE", f"{MEMBERS}/service1-2")

    told = [
        (record["event"], record["attributes"]["carousel.reason"], record["attributes"]["carousel.ring.size"])
        for record in chain.records()
        if record.get("event", "").startswith("carousel.node.") and "step" not in record
    ][-3:]
    assert [
        ("carousel.node.draining", "on order", 1),
        ("carousel.node.drained", "nothing is in flight any more", 1),
        ("carousel.node.removed", "on order", 1),
    ] == told


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/admin/rings"),
    ("POST", MEMBERS),
    ("POST", f"{MEMBERS}/service1-1/drain"),
    ("DELETE", f"{MEMBERS}/service1-1"),
    ("GET", "/admin/bugs"),
    ("PUT", "/admin/bugs/service2"),
    ("DELETE", "/admin/bugs/service2"),
    ("DELETE", "/admin/bugs"),
    ("GET", "/admin/stream"),
])  # fmt: skip
@pytest.mark.parametrize("token", ["", "Bearer wrong", f"Bearer {SERVICE_TOKEN}", f"Basic {ADMIN_TOKEN}"])
def test_every_route_asks_for_the_admin_token(chain: Chain, method: str, path: str, token: str) -> None:
    """And does nothing without."""
    before = members(chain)

    answer = chain.send(method, path, {"Authorization": token} if token else {})

    assert (401, 'Bearer realm="carousel"') == (answer.status, answer.headers["WWW-Authenticate"])
    assert before == members(chain)


@pytest.mark.parametrize("shape", [
    None, [], 7, "127.0.0.1:8103", {}, {"address": None}, {"address": 8103}, {"address": ["127.0.0.1:8103"]},
    {"address": "127.0.0.1:8103", "weight": 2}, {"address": ""}, {"address": "127.0.0.1"}, {"address": "a:0"},
    {"address": "a:65536"}, {"address": "http://a:1"}, {"address": "a b:1"}, {"address": "a:1/../.."},
    {"address": "\u0000:1"}, {"address": "x" * 10_000},
])  # fmt: skip
def test_an_address_that_will_not_do_is_refused_with_what_is_expected(chain: Chain, shape: Any) -> None:
    """400, and nobody is added."""
    answer = ask(chain, "POST", MEMBERS, shape)

    assert (400, "application/problem+json") == (answer.status, answer.headers["Content-Type"])
    assert "host:port" in answer.json["detail"]
    assert len(answer.json["detail"]) < 300
    assert 2 == len(members(chain))


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 50_000, b'{"address": "a:1"'])
def test_a_body_that_is_no_json_is_refused(chain: Chain, body: bytes) -> None:
    """Not with a traceback."""
    answer = chain.send("POST", MEMBERS, AUTHORIZED, body)

    assert (400, True) == (answer.status, answer.json["detail"].startswith("The body is not JSON"))


def test_a_body_that_is_too_large_is_refused(chain: Chain) -> None:
    """64 KiB are enough for any order."""
    assert 413 == ask(chain, "POST", MEMBERS, {"address": "x" * 65_536}).status
    assert 413 == ask(chain, "PUT", "/admin/bugs/service2", {"rates": "x" * 65_536}).status


def test_a_form_of_another_kind_is_refused(chain: Chain) -> None:
    """A page in a browser cannot order anything."""
    headers = AUTHORIZED | {"Content-Type": "text/plain"}

    assert 415 == chain.send("POST", MEMBERS, headers, b'{"address": "a:1"}').status


@pytest.mark.parametrize(("method", "path", "known"), [
    ("POST", "/admin/rings/service9/members", ["service1", "service2"]),
    ("POST", "/admin/rings/service9/members/service1-1/drain", ["service1", "service2"]),
    ("DELETE", "/admin/rings/service9/members/service1-1", ["service1", "service2"]),
    ("POST", f"{MEMBERS}/service2-1/drain", ["service1-1", "service1-2"]),
    ("DELETE", f"{MEMBERS}/nobody", ["service1-1", "service1-2"]),
    ("DELETE", f"{MEMBERS}/%00", ["service1-1", "service1-2"]),
])  # fmt: skip
def test_an_unknown_name_gets_those_there_are(chain: Chain, method: str, path: str, known: list[str]) -> None:
    """404, with the names in a member of their own too."""
    answer = ask(chain, method, path, {"address": "a:1"} if path.endswith("/members") else None)

    assert (404, known) == (answer.status, answer.json["known"])
    assert ", ".join(known) in answer.json["detail"]


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("DELETE", "/admin/rings", "GET"),
    ("GET", MEMBERS, "POST"),
    ("POST", "/admin/bugs/service2", "PUT"),
])  # fmt: skip
def test_a_method_that_is_not_there_names_those_that_are(chain: Chain, method: str, path: str, allowed: str) -> None:
    """405 with Allow."""
    answer = ask(chain, method, path)

    assert 405 == answer.status
    assert allowed in answer.headers["Allow"]


def test_a_ring_that_is_full_takes_nobody_more(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """409 with the bound."""
    monkeypatch.setattr("apps.gateway.balancer.MAX_MEMBERS", 2)

    answer = ask(chain, "POST", MEMBERS, {"address": "a:1"})

    assert (409, "service1 has 2 members, which is the most it may have.") == (answer.status, answer.json["detail"])


def test_orders_outlive_a_restart_of_the_gateway(chain: Chain, make_chain: MakeChain) -> None:
    """They are in its state file."""
    ask(chain, "POST", MEMBERS, {"address": "10.0.0.9:1"})
    ask(chain, "DELETE", f"{MEMBERS}/service1-2")

    kept = json.loads((chain.run_dir / "state" / "gateway-1.json").read_text())

    assert {"added": ["10.0.0.9:1"], "removed": ["127.0.0.1:8102"], "draining": []} == kept["rings"]["service1"]


def test_a_process_that_a_newer_one_replaced_takes_no_orders(chain: Chain) -> None:
    """They would be gone with it; what it knows it still tells."""
    leaving_of(chain.gateway).begin(handed_over=True)

    refused = ask(chain, "POST", MEMBERS, {"address": "127.0.0.1:8109"})

    assert (503, "1") == (refused.status, refused.headers["Retry-After"])
    assert "127.0.0.1:8109" not in members(chain)


def test_prometheus_is_told_where_the_nodes_are(chain: Chain) -> None:
    """The service token will do, since that is what Prometheus is given; none will not."""
    headers = {"Authorization": f"Bearer {SERVICE_TOKEN}"}

    groups = chain.send("GET", "/internal/targets", headers).json

    assert {"targets": ["127.0.0.1:8201"], "labels": {"job": "carousel/service2", "instance": "service2-1"}} in groups
    assert 4 == len(groups)
    assert 401 == chain.send("GET", "/internal/targets").status


# --- bugs ---


def take_orders(chain: Chain) -> dict[str, str]:
    """Let the nodes take orders for bugs, and return what each has, by node."""
    rates = dict.fromkeys(chain.address, "")

    def node(name: str) -> None:
        inner = chain.network.scripts[chain.address[name]]

        def script(request: Any) -> Reply:
            if not request.url.endswith("/admin/bugs"):
                return inner(request)
            rates[name] = json.loads(request.body)["rates"] if request.method == "PUT" else ""
            return Reply(200, json.dumps({"rates": rates[name]}).encode())

        chain.network.scripts[chain.address[name]] = script

    for name in chain.address:
        node(name)
    return rates


def test_bugs_are_ordered_shown_and_taken_back(chain: Chain) -> None:
    """For a service and for a node of it."""
    rates = take_orders(chain)

    put = ask(chain, "PUT", "/admin/bugs/service2", {"rates": " slow=0.1;ms=400 "})
    assert (200, "service2", "slow=0.1;ms=400") == (put.status, put.json["target"], put.json["rates"])
    assert [{"node": f"service2-{n}", "status": "set", "detail": None} for n in (1, 2)] == put.json["nodes"]
    ask(chain, "PUT", "/admin/bugs/service2-1", {"rates": ""})
    assert {"service1-1": "", "service1-2": "", "service2-1": "", "service2-2": "slow=0.1;ms=400"} == rates
    shown = ask(chain, "GET", "/admin/bugs").json
    assert [{"target": "service2", "rates": "slow=0.1;ms=400"}, {"target": "service2-1", "rates": ""}] == shown[
        "orders"
    ]
    assert ["service1-1", "service1-2", "service2-1", "service2-2"] == [node["node"] for node in shown["nodes"]]
    assert 200 == ask(chain, "DELETE", "/admin/bugs/service2-1").status
    assert "slow=0.1;ms=400" == rates["service2-1"]
    cleared = ask(chain, "DELETE", "/admin/bugs")

    assert (None, None, 4) == (cleared.json["target"], cleared.json["rates"], len(cleared.json["nodes"]))
    assert {""} == set(rates.values())
    assert [] == ask(chain, "GET", "/admin/bugs").json["orders"]


@pytest.mark.parametrize(("shape", "words"), [
    (None, "The body is not JSON; expected"),
    ({}, "another form than expected"),
    ({"rates": None}, "another form than expected"),
    ({"rates": {"slow": 0.1}}, "another form than expected"),
    ({"rates": "nonsense=1"}, "there is no bug 'nonsense'"),
    ({"rates": "slow"}, "expected kind=probability"),
    ({"rates": "slow=2"}, "add up to"),
    ({"rates": "slow=0.1;status=500"}, "slow has no parameter"),
])  # fmt: skip
def test_rates_that_will_not_do_are_refused_with_what_is_expected(chain: Chain, shape: Any, words: str) -> None:
    """400, and nothing is ordered."""
    answer = ask(chain, "PUT", "/admin/bugs/service2", shape)

    assert (400, True) == (answer.status, words in answer.json["detail"])
    assert [] == ask(chain, "GET", "/admin/bugs").json["orders"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_unknown_target_gets_those_there_are(chain: Chain, method: str) -> None:
    """Services and nodes."""
    answer = ask(chain, method, "/admin/bugs/service3", {"rates": "slow=0.1"} if method == "PUT" else None)

    assert (404, 6) == (answer.status, len(answer.json["known"]))


def test_a_node_that_starts_again_gets_its_bugs_back(chain: Chain) -> None:
    """The prober sees what it tells, and what it was ordered to have."""
    rates = take_orders(chain)
    ask(chain, "PUT", "/admin/bugs/service2", {"rates": "slow=0.1"})
    rates["service2-1"] = ""
    for node in ("service2-1", "service2-2"):
        inner = chain.network.scripts[chain.address[node]]

        def readyz(request: Any, node: str = node, inner: Any = inner) -> Reply:
            if request.url.endswith("/readyz"):
                shape = {"service": "service2", "node": node, "bugs": rates[node]}
                return Reply(200, json.dumps(shape).encode())
            return inner(request)

        chain.network.scripts[chain.address[node]] = readyz

    chain.probe()

    assert "slow=0.1" == rates["service2-1"]
    assert "slow=0.1" == members(chain, "service2")["service2-2"]["bugs"]


# --- the stream ---


class Stream:
    """An open stream of the gateway's events."""

    def __init__(self, app: Flask) -> None:
        self.response = Client(app).open("/admin/stream", f"http://{GATEWAY}", headers=AUTHORIZED, buffered=False)
        self._parts: Iterator[bytes] = iter(self.response.response)  # type: ignore[arg-type]

    def text(self) -> str:
        """Return the next part."""
        return next(self._parts).decode()

    def events(self, count: int) -> list[tuple[str, Any]]:
        """Return the next *count* events, without comments."""
        found: list[tuple[str, Any]] = []
        while len(found) < count:
            for block in self.text().split("\n\n"):
                fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
                if fields:
                    found.append((fields["event"], json.loads(fields["data"])))
        return found

    def close(self) -> None:
        """Go away."""
        self.response.close()


def test_the_stream_tells_picks_and_requests(chain: Chain) -> None:
    """As they happen, with what names the journey."""
    stream = Stream(chain.gateway)
    assert ": connected\n\n" == stream.text()
    answer = chain.send()

    (one, first), (two, second), (three, request) = stream.events(3)
    stream.close()

    assert ("pick", "pick", "request") == (one, two, three)
    assert ("service1", "service1-1", 1, None, 2) == tuple(
        first[name] for name in ("service", "node", "attempt", "parentAttempt", "ringSize")
    )
    assert ("service2", "service2-1", 1, 1) == tuple(
        second[name] for name in ("service", "node", "attempt", "parentAttempt")
    )
    assert ("orders", "POST", 200, None, None, False) == tuple(
        request[name] for name in ("entity", "method", "status", "errorType", "errorNode", "synthetic")
    )
    assert {answer.headers["X-Trace-Id"]} == {event["traceId"] for event in (first, second, request)}
    assert 1 == len({event["journeyId"] for event in (first, second, request)})
    assert ("text/event-stream", "no-store") == (
        stream.response.headers["Content-Type"].split(";")[0],
        stream.response.headers["Cache-Control"],
    )


def test_the_stream_tells_whose_fault_a_failure_was(chain: Chain) -> None:
    """A bad answer of service 2 is not service 1's."""
    stream = Stream(chain.gateway)
    chain.send("POST", headers={"X-Carousel-Fault": "service2:error", "baggage": "user_agent.synthetic.type=test"})

    request = stream.events(3)[-1][1]
    stream.close()

    assert ("bad_answer", "service2-1", True) == (request["errorType"], request["errorNode"], request["synthetic"])


def test_the_stream_tells_what_happens_to_members_and_bugs(chain: Chain) -> None:
    """In order."""
    take_orders(chain)
    stream = Stream(chain.gateway)
    ask(chain, "POST", f"{MEMBERS}/service1-2/drain")
    ask(chain, "PUT", "/admin/bugs/service2", {"rates": "slow=0.1"})
    ask(chain, "DELETE", "/admin/bugs/service2")

    events = stream.events(4)
    stream.close()

    assert [("draining", "linked"), ("drained", "draining")] == [
        (data["state"], data["before"]) for name, data in events if name == "ring"
    ]
    assert [("service2", "slow=0.1"), ("service2", None)] == [
        (data["target"], data["rates"]) for name, data in events if name == "bug"
    ]


def test_a_quarter_of_the_threads_may_serve_streams(make_chain: MakeChain) -> None:
    """The next one is told to come later; a place that is left is free again."""
    chain = make_chain(threads=8)
    streams = [Stream(chain.gateway) for _ in range(2)]
    refused = ask(chain, "GET", "/admin/stream")
    assert (503, "5") == (refused.status, refused.headers["Retry-After"])
    assert "2 streams are open" in refused.json["detail"]
    # A question for the headers alone takes no place.
    streams.pop().close()
    assert 200 == ask(chain, "HEAD", "/admin/stream").status
    streams.append(Stream(chain.gateway))
    assert 200 == streams[-1].response.status_code

    for stream in streams:
        stream.close()


def test_a_stream_ends_when_the_process_is_about_to(chain: Chain) -> None:
    """Otherwise it would hold the end up."""
    stream = Stream(chain.gateway)
    assert ": connected\n\n" == stream.text()
    leaving_of(chain.gateway).begin()

    with pytest.raises(StopIteration):
        stream.text()
    stream.close()


def test_streams_and_targets_leave_no_span(chain: Chain) -> None:
    """They would feed on themselves."""
    stream = Stream(chain.gateway)
    stream.text()
    stream.close()
    ask(chain, "GET", "/internal/targets")

    assert [] == chain.spans()
