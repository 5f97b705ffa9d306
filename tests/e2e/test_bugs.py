"""Every kind of bug on the running stack: how its request ends, what is seen of it, and that the node is well again.

The examples of docs/bugs.md are compared with what is seen here. ``CAROUSEL_GOLDEN=1`` writes them anew.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from apps.cli.main import main as carousel
from apps.web.havoc import SPARE_THREADS
from apps.web.kinds import KINDS
from deploy.native.stack import Stack
from docs.tools import bugs
from docs.tools.pages import ROOT
from tests.e2e.support import HEALTHY, Ask, eventually

pytestmark = pytest.mark.timeout(240)

WRITES_ANEW = os.environ.get("CAROUSEL_GOLDEN") == "1"
SEATS = 32 - SPARE_THREADS
"""Requests that may hang at once in a node of the stack."""
TOO_MANY = SEATS + 8
NAMES = [kind.name for kind in KINDS]
SERVICES = ("service2", "service1")
BAD2, GONE2 = [*range(1, 16), 17, 18, 19], [*range(1, 12), 13, 14, 15, 17, 18, 19]
ENDINGS: dict[str, tuple[str, int, list[int], list[int]]] = {
    # kind: outcome, status, places when service 2 has it, places when service 1 has it
    "slow": ("ok", 200, [*range(1, 20)], [*range(1, 20)]),
    "error": ("bad_answer", 502, BAD2, [1, 2, 3, 4, 5, 17, 18, 19]),
    "exception": ("bad_answer", 502, BAD2, [1, 2, 3, 4, 5, 17, 18, 19]),
    "hang": ("deadline", 504, GONE2, [1, 2, 3, 4, 5, 18, 19]),
    "crash": ("reset", 502, GONE2, [1, 2, 3, 4, 5, 18, 19]),
    "garbage": ("bad_answer", 502, BAD2, [1, 2, 3, 4, 5, 17, 18, 19]),
    "leak": ("ok", 200, [*range(1, 20)], [*range(1, 20)]),
    "burn": ("ok", 200, [*range(1, 20)], [*range(1, 20)]),
}


@dataclass(frozen=True)
class Met:
    """What became of a request that met a bug, and what the command line says of it."""

    answer: requests.Response
    journey: dict[str, Any]
    shown: str
    log: str


def meet(ask: Ask, service: str, kind: str) -> Met:
    """Send a POST that meets a bug while every node is in its ring, and look at it at once."""
    eventually(ask.ring_is_whole, "every node in its ring", 30)
    shown = bugs.SHOWN[kind]
    answer = ask.client(
        "POST", X_Carousel_Fault=f"{service}:{shown.order}", X_Carousel_Deadline_Ms=str(shown.deadline_ms)
    )
    trace_id = answer.headers["X-Trace-Id"]
    trace = _carousel(ask.stack, "trace", trace_id, "--wait", "5")
    log = _carousel(ask.stack, "logs", "--trace", trace_id, "--step", f"{service}.work.bug")
    return Met(answer, ask.whole_journey(trace_id), trace[trace.index("journey ") :], log)


def _carousel(stack: Stack, *words: str) -> str:
    """Return what the command prints into a pipe."""
    arguments = [*words, "--storage", stack.storage]
    result = CliRunner().invoke(
        carousel, arguments, env={"COLUMNS": "80", "CAROUSEL_RUN_DIR": str(stack.config.run_dir)}
    )
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def asking(stack: Stack) -> Iterator[Ask]:
    """Somebody who asks the stack."""
    with requests.Session() as session:
        yield Ask(stack, session)


@pytest.fixture(scope="module")
def met(asking: Ask) -> dict[tuple[str, str], Met]:
    """One request for each kind of bug at each service."""
    return {(service, kind): meet(asking, service, kind) for kind in NAMES for service in SERVICES}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("kind", NAMES)
def test_every_bug_ends_as_it_should_and_leaves_a_whole_journey(
    met: dict[tuple[str, str], Met], kind: str, service: str
) -> None:
    """The outcome, whose fault it was, and every step that there can be, the bug's own among them."""
    outcome, status, at2, at1 = ENDINGS[kind]
    one = met[service, kind]

    assert (one.answer.status_code, one.journey["outcome"]) == (status, outcome)
    assert one.journey["at"] == (None if outcome == "ok" else service)
    assert [step["n"] for step in one.journey["steps"]] == (at2 if service == "service2" else at1)
    (bug,) = [step for step in one.journey["steps"] if step.get("bug")]
    assert (bug["step"], bug["bug"]) == (f"{service}.work.bug", kind)
    assert not one.journey["missing"]


@pytest.mark.parametrize("kind", NAMES)
def test_the_page_shows_what_is_seen(met: dict[tuple[str, str], Met], asking: Ask, kind: str) -> None:
    """Journey and log line of the example, but for ids, times and durations.

    A request that something else went wrong with, on a machine that is busy, is sent once more.
    """
    one = met["service2", kind]
    if WRITES_ANEW:
        metric = bugs.series({"carousel_bug": kind, "instance": "service2-1", "job": "carousel/service2"})
        bugs.write_example(kind, bugs.normalised(one.shown), bugs.normalised(one.log), metric)
        return
    expected = bugs.example(kind)[:2]
    seen = bugs.normalised(one.shown), bugs.normalised(one.log)
    if seen != expected:
        one = meet(asking, "service2", kind)
        seen = bugs.normalised(one.shown), bugs.normalised(one.log)

    assert seen == expected


