"""What is not let in, and how it is told so."""

import pytest

from tests.chain.conftest import MakeChain
from tests.chain.support import ADMIN_TOKEN, SERVICE_TOKEN, Chain

REFUSED = [
    pytest.param("POST", "/api/unicorns", {}, b"", 404, "orders, payments, deliveries", id="unknown entity"),
    pytest.param("POST", "/api/orders/1", {}, b"", 404, "", id="unknown path"),
    pytest.param("POST", "/api/orders", {}, b"{not json", 400, "not JSON", id="body is not JSON"),
    pytest.param("POST", "/api/orders", {}, b"\xff\xff", 400, "not JSON", id="body is no text"),
    pytest.param("POST", "/api/orders", {}, b"[" * 100_000, 400, "not JSON", id="body is too deep"),
    pytest.param("POST", "/api/orders", {"X-Carousel-Deadline-Ms": "soon"}, b"", 400, "milliseconds", id="deadline"),
    pytest.param("POST", "/api/orders", {"X-Carousel-Deadline-Ms": "0"}, b"", 400, "at least 1", id="no time"),
    pytest.param("POST", "/api/orders", {"X-Carousel-Fault": "service2:fire"}, b"", 400, "slow, error", id="bug"),
    pytest.param("POST", "/api/orders", {}, b'"' + b"a" * 1024 * 1024 + b'"', 413, "", id="body over 1 MiB"),
    pytest.param("POST", "/api/orders", {"Content-Type": "text/plain"}, b"{}", 415, "application/json", id="form"),
    pytest.param("POST", "/api/orders", {"Host": "evil.example"}, b"", 421, "CAROUSEL_ALLOWED_HOSTS", id="host"),
    pytest.param("DELETE", "/api/orders", {}, b"", 405, "", id="method"),
]


@pytest.mark.parametrize(("method", "path", "headers", "body", "status", "hint"), REFUSED)
def test_a_refusal_is_a_clear_problem_with_its_trace(
    chain: Chain, method: str, path: str, headers: dict[str, str], body: bytes, status: int, hint: str
) -> None:
    """RFC 9457: what is wrong and what was expected, findable by its trace id."""
    answer = chain.send(method, path, headers, body)

    assert (status, "application/problem+json") == (answer.status, answer.headers["Content-Type"])
    assert (status, 32) == (answer.json["status"], len(answer.json["traceId"]))
    assert hint in answer.json["detail"]


@pytest.mark.parametrize(("method", "path", "headers", "body", "status", "hint"), REFUSED)
def test_a_refusal_carries_the_headers_of_every_answer(
    chain: Chain, method: str, path: str, headers: dict[str, str], body: bytes, status: int, hint: str
) -> None:
    """X-Trace-Id, X-Served-By and Via, whoever refused it."""
    answer = chain.send(method, path, headers, body)

    assert (answer.json["traceId"], "gateway-1", "1.1 gateway-1") == (
        answer.headers["X-Trace-Id"],
        answer.headers["X-Served-By"],
        answer.headers["Via"],
    )


@pytest.mark.parametrize(("method", "path", "headers", "body", "status", "hint"), REFUSED)
def test_a_refused_request_is_asked_of_nobody(
    chain: Chain, method: str, path: str, headers: dict[str, str], body: bytes, status: int, hint: str
) -> None:
    """No step, no attempt: it was never let in."""
    chain.network.sent.clear()

    chain.send(method, path, headers, body)

    assert ([], []) == (chain.network.sent, chain.steps())


def test_a_body_of_a_mebibyte_is_let_in(chain: Chain) -> None:
    """Up to 1 MiB, inclusive."""
    body = b'"' + b"a" * (1024 * 1024 - 2) + b'"'

    assert 200 == chain.send(body=body).status


def test_an_unknown_entity_is_told_which_there_are(chain: Chain) -> None:
    """As a member of the problem too, for programs."""
    assert ["orders", "payments", "deliveries"] == chain.send(path="/api/unicorns").json["entities"]


def test_a_method_that_is_not_served_is_told_which_are(chain: Chain) -> None:
    """405 carries Allow (RFC 9110 §15.5.6)."""
    allowed = chain.send("DELETE").headers["Allow"]

    assert {"GET", "HEAD", "OPTIONS", "POST"} == set(allowed.split(", "))


