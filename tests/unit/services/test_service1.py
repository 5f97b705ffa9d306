"""Service 1 alone, with a scripted gateway."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from apps.service1.app import create_service
from apps.service1.config import Service1Config
from apps.telemetry.setup import Telemetry
from apps.web.node import NodeConfig
from apps.web.replica import ReplicaConfig
from apps.web.work import Workshop
from tests.fakes import Network, Reply, Script, records_of, refuse, reset, telemetry_of, too_late

INNER = {"node": "service2-1", "workMs": 1.5, "bug": None}


def well(_request: object) -> Reply:
    """Service 2 did its work."""
    return Reply(200, json.dumps(INNER).encode())


@dataclass
class Replica:
    """One replica of service 1."""

    telemetry: Telemetry
    network: Network
    ask: Callable[..., TestResponse]
    client: FlaskClient

    def asked(self) -> list[str]:
        """Return the gateways that it asked, in order."""
        return [host for host, _ in self.network.sent]

    def steps(self) -> list[str]:
        """Return the steps it logged."""
        return [record["step"] for record in records_of(self.telemetry) if "step" in record]


@pytest.fixture
def replica() -> Iterator[Replica]:
    """service1-1, whose gateway answers as the script says."""
    telemetry, network = telemetry_of("service1"), Network({"gateway:1": well})
    settings = ReplicaConfig(NodeConfig("service1", "service1-1"), fault_headers=True, admin_token="adm")
    config = Service1Config(
        settings, "tok", ("http://gateway:1/", "http://gateway:2", "http://gateway:3"), (0, 0), (0, 0)
    )
    workshop = Workshop(telemetry, sleep=lambda _seconds: None)
    service = create_service(config, telemetry, session=network.session(), workshop=workshop)
    client = service.app.test_client()

    def ask(method: str = "POST", **options: Any) -> TestResponse:
        return client.open("/work/orders", method=method, **options)

    yield Replica(telemetry, network, ask, client)
    service.drain()
    telemetry.meter_provider.shutdown()


def test_it_works_asks_works_and_answers(replica: Replica) -> None:
    """What service 2 answered is inside its own answer."""
    answer = replica.ask()

    assert 200 == answer.status_code
    shape = answer.get_json()
    assert ("orders", "service1-1", INNER) == (shape["entity"], shape["service1"]["node"], shape["service2"])
    assert [
        "service1.request.received", "service1.work.part1.done", "service1.service2.request.sent",
        "service1.service2.response.received", "service1.work.part2.done", "service1.response.sent",
    ] == replica.steps()  # fmt: skip


def test_it_asks_the_gateway_with_token_name_and_deadline(replica: Replica) -> None:
    """And hands on what the client ordered, not what is between the client and the gateway."""
    replica.ask(
        headers={
            "X-Carousel-Deadline-Ms": "2000", "X-Carousel-Fault": "service2:slow", "User-Agent": "curl/8",
            "Cookie": "a=b", "Authorization": "Bearer client",
        }
    )  # fmt: skip

    ((_, request),) = replica.network.sent
    assert "http://gateway:1/internal/service2/orders" == request.url
    assert ("Bearer tok", "service1-1", "service2:slow", "curl/8", None) == (
        request.headers["Authorization"],
        request.headers["X-Carousel-Node"],
        request.headers["X-Carousel-Fault"],
        request.headers["User-Agent"],
        request.headers.get("Cookie"),
    )
    assert 1_500 < int(request.headers["X-Carousel-Deadline-Ms"]) <= 1_900


def test_a_gateway_that_cannot_be_connected_to_is_passed_over_and_the_good_one_kept_first(replica: Replica) -> None:
    """Until that one is gone too; the request left once, and that is all its steps tell."""
    replica.network.scripts |= {"gateway:1": refuse, "gateway:2": refuse, "gateway:3": well}
    assert [200, 200] == [replica.ask().status_code for _ in range(2)]
    assert ["gateway:1", "gateway:2", "gateway:3", "gateway:3"] == replica.asked()
    replica.network.sent.clear()

    replica.network.scripts |= {"gateway:1": well, "gateway:3": refuse}
    assert [200, 200] == [replica.ask().status_code for _ in range(2)]

    assert ["gateway:3", "gateway:1", "gateway:1"] == replica.asked()
    assert 4 == replica.steps().count("service1.service2.request.sent")
    assert 0 == replica.steps().count("service1.service2.request.failed")


@pytest.mark.parametrize(("script", "status"), [(reset, 502), (too_late, 504)])
def test_what_was_sent_to_one_gateway_is_not_sent_to_another(replica: Replica, script: Script, status: int) -> None:
    """Nobody knows what became of it."""
    replica.network.scripts |= {"gateway:1": script, "gateway:2": well}

    assert (status, ["gateway:1"]) == (replica.ask().status_code, replica.asked())


def test_gateways_that_are_all_away_are_one_failure(replica: Replica) -> None:
    """After each of them was tried once, in order."""
    replica.network.scripts.clear()

    assert (502, ["gateway:1", "gateway:2", "gateway:3"]) == (replica.ask().status_code, replica.asked())
    assert 1 == replica.steps().count("service1.service2.request.failed")


def test_its_bugs_can_be_changed_while_it_runs(replica: Replica) -> None:
    """The admin API is that of every replica."""
    headers = {"Authorization": "Bearer adm"}

    assert 200 == replica.client.put("/admin/bugs", json={"rates": "error=1"}, headers=headers).status_code

    assert (500, "error=1") == (replica.ask().status_code, replica.client.get("/readyz").get_json()["bugs"])


@pytest.mark.parametrize(("script", "status"), [(refuse, 502), (reset, 502), (too_late, 504)])
def test_a_gateway_that_lets_it_down_is_to_blame(replica: Replica, script: Script, status: int) -> None:
    """Not service 2, and not this node; the failure has its step."""
    replica.network.scripts["gateway:1"] = script

    answer = replica.ask()

    assert (status, "gateway") == (answer.status_code, answer.headers["X-Carousel-Error-Node"])
    assert ["service1.service2.request.failed", "service1.response.sent"] == replica.steps()[-2:]


def test_a_gateway_that_cannot_be_connected_to_is_passed_over(replica: Replica) -> None:
    """A request that never left may be sent to the next; that one is kept to as long as it is there."""
    replica.network.scripts |= {"gateway:1": refuse, "gateway:2": well}

    assert [200, 200] == [replica.ask().status_code for _ in range(2)]
    assert ["gateway:1", "gateway:2", "gateway:2"] == [host for host, _ in replica.network.sent]

    replica.network.scripts |= {"gateway:1": well, "gateway:2": refuse}

    assert 200 == replica.ask().status_code
    assert ["gateway:2", "gateway:1"] == [host for host, _ in replica.network.sent][3:]


@pytest.mark.parametrize("script", [reset, too_late])
def test_a_request_that_left_is_sent_to_no_other_gateway(replica: Replica, script: Script) -> None:
    """Nobody knows what became of it."""
    replica.network.scripts |= {"gateway:1": script, "gateway:2": well}

    assert replica.ask().status_code in (502, 504)
    assert ["gateway:1"] == [host for host, _ in replica.network.sent]


def test_a_problem_of_service2_is_passed_on_with_whose_fault_it_is(replica: Replica) -> None:
    """Status, body and blame; nothing else of it."""
    headers = {
        "Content-Type": "application/problem+json", "Retry-After": "1", "X-Carousel-Error-Node": "service2", "Via": "x",
    }  # fmt: skip
    replica.network.scripts["gateway:1"] = lambda _request: Reply(503, b'{"detail": "none"}', headers)

    answer = replica.ask()

    assert (503, b'{"detail": "none"}', "1", "service2") == (
        answer.status_code,
        answer.data,
        answer.headers["Retry-After"],
        answer.headers["X-Carousel-Error-Node"],
    )
    assert "Via" not in answer.headers
    assert "service1.work.part2.done" not in replica.steps()


def test_without_time_for_it_service2_is_not_asked(replica: Replica) -> None:
    """504 at once."""
    answer = replica.ask(headers={"X-Carousel-Deadline-Ms": "20"})

    assert (504, []) == (answer.status_code, replica.network.sent)


@pytest.mark.parametrize(("fault", "status"), [
    ("error", 500), ("error;status=503", 503), ("error;status=599", 599), ("exception", 500),
])  # fmt: skip
def test_a_bug_of_its_own_is_its_own(replica: Replica, fault: str, status: int) -> None:
    """It names itself, logs its answer, and asks nobody."""
    answer = replica.ask(headers={"X-Carousel-Fault": f"service1:{fault}"})

    assert (status, "service1-1", []) == (
        answer.status_code,
        answer.headers["X-Carousel-Error-Node"],
        replica.network.sent,
    )
    assert ["service1.request.received", "service1.work.bug", "service1.response.sent"] == replica.steps()


@pytest.mark.parametrize("headers", [{"X-Carousel-Deadline-Ms": "x"}, {"X-Carousel-Fault": "rubbish"}])
def test_fields_that_cannot_be_read_are_400(replica: Replica, headers: dict[str, str]) -> None:
    """No step: it was never taken on."""
    answer = replica.ask(headers=headers)

    assert (400, []) == (answer.status_code, replica.steps())