def test_every_bug_is_counted_in_prometheus(met: dict[tuple[str, str], Met], asking: Ask) -> None:
    """Those of a node that crashed too: its last count was pushed before it died. The series are those of the page."""
    wanted = {
        bugs.series({"carousel_bug": kind, "instance": "service2-1", "job": "carousel/service2"}) for kind in NAMES
    }
    assert met

    def counted() -> bool:
        found = asking.prometheus('max_over_time(carousel_bugs_total{job="carousel/service2"}[5m]) >= 1')
        return wanted <= {bugs.normalised(bugs.series(one["metric"])) for one in found}

    assert eventually(counted, "a count of each kind", 20)
    assert WRITES_ANEW or wanted == {bugs.example(kind)[2] for kind in NAMES}


def test_the_page_is_written_anew_with_its_examples(met: dict[tuple[str, str], Met]) -> None:
    """Only when that was asked for; `tests/docs` holds page and examples together otherwise."""
    assert met
    if WRITES_ANEW:
        (ROOT / "docs" / "bugs.md").write_text(bugs.page(), encoding="utf-8")


def test_a_crash_kills_its_own_node_alone(ask: Ask) -> None:
    """Both of its processes; it comes back with another pid, everything else runs on."""
    before = ask.stack.pids

    answer = ask.client("POST", X_Carousel_Fault="service2:crash")

    victim = answer.json()["errorNode"]
    eventually(lambda: ask.stack.pids.get(victim) not in (None, before[victim]), f"{victim} back", 20)
    after = ask.stack.pids
    assert {node for node in before if before[node] != after[node]} == {victim}
    eventually(ask.ring_is_whole, "every node in its ring", 30)


def test_bugs_are_set_and_cleared_while_a_node_runs(ask: Ask) -> None:
    """The next request meets them; /readyz tells them; the change is an event."""
    began = datetime.now(UTC).isoformat()
    replicas = [f"http://{member['address']}" for member in ask.rings()["service2"].values()]
    admin = {"Authorization": f"Bearer {ask.stack.token('admin')}"}
    plain = {name: value for name, value in HEALTHY.items() if name != "X-Carousel-Fault"}

    def order(method: str, **body: Any) -> list[str]:
        answers = [
            requests.request(method, f"{node}/admin/bugs", headers=admin, timeout=5, **body) for node in replicas
        ]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.json()["rates"] for answer in answers]

    def send() -> requests.Response:
        return ask.session.post(f"{ask.stack.gateway}/api/orders", headers=plain, timeout=20)

    assert order("PUT", json={"rates": "slow=1.0;ms=20"}) == ["slow=1;ms=20"] * 2
    try:
        assert send().json()["service2"]["bug"] == "slow"
        assert [requests.get(f"{node}/readyz", timeout=5).json()["bugs"] for node in replicas] == ["slow=1;ms=20"] * 2
    finally:
        assert order("DELETE") == ["", ""]
    assert send().json()["service2"]["bug"] is None

    def told() -> list[str]:
        found = {"app": "service2", "q": "bugs set", "order": "asc", "from": began}
        records = ask.storage("logs", **found)["logs"]
        return sorted(record["message"] for record in records if record.get("event") == "carousel.bugs.set")

    assert eventually(lambda: len(told()) == 4 and told(), "the events") == [
        "bugs set to none", "bugs set to none", "bugs set to slow=1;ms=20", "bugs set to slow=1;ms=20",
    ]  # fmt: skip


def test_a_node_full_of_hanging_requests_stays_ready_and_lets_go_when_it_is_stopped(ask: Ask) -> None:
    """Those too many get their 500 at once; the others end without an answer long before their deadline."""
    node = "service2-2"
    address = f"http://{ask.rings()['service2'][node]['address']}"
    fields = {"X-Carousel-Fault": f"{node}:hang", "X-Carousel-Deadline-Ms": "30000"}

    def hang() -> int | None:
        try:
            return requests.post(f"{address}/work/orders", headers=fields, timeout=40).status_code
        except requests.ConnectionError:
            return None

    with ThreadPoolExecutor(TOO_MANY) as pool:
        hanging = [pool.submit(hang) for _ in range(TOO_MANY)]
        try:
            eventually(lambda: sum(one.done() for one in hanging) == TOO_MANY - SEATS, "those too many")
            assert requests.get(f"{address}/readyz", timeout=2).status_code == 200
            began = time.monotonic()
            ask.stack.stop_node(node)
            answers = [one.result(10) for one in hanging]
            assert time.monotonic() - began < 8
        finally:
            ask.stack.start_node(node)
    assert sorted(answers, key=str) == [500] * (TOO_MANY - SEATS) + [None] * SEATS
    eventually(ask.ring_is_whole, "every node in its ring", 30)