def test_bugs_are_ordered_only_where_that_is_allowed(make_chain: MakeChain) -> None:
    """CAROUSEL_FAULT_HEADERS=0: the header is not read, whatever it says, and not handed on."""
    chain = make_chain(fault_headers=False)
    chain.network.sent.clear()

    statuses = [chain.send(headers={"X-Carousel-Fault": order}).status for order in ("service2:error", "rubbish")]

    assert [200, 200] == statuses
    assert not any("X-Carousel-Fault" in request.headers for _, request in chain.network.sent)


def test_an_order_for_bugs_is_handed_on_by_every_hop(chain: Chain) -> None:
    """Service 2 gets to see what the client ordered."""
    chain.network.sent.clear()

    chain.send(headers={"X-Carousel-Fault": "none"})

    assert ["none"] * 3 == [request.headers["X-Carousel-Fault"] for _, request in chain.network.sent]


@pytest.mark.parametrize("name", ["X-Carousel-Node", "X-Carousel-Error-Node", "X-Carousel-Anything"])
def test_a_clients_other_carousel_fields_go_nowhere(chain: Chain, name: str) -> None:
    """They are ours to set."""
    chain.network.sent.clear()

    chain.send(headers={name: "mine"})

    assert not any(request.headers.get(name) == "mine" for _, request in chain.network.sent)


@pytest.mark.parametrize("token", [None, "Bearer wrong", "Basic service-token", "Bearer", "Bearer admin-token"])
def test_a_client_cannot_go_round_service1(chain: Chain, token: str | None) -> None:
    """/internal/service2 asks for the service token."""
    headers = {"Authorization": token} if token else {}

    answer = chain.send("POST", "/internal/service2/orders", headers)

    assert (401, 'Bearer realm="carousel"') == (answer.status, answer.headers["WWW-Authenticate"])
    assert [] == chain.steps()


def test_the_rings_are_shown_to_whoever_has_the_admin_token(chain: Chain) -> None:
    """Address, node, state, reason, since and picks of each member."""
    chain.send()

    answer = chain.send("GET", "/admin/rings", {"Authorization": f"bearer {ADMIN_TOKEN}"})

    ring = answer.json["rings"][0]
    assert ("service1", 2) == (ring["service"], ring["size"])
    assert [
        ("service1-2", "127.0.0.1:8102", "linked", None, 0),
        ("service1-1", "127.0.0.1:8101", "linked", None, 1),
    ] == [
        (member["node"], member["address"], member["state"], member["reason"], member["picks"])
        for member in ring["members"]
    ]
    for headers in ({}, {"Authorization": f"Bearer {SERVICE_TOKEN}"}):
        assert 401 == chain.send("GET", "/admin/rings", headers).status


def test_the_gateway_is_ready_when_both_rings_have_a_node(make_chain: MakeChain) -> None:
    """503 with the reasons before that."""
    chain = make_chain(replicas=0)

    answer = chain.send("GET", "/readyz")

    assert (503, ["the ring of service1 is empty", "the ring of service2 is empty"]) == (
        answer.status,
        answer.json["reasons"],
    )
    assert (200, {"status": "ready", "service": "gateway", "node": "gateway-1"}) == (
        (ready := make_chain().send("GET", "/readyz")).status,
        ready.json,
    )


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_and_metrics_leave_no_span(chain: Chain, path: str) -> None:
    """Probes and scrapes would feed on themselves."""
    chain.send("GET", path)

    assert [] == chain.spans()


def test_metrics_show_picks_by_node_and_rings_by_state(chain: Chain) -> None:
    """The last collection, rendered for Prometheus."""
    for _ in range(4):
        chain.send()
    chain.telemetry["gateway-1"].meter_provider.force_flush()

    text = chain.send("GET", "/metrics").body.decode()

    assert 'carousel_balancer_picks_total{carousel_peer="service2-1",carousel_service="service2"} 2.0' in text
    assert 'carousel_ring_nodes{carousel_service="service1",carousel_state="linked"} 2.0' in text
    assert 'carousel_balancer_ejections_total{carousel_reason="refused",carousel_service="service1"} 0.0' in text
    assert "http_server_request_duration_seconds_bucket" in text
    assert "process_cpu_seconds_total" in text
