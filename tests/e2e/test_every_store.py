"""One request in every store: storage, Loki, Prometheus and, where one is given, Tempo.

A stack of its own with every engine that is here: engines are stopped under load. Loki comes by `make engines`; a Tempo
is named by CAROUSEL_TEST_TEMPO_BIN. CAROUSEL_TEST_OUTAGE_S is how long an engine is away (20; 120 for the full run).
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy.native import engines
from deploy.native.engines import TOOLS_FOLDER
from deploy.native.stack import Stack
from deploy.native.stores import spans_in_tempo, spans_of, steps_in_loki
from deploy.native.testing import free_offset
from deploy.native.tools import Tools
from tests.e2e.support import Ask, SteadyLoad, eventually

OUTAGE_S = float(os.environ.get("CAROUSEL_TEST_OUTAGE_S", "20"))
TEMPO_BIN = os.environ.get("CAROUSEL_TEST_TEMPO_BIN", "")
CARD, TOKEN, MAIL = "4111 1111 1111 1111", "Bearer c2VjcmV0LXNlY3JldA", "ada.planted@example.com"
PLANTED = (CARD, TOKEN.removeprefix("Bearer "), MAIL)

pytestmark = pytest.mark.timeout(120 + 6 * OUTAGE_S)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack with every engine that is here, one replica of each service, and no bugs."""
    environ = {**os.environ, "CAROUSEL_TEMPO_BIN": TEMPO_BIN, "CAROUSEL_FAULTS": "", "CAROUSEL_WITHOUT": ""}
    running = Stack(
        run_dir=tmp_path_factory.mktemp("stores") / "run",
        offset=free_offset(),
        replicas={"service1": 1, "service2": 1},
        load=False,
        env=environ,
        found=engines.find_all(Tools(TOOLS_FOLDER, environ)),
    )
    running.start()
    try:
        running.wait_ready([f"{name}-1" for name in running.engine_addresses], 90)
        yield running
    finally:
        assert running.stop() == []


def address(stack: Stack, name: str) -> str:
    """Return the address of Loki or Tempo; skip, saying so, where it is not here."""
    if name not in stack.engine_addresses:
        how = "`make engines` gets it" if name == "loki" else "CAROUSEL_TEST_TEMPO_BIN names one"
        pytest.skip(f"{name} is not here; {how}")
    return stack.engine_addresses[name]


def steps_of(journey: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (step, node) of a journey of storage's."""
    return sorted((step["step"], step["node"]) for step in journey["steps"])


def exemplars(ask: Ask) -> set[str]:
    """Return the trace ids of the gateway's exemplars."""
    answer = ask.session.get(
        f"{ask.stack.prometheus}/api/v1/query_exemplars",
        params={
            "query": 'http_server_request_duration_seconds_bucket{job="carousel/gateway"}',
            "start": "0",
            "end": "4102444800",
        },
        timeout=10,
    ).json()
    return {item["labels"]["trace_id"] for series in answer["data"] for item in series["exemplars"]}


def test_one_trace_id_gives_the_same_steps_and_spans_in_every_store(ask: Ask) -> None:
    """Storage, Loki, the exemplars and, where given, Tempo: the same spans, steps and nodes."""
    sent: list[str] = []

    def exemplar() -> str | None:
        sent.append(ask.client("POST").headers["X-Trace-Id"])
        return next(iter(exemplars(ask) & set(sent)), None)

    trace_id = eventually(exemplar, "an exemplar that leads to a trace of ours", 60, every_s=1.0)
    steps = steps_of(ask.whole_journey(trace_id))
    spans = sorted(spans_of(ask.storage(f"traces/{trace_id}")))

    assert (19, 10) == (len(steps), len(spans))
    for name, known in ask.stack.engine_addresses.items():
        if name == "loki":
            eventually(lambda base=known: sorted(steps_in_loki(base, trace_id)) == steps, f"{trace_id} in Loki", 20)
        else:
            eventually(lambda base=known: spans_in_tempo(base, trace_id) == spans, f"{trace_id} in Tempo", 20)


Finder = Callable[[str], bool]


def finders(ask: Ask) -> dict[str, Finder]:
    """Return, by program, what tells whether that store has a healthy request whole."""
    known = ask.stack.engine_addresses
    found: dict[str, Finder] = {
        "storage-1": lambda trace_id: any(one["complete"] for one in ask.journeys(trace_id)),
    }
    if "loki" in known:
        found["loki-1"] = lambda trace_id: len(steps_in_loki(known["loki"], trace_id)) == 19
    if "tempo" in known:
        found["tempo-1"] = lambda trace_id: len(spans_in_tempo(known["tempo"], trace_id)) == 10
    return found


def counted(ask: Ask) -> float:
    """Return how many GETs of clients Prometheus has counted at the gateway."""
    labels = 'job="carousel/gateway",http_request_method="GET",http_route=~"/api/.*"'
    found = ask.prometheus(f"sum(http_server_request_duration_seconds_count{{{labels}}})")
    return float(found[0]["value"][1]) if found else 0.0


@pytest.mark.parametrize("away", ["storage-1", "prometheus-1", "loki-1", "tempo-1"])
def test_while_one_store_is_away_the_others_stay_current_and_it_catches_up(ask: Ask, away: str) -> None:
    """Nothing sent meanwhile is missing in it afterwards; in Prometheus the counters are right, samples may gap."""
    if away.startswith(("loki", "tempo")):
        address(ask.stack, away.removesuffix("-1"))
    ask.client("GET")
    before = settled(ask, eventually(lambda: counted(ask), "the gateway's counter", 30))
    others = {name: finder for name, finder in finders(ask).items() if name != away}
    ask.stack.stop_node(away)
    with SteadyLoad(ask, clients=2, every_s=0.2) as load:
        deadline = time.monotonic() + OUTAGE_S
        while time.monotonic() < deadline:
            trace_id = ask.client("POST").headers["X-Trace-Id"]
            for name, finder in others.items():
                found = partial(finder, trace_id)
                eventually(found, f"{trace_id} in {name} while {away} is away", 15, every_s=0.5)
        ask.stack.start_node(away)
        ask.stack.wait_ready([away], 90)

    assert {200} == {answer.status_code for answer in load.answers}
    sent = [answer.headers["X-Trace-Id"] for answer in load.answers]
    if away in finders(ask):
        catches_up(finders(ask)[away], sent)
    eventually(lambda: counted(ask) - before == len(sent), f"{len(sent)} requests counted after {before}", 60)


def catches_up(finder: Finder, sent: list[str], within_s: float = 60.0) -> None:
    """Wait until *finder* has every trace of *sent*; each is asked for until it was found once."""
    missing = sent

    def look() -> bool:
        nonlocal missing
        missing = [trace_id for trace_id in missing if not finder(trace_id)]
        return not missing

    try:
        eventually(look, "what it missed", within_s, every_s=1.0)
    except AssertionError:
        raise AssertionError(f"{len(missing)} of {len(sent)} are missing for good, the first {missing[0]}") from None


def settled(ask: Ask, at_least: float) -> float:
    """Return the counter once it stands still over a collection (5 s) and more."""
    seen = [(time.monotonic(), at_least)]

    def still() -> bool:
        now = counted(ask)
        if now != seen[-1][1]:
            seen.append((time.monotonic(), now))
        return time.monotonic() - seen[-1][0] > 7

    eventually(still, "the counter to stand still", 40, every_s=0.5)
    return seen[-1][1]


def planted(trace_id: str) -> dict[str, Any]:
    """Return OTLP/JSON bodies by path with secrets in every place where a sender can put text."""
    now = str(time.time_ns())
    attributes = [
        {"key": key, "value": {"stringValue": text}}
        for key, text in {"planted.card": CARD, "planted.header": TOKEN, "planted.mail": MAIL}.items()
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "planted"}}, *attributes]}
    ids = {"traceId": trace_id, "spanId": trace_id[:16]}
    log = {
        "timeUnixNano": now,
        "body": {"stringValue": f"paid with {CARD} by {MAIL}: {TOKEN}"},
        "attributes": attributes,
    }
    span = {"name": "pay", "kind": 1, "startTimeUnixNano": now, "endTimeUnixNano": now, "attributes": attributes}
    point = {"asDouble": 1.0, "timeUnixNano": now, "attributes": attributes}
    metric = {"name": "planted.payments", "gauge": {"dataPoints": [point]}}
    return {
        "logs": {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [log | ids]}]}]},
        "traces": {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span | ids]}]}]},
        "metrics": {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]},
    }


