"""Service 2 alone."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.test import TestResponse

from apps.service2.app import create_service
from apps.service2.config import Service2Config
from apps.telemetry.setup import Telemetry
from apps.web.faults import parse_rates
from apps.web.node import NodeConfig
from apps.web.replica import ReplicaConfig
from apps.web.work import Workshop
from tests.fakes import records_of, telemetry_of


@dataclass
class Replica:
    """One replica of service 2."""

    telemetry: Telemetry
    ask: Callable[..., TestResponse]

    def steps(self) -> list[str]:
        """Return the steps it logged."""
        return [record["step"] for record in records_of(self.telemetry) if "step" in record]


MakeReplica = Callable[..., Replica]


@pytest.fixture
def make_replica() -> Iterator[MakeReplica]:
    """Makes replicas that take no time for their work."""
    made: list[Telemetry] = []

    def make(faults: str = "", *, fault_headers: bool = True, seed: int | None = 1) -> Replica:
        telemetry = telemetry_of("service2")
        made.append(telemetry)
        replica = ReplicaConfig(NodeConfig("service2", "service2-1"), parse_rates(faults), fault_headers, seed)
        workshop = Workshop(telemetry, sleep=lambda _seconds: None)
        client = create_service(Service2Config(replica, (0, 0)), telemetry, workshop=workshop).app.test_client()

        def ask(method: str = "POST", **options: Any) -> TestResponse:
            return client.open("/work/orders", method=method, **options)

        return Replica(telemetry, ask)

    yield make
    for telemetry in made:
        telemetry.meter_provider.shutdown()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_works_and_answers_with_its_name(make_replica: MakeReplica, method: str) -> None:
    """Node, milliseconds, no bug."""
    replica = make_replica()

    answer = replica.ask(method)

    assert ("service2-1", None) == (answer.get_json()["node"], answer.get_json()["bug"])
    assert answer.get_json()["workMs"] >= 0
    assert ["service2.request.received", "service2.work.done", "service2.response.sent"] == replica.steps()


@pytest.mark.parametrize(("fault", "status", "blamed"), [
    ("slow", 200, None), ("error", 500, "service2-1"), ("error;status=507", 507, "service2-1"),
    ("exception", 500, "service2-1"), ("garbage", 200, None), ("leak;mb=1;s=0.1", 200, None), ("burn;ms=1", 200, None),
    ("crash", 500, "service2-1"),
])  # fmt: skip
def test_each_bug_shows_as_it_should(make_replica: MakeReplica, fault: str, status: int, blamed: str | None) -> None:
    """A 5xx names this node; every bug is its own step 11 and is followed by step 12.

    A crash shows as an error here, where there is no server around the app that could be killed.
    """
    replica = make_replica()

    answer = replica.ask(headers={"X-Carousel-Fault": f"service2:{fault}"})

    assert (status, blamed) == (answer.status_code, answer.headers.get("X-Carousel-Error-Node"))
    assert ["service2.request.received", "service2.work.bug", "service2.response.sent"] == replica.steps()


def test_a_slow_answer_says_that_it_was(make_replica: MakeReplica) -> None:
    """The bug is named in the answer that came through."""
    assert "slow" == make_replica().ask(headers={"X-Carousel-Fault": "service2:slow"}).get_json()["bug"]


def test_garbage_says_it_is_well_and_is_no_json(make_replica: MakeReplica) -> None:
    """Only whoever reads it can tell."""
    answer = make_replica().ask(headers={"X-Carousel-Fault": "service2:garbage"})

    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.data)
    assert (200, "application/json") == (answer.status_code, answer.content_type)


def test_it_misbehaves_by_itself_as_often_as_it_is_told_to_and_repeatably(make_replica: MakeReplica) -> None:
    """Two runs with one seed fail in the same places."""
    replicas = [make_replica("error=0.3") for _ in range(2)]
    runs = [[replica.ask().status_code for _ in range(40)] for replica in replicas]

    assert runs[0] == runs[1]
    assert {200, 500} == set(runs[0])


def test_none_orders_a_healthy_answer(make_replica: MakeReplica) -> None:
    """Whatever the rates say."""
    replica = make_replica("error=1")

    assert [200, 500] == [replica.ask(headers={"X-Carousel-Fault": "none"}).status_code, replica.ask().status_code]


def test_an_order_counts_for_nothing_where_it_is_not_honoured(make_replica: MakeReplica) -> None:
    """CAROUSEL_FAULT_HEADERS=0."""
    replica = make_replica(fault_headers=False)

    assert 200 == replica.ask(headers={"X-Carousel-Fault": "service2:error"}).status_code


@pytest.mark.parametrize("headers", [{"X-Carousel-Deadline-Ms": "0"}, {"X-Carousel-Fault": "rubbish"}])
def test_fields_that_cannot_be_read_are_400(make_replica: MakeReplica, headers: dict[str, str]) -> None:
    """No step: it was never taken on."""
    replica = make_replica()

    assert (400, []) == (replica.ask(headers=headers).status_code, replica.steps())
