"""Nodes that come, go, are started anew and crash under load: no client notices the first three, nothing leaks."""

import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil
import pytest
import requests

from deploy.native import processes, state
from deploy.native.stack import Stack
from deploy.native.testing import free_offset
from tests.e2e.support import HEALTHY, Ask, eventually
from tests.e2e.traffic import Traffic

SOAK_S = float(os.environ.get("CAROUSEL_SOAK_S") or "30")
"""Seconds of crashes; 300 stand for an hour with a crash a minute."""
RATE = 50
WARM_AFTER = 16
"""Answers of each node after which it takes its full turn, with some to spare (ADR-0009: 10 good ones)."""
SERVICES = ("service1", "service2")
SAMPLE = 40
"""Journeys that are looked at of those that met a rolling restart."""

pytestmark = pytest.mark.timeout(300 + 2 * SOAK_S)


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own. Requests have time: a busy machine is no fault of the stack's."""
    running = Stack(
        run_dir=tmp_path_factory.mktemp("growing") / "run",
        offset=free_offset(),
        replicas={"service1": 1, "service2": 1},
        load=False,
        env={"CAROUSEL_FAULTS": "", "CAROUSEL_DEADLINE_MS": "20000", "CAROUSEL_FAULT_HEADERS": "1"},
    )
    running.start(check=False)
    try:
        yield running
    finally:
        assert running.stop() == []


@pytest.fixture
def asked(growing: Stack) -> Iterator[Ask]:
    """Somebody who asks that stack; every test begins with one gateway."""
    with requests.Session() as session:
        yield Ask(growing, session)
    growing.scale(gateway=1)


def rings(stack: Stack, gateway: str) -> dict[str, dict[str, dict[str, object]]]:
    """Return the members of each ring of *gateway* by node."""
    headers = {"Authorization": f"Bearer {stack.token('admin')}"}
    answer = requests.get(f"{gateway}/admin/rings", headers=headers, timeout=10)
    assert answer.status_code == 200, answer.text
    return {ring["service"]: {one["node"]: one for one in ring["members"]} for ring in answer.json()["rings"]}


def picks(stack: Stack) -> dict[str, dict[str, int]]:
    """Return how often each node was picked by the first gateway, by service."""
    return {
        service: {node: int(str(one["picks"])) for node, one in members.items()}
        for service, members in rings(stack, stack.gateway).items()
    }


def test_from_one_to_eight_and_back_no_client_notices(growing: Stack, asked: Ask) -> None:
    """And the shares of any two nodes differ by at most one between two changes."""
    with Traffic([growing.gateway], RATE) as traffic:
        traffic.wait_for(10)
        for count in (2, 4, 8, 5, 2, 1):
            growing.scale(service1=count, service2=count)
            traffic.wait_for(WARM_AFTER * count)
            with traffic.paused():
                before = picks(growing)
            traffic.wait_for(max(60, 4 * count))
            with traffic.paused():
                after = picks(growing)
            for service in SERVICES:
                shares = {node: times - before[service][node] for node, times in after[service].items()}
                assert len(shares) == count
                assert max(shares.values()) - min(shares.values()) <= 1, shares
                assert sum(shares.values()) >= 60
            assert [] == traffic.failures, f"with {count} of each"
    assert {one.method for one in traffic.sent} == {"GET", "POST"}
    nodes = [node for node in growing.pids if node.startswith(SERVICES)]
    assert sorted(nodes) == ["service1-1", "service2-1"]
    assert [one.name for one in state.read_programs(growing.config) if one.service in SERVICES] == nodes


