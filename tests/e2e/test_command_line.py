"""The command line against the running stack: what it reads is what the gateway and storage really say."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.e2e.support import Ask

ROOT = Path(__file__).parents[2]
WITHIN_S = 60


def environment(ask: Ask) -> dict[str, str]:
    """Return the environment in which the command finds the stack of the tests."""
    return os.environ | {
        "CAROUSEL_RUN_DIR": str(ask.stack.config.run_dir),
        "CAROUSEL_GATEWAY_URL": ask.stack.gateway,
        "CAROUSEL_STORAGE_API_URL": ask.stack.storage,
        "CAROUSEL_PORT_OFFSET": "",
    }


def carousel(ask: Ask, *arguments: str) -> str:
    """Run the command, which must end well, and return what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "apps.cli", *arguments],
        cwd=ROOT, env=environment(ask), capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_ring_draws_the_real_rings(ask: Ask) -> None:
    """Every member that the gateway tells of, by its state."""
    (told,) = json.loads(carousel(ask, "ring", "--json"))["gateways"]
    drawn = carousel(ask, "ring")

    assert told["gateway"] == "gateway-1"
    assert {ring["service"]: ring["size"] for ring in told["rings"]} == {"service1": 2, "service2": 2}
    assert drawn.count(" 2 of 2 in the ring") == 2
    assert all(drawn.count(f"service{service}-{node}") >= 1 for service in (1, 2) for node in (1, 2))


def test_watch_shows_the_way_of_real_requests(ask: Ask) -> None:
    """Trace id, status and both nodes, as the answer itself tells them."""
    answers: list[dict[str, Any]] = []
    is_over = threading.Event()

    def send() -> None:
        while not is_over.is_set():
            answers.append(ask.client("POST").json())

    sender = threading.Thread(target=send)
    sender.start()
    try:
        lines = carousel(ask, "watch", "-n", "10", "--json").splitlines()
    finally:
        is_over.set()
        sender.join()

    by_trace = {answer["traceId"]: answer for answer in answers}
    seen = [json.loads(line) for line in lines]
    whole = [one for one in seen if len(one["way"]) == 2]
    assert [one["status"] for one in seen] == [200] * 10
    assert len(whole) >= 9  # the first may have been picked before the stream was open
    for one in whole:
        answer = by_trace[one["traceId"]]
        assert [pick["node"] for pick in one["way"]] == [answer["service1"]["node"], answer["service2"]["node"]]


def test_nodes_joins_what_all_parts_know(ask: Ask) -> None:
    """Both replicas of each service are in their rings, and storage has heard of them."""
    ask.whole_journey(ask.client("POST").json()["traceId"])

    shape = json.loads(carousel(ask, "nodes", "--json"))
    replicas = {node["node"]: node for node in shape["nodes"] if node["app"] in ("service1", "service2")}

    assert shape["unavailable"] == []
    assert sorted(replicas) == ["service1-1", "service1-2", "service2-1", "service2-2"]
    assert {node["ring"]["state"] for node in replicas.values()} <= {"linked", "probation"}


def test_bugs_lists_every_node(ask: Ask) -> None:
    """Nothing is ordered in this stack."""
    (told,) = json.loads(carousel(ask, "bugs", "--json"))["gateways"]

    assert told["orders"] == []
    assert sorted(node["node"] for node in told["nodes"]) == ["service1-1", "service1-2", "service2-1", "service2-2"]


def test_a_trace_of_a_retry_says_what_was_tried_in_vain(ask: Ask) -> None:
    """A GET that met a node with a bug was answered by the other one."""
    for _ in range(2):
        trace_id = ask.client("GET", X_Carousel_Fault="service2-1:error").json()["traceId"]
        if ask.whole_journey(trace_id)["earlierAttempts"]:
            break

    drawn = carousel(ask, "trace", trace_id)

    assert "✗ attempt 1 of service2: service2-1 ⊗ error 500, tried again on service2-2" in drawn
    assert "critical path:" in drawn
