"""Which nodes come and which go."""

from pathlib import Path

import pytest

from deploy.native.config import StackConfig
from deploy.native.plan import Misused, ordered, parse, plan
from deploy.native.programs import Engines, listed


def stack(**env):
    """Return the programs of a stack with *env*."""
    config = StackConfig.from_env({"CAROUSEL_RUN_DIR": "/tmp/r", **env})
    return listed(config, Engines(Path("/opt/otelcol"), Path("/opt/prometheus"), "http://127.0.0.1:9090"))


def names(programs):
    """Return the names of *programs*."""
    return [program.name for program in programs]


def test_orders_are_read_as_they_are_typed():
    """One word for each service."""
    assert parse(["service1=3", "gateway=2"]) == {"service1": 3, "gateway": 2}
    assert parse(["service2=99", "service2=99"]) == {"service2": 99}


@pytest.mark.parametrize(("words", "said"), [
    ([], "say which service and how many: gateway=1..8, service1=1..99, service2=1..99"),
    (["service3=2"], "'service3=2': expected gateway=1..8"),
    (["storage=2"], "'storage=2': expected gateway=1..8"),
    (["service1"], "'service1': expected"),
    (["service1=x"], "'service1=x': expected"),
    (["service1=-1"], "'service1=-1': expected"),
    (["service1=0"], "'service1=0': expected service1 from 1 to 99"),
    (["service1=100"], "'service1=100': expected service1 from 1 to 99"),
    (["gateway=9"], "'gateway=9': expected gateway from 1 to 8"),
    (["service1=2", "service1=3"], "service1 was named twice"),
])  # fmt: skip
def test_what_cannot_be_done_is_said_with_what_can(words, said):
    """Exit code 2, and nothing is touched."""
    with pytest.raises(Misused) as caught:
        parse(words)
    assert said in str(caught.value)


def test_new_replicas_are_like_their_siblings():
    """But for name and port."""
    programs = stack(CAROUSEL_PORT_OFFSET="100", CAROUSEL_SEED="7")
    todo = plan(programs, {"service2": 4})
    assert (names(todo.start), todo.rewire, todo.stop) == (["service2-3", "service2-4"], (), ())
    expected = {one.name: one for one in stack(
        CAROUSEL_PORT_OFFSET="100", CAROUSEL_SEED="7", CAROUSEL_SERVICE2_REPLICAS="4",
    )}  # fmt: skip
    assert list(todo.start) == [expected["service2-3"], expected["service2-4"]]


def test_the_highest_numbers_go_first():
    """Those that came last."""
    todo = plan(stack(CAROUSEL_SERVICE1_REPLICAS="4"), {"service1": 1})
    assert (todo.start, names(todo.stop)) == ((), ["service1-4", "service1-3", "service1-2"])


def test_as_many_as_there_are_is_nothing_to_do():
    """And says so."""
    todo = plan(stack(), {"service1": 2, "service2": 2, "gateway": 1})
    assert (todo.start, todo.rewire, todo.stop) == ((), (), ())


def test_a_hole_in_the_numbers_is_filled():
    """Left by a command that was interrupted."""
    programs = [program for program in stack(CAROUSEL_SERVICE1_REPLICAS="3") if program.name != "service1-2"]
    assert names(plan(programs, {"service1": 4}).start) == ["service1-2", "service1-4"]


def test_a_new_gateway_knows_every_replica_and_service1_is_told_of_it():
    """Those that come in the same command included."""
    todo = plan(stack(), {"gateway": 2, "service1": 3})
    assert names(todo.start) == ["service1-3", "gateway-2"]
    new = {program.name: program for program in (*todo.start, *todo.rewire)}
    assert new["gateway-2"].env["CAROUSEL_SERVICE1_MEMBERS"] == "127.0.0.1:8101,127.0.0.1:8102,127.0.0.1:8103"
    assert new["gateway-2"].ready_url == "http://127.0.0.1:8081/readyz"
    assert {name: new[name].env["CAROUSEL_GATEWAY_URL"] for name in ("service1-1", "service1-2", "service1-3")} == {
        "service1-1": "http://127.0.0.1:8080,http://127.0.0.1:8081",
        "service1-2": "http://127.0.0.1:8081,http://127.0.0.1:8080",
        "service1-3": "http://127.0.0.1:8080,http://127.0.0.1:8081",
    }


def test_a_gateway_that_goes_is_forgotten_by_service1_first():
    """The replicas that stay; gateways are stopped last."""
    todo = plan(stack(CAROUSEL_GATEWAY_REPLICAS="2"), {"gateway": 1, "service1": 1})
    assert names(todo.rewire) == ["service1-1"]
    assert todo.rewire[0].env["CAROUSEL_GATEWAY_URL"] == "http://127.0.0.1:8080"
    assert names(todo.stop) == ["service1-2", "gateway-2"]


def test_programs_of_one_service_stay_side_by_side():
    """By number, not by name."""
    programs = stack()
    todo = plan(programs, {"service1": 11})
    after = names(ordered([*programs, *reversed(todo.start)]))
    assert after[2:13] == [f"service1-{number}" for number in range(1, 12)]
    assert [name for name in after if not name.startswith("service1-")] == [
        name for name in names(programs) if not name.startswith("service1-")
    ]