def test_a_rolling_restart_of_every_node_fails_no_request(growing: Stack, asked: Ask) -> None:
    """Two replicas of each service; replicas get new processes, the gateway a new worker on its listener."""
    growing.scale(service1=2, service2=2)
    before, worker = growing.pids, worker_of(growing, "gateway-1")
    with Traffic([growing.gateway], RATE / 2) as traffic:
        traffic.wait_for(10)
        growing.restart_rolling()
        traffic.wait_for(20)
    assert [] == traffic.failures
    for one in traffic.sent[:: max(len(traffic.sent) // SAMPLE, 1)]:
        # Whoever left has shipped what it knew before it ended.
        assert asked.whole_journey(one.trace_id, within_s=20)
    after = growing.pids
    kept = {node for node in after if after[node] == before[node]}
    assert {node for node in kept if node.startswith((*SERVICES, "storage"))} == set()
    assert worker != worker_of(growing, "gateway-1")
    assert growing.look().is_healthy


def test_the_only_node_of_a_service_is_restarted_without_a_failed_request(growing: Stack, asked: Ask) -> None:
    """Another one stands in for it."""
    growing.scale(service1=1, service2=1)
    before = growing.pids
    with Traffic([growing.gateway], RATE / 4) as traffic:
        traffic.wait_for(10)
        growing.restart_rolling("service2-1")
        traffic.wait_for(20)
    assert [] == traffic.failures
    assert before["service2-1"] != growing.pids["service2-1"]
    assert "service2-2" not in growing.pids


def test_two_gateways_side_by_side_make_one_journey(growing: Stack, asked: Ask) -> None:
    """A client may ask either, service 1 calls back to either; a gateway that is gone is passed over."""
    growing.scale(gateway=2, service1=2, service2=2)
    assert len(growing.gateways) == 2
    with Traffic(growing.gateways, 20, clients=4) as traffic:
        traffic.wait_for(40)
    assert [] == traffic.failures
    seen = [
        {str(step["node"]) for step in asked.whole_journey(one.trace_id)["steps"] if "gateway" in str(step["node"])}
        for one in traffic.sent[-16:]
    ]
    assert {"gateway-1", "gateway-2"} in seen
    growing.stop_node("gateway-2")
    with Traffic([growing.gateway], 20, clients=4) as traffic:
        traffic.wait_for(20)
    assert [] == traffic.failures
    growing.start_node("gateway-2")
    growing.wait_ready(["gateway-2"])


def worker_of(stack: Stack, node: str) -> int:
    """Return the pid of *node*'s one worker, once there is one."""

    def look() -> int | None:
        children = psutil.Process(stack.pids[node]).children()
        return children[0].pid if len(children) == 1 else None

    return int(eventually(look, f"one worker of {node}"))


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    threads: int
    descriptors: int
    resident_bytes: int

    @classmethod
    def by(cls, pid: int) -> "Held":
        """Return what the process *pid* holds now."""
        process = psutil.Process(pid)
        return cls(process.num_threads(), process.num_fds(), process.memory_info().rss)


def warm_up(stack: Stack) -> None:
    """Let the gateway make what it makes once: its pool's threads, connections, the telemetry's first collections."""
    with ThreadPoolExecutor(40) as pool:
        for _ in range(5):
            list(
                pool.map(lambda _: requests.get(f"{stack.gateway}/api/orders", headers=HEALTHY, timeout=40), range(40))
            )


CLIENTS, REPLICAS = 10, 2
THREADS_MORE = 4
"""The prober's pool and the telemetry start theirs when they are first needed; a leak would be one for each crash."""
DESCRIPTORS_MORE = CLIENTS * REPLICAS * len(SERVICES)
"""Connections that may be kept to each replica for each client that was ever inside at once, and no more."""
RESIDENT_MORE = 24 * 1024 * 1024
"""Outboxes fill while storage is late, and the allocator keeps what it got: so much once, not for each crash. A record
that stayed behind for each step would be more than this in the full run: 6,000 requests of 19 steps and 10 spans."""


def test_crashes_for_a_while_leave_nothing_behind(growing: Stack, asked: Ask) -> None:
    """Every few seconds a replica is killed, loses its worker or drains: no process, thread or descriptor leaks."""
    growing.scale(service1=REPLICAS, service2=REPLICAS)
    chance = random.Random(1)
    nodes = [node for node in growing.pids if node.startswith(SERVICES)]
    warm_up(growing)
    worker = worker_of(growing, "gateway-1")
    with Traffic([growing.gateway], 20, CLIENTS) as traffic:
        traffic.wait_for(100)
        there = len(processes.ours(growing.config.run_dir))
        before = Held.by(worker)
        ends = time.monotonic() + SOAK_S
        while time.monotonic() < ends:
            crash(growing, chance.choice(nodes), chance)
            time.sleep(chance.uniform(1.5, 3.0))
        growing.wait_ready(nodes, 60)
        eventually(lambda: all_are_linked(growing), "every node in its ring", 60)
        traffic.wait_for(60)
        after = Held.by(worker)
    assert {one.error[:3] for one in traffic.sent if one.error} <= {"502", "503", "504"}, traffic.failures
    assert worker == worker_of(growing, "gateway-1")
    eventually(lambda: len(processes.ours(growing.config.run_dir)) == there, f"{there} processes", 30)
    assert after.threads <= before.threads + THREADS_MORE, (before, after)
    assert after.descriptors <= before.descriptors + DESCRIPTORS_MORE, (before, after)
    assert after.resident_bytes <= before.resident_bytes + RESIDENT_MORE, (before, after)


def crash(stack: Stack, node: str, chance: random.Random) -> None:
    """Hurt *node* in one of the ways there are; one that is just being started is left alone."""
    master = stack.pids.get(node)
    if not master:
        return
    how = chance.choice(("kill", "worker", "drain"))
    try:
        if how == "kill":
            os.killpg(master, signal.SIGKILL)
        elif how == "worker":
            for child in psutil.Process(master).children():
                child.kill()
        else:
            os.kill(master, signal.SIGTERM)
    except (ProcessLookupError, psutil.Error):
        pass


def all_are_linked(stack: Stack) -> bool:
    """Tell whether every member of both rings gets requests."""
    members = [one for ring in rings(stack, stack.gateway).values() for one in ring.values()]
    return all(one["state"] in ("linked", "probation") for one in members)