def holding(folder: Path, texts: tuple[str, ...]) -> list[str]:
    """Return the files under *folder* that hold one of *texts*."""
    needles = [text.encode() for text in texts]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(needle in path.read_bytes() for needle in needles)]


def test_a_planted_card_number_token_and_address_are_found_in_no_store(ask: Ask) -> None:
    """Whatever sends them: answers, labels and the files of every store."""
    trace_id = os.urandom(16).hex()
    stack, known = ask.stack, ask.stack.engine_addresses
    for signal, body in planted(trace_id).items():
        url = f"{stack.config.url('collector', 'collector-http')}/v1/{signal}"
        assert requests.post(url, json=body, timeout=10).status_code == 200

    said = [
        str(eventually(lambda: ask.storage("logs", trace_id=trace_id)["logs"], "the log in storage")),
        str(eventually(lambda: ask.storage(f"traces/{trace_id}"), "the span in storage")),
        str(eventually(lambda: ask.prometheus("planted_payments"), "the metric in Prometheus", 30)),
    ]
    if "loki" in known:
        query = {"query": f'{{service_name="planted"}} | trace_id="{trace_id}"', "since": "1h"}
        url = f"{known['loki']}/loki/api/v1/query_range"
        said.append(
            str(
                eventually(lambda: requests.get(url, query, timeout=10).json()["data"]["result"], "the log in Loki", 20)
            )
        )
    if "tempo" in known:
        url = f"{known['tempo']}/api/v2/traces/{trace_id}"
        eventually(lambda: spans_in_tempo(known["tempo"], trace_id), "the span in Tempo", 20)
        said.append(requests.get(url, timeout=10).text)

    for text in said:
        assert "planted" in text
        assert [secret for secret in PLANTED if secret in text] == []
    assert holding(stack.config.data, PLANTED) == []


def test_the_collectors_own_log_lines_are_kept_like_all_others(ask: Ask) -> None:
    """It is a node of its own in storage, and Prometheus scrapes its metrics."""
    lines = eventually(lambda: ask.storage("logs", app="collector", limit=100)["logs"], "the Collector's lines", 20)

    assert {"collector-1"} == {line["nodeId"] for line in lines}
    assert any("ready" in line["message"] for line in lines)
    eventually(lambda: ask.prometheus('otelcol_exporter_sent_log_records_total{instance="collector-1"}'), "metrics", 20)
