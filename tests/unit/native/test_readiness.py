"""Waiting for programs and for the canary, against small servers that answer as programs do."""

import contextlib
import http.server
import json
import threading

import pytest

from deploy.native import canary, readiness
from deploy.native.keeper import State
from deploy.native.programs import Program
from deploy.native.readiness import NotReady


@contextlib.contextmanager
def answering(answers):
    """Serve *answers* (path without query to status and JSON) and give the base address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, shape = answers.get(self.path.partition("?")[0], (404, {}))
            body = json.dumps(shape).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class Keeper:
    """Says of itself and of its programs what the test wants."""

    def __init__(self, *, dead=False, restarts=False):
        self.dead, self.restarts, self.pid = dead, restarts, 1

    def died(self):
        return self.dead

    def states(self):
        self.pid += self.restarts
        return {"gateway-1": State("gateway-1", "RUNNING", self.pid, 0.0)}


def gateway(base):
    """Return the gateway as a program at *base*."""
    return Program("gateway-1", "gateway", ("x",), ready_url=f"{base}/readyz")


def test_a_ready_program_is_ready_after_a_moment():
    """200 is ready."""
    with answering({"/readyz": (200, {"status": "ready"})}) as base:
        assert readiness.wait_all([gateway(base)], Keeper(), 5.0)["gateway-1"] < 2


def test_why_a_program_is_not_ready_is_its_own_word():
    """503 with its reasons."""
    with answering({"/readyz": (503, {"reasons": ["service2 has no node", "and more"]})}) as base:
        assert readiness.why_not_ready(gateway(base)) == "service2 has no node; and more"
        with pytest.raises(NotReady, match=r"gateway-1 is not ready: service2 has no node.*\(waited 0 s\)"):
            readiness.wait_all([gateway(base)], Keeper(), 0.4)


def test_waiting_ends_early_when_supervisord_ended():
    """Nobody would start the programs."""
    with pytest.raises(NotReady, match="supervisord is not ready"):
        readiness.wait_all([gateway("http://127.0.0.1:9")], Keeper(dead=True), 30.0)


def test_waiting_ends_early_when_a_program_keeps_dying(monkeypatch):
    """It will not get ready by being started once more."""
    monkeypatch.setattr(readiness, "MAX_STARTS", 1)
    with pytest.raises(NotReady, match="it ended 1 times right after its start"):
        readiness.wait_all([gateway("http://127.0.0.1:9")], Keeper(restarts=True), 30.0)


TRACE = "/api/v1/traces/abc"
SPANS = {"resourceSpans": [{"scopeSpans": [{"spans": [{}] * 10}]}]}
WHOLE = {"journeys": [{"complete": True, "steps": [{}] * 19}]}
HOLED = {
    "journeys": [
        {
            "complete": False,
            "steps": [{}] * 18,
            "missing": [{"n": 12, "step": "service2.response.sent", "node": "service2-1"}],
        }
    ]
}


def lacking(answers, elsewhere=True):
    """Return what the canary lacks at a storage, Prometheus, Loki and Tempo that give *answers*."""
    with answering(answers) as base:
        seen = canary.Canary("abc", 1.0, 1.0)
        stores = canary.Stores(*([base] * 3 if elsewhere else []))
        return [*canary._lacks(base, seen), *canary._lacks_elsewhere(stores, seen)]


def test_a_canary_that_was_found_lacks_nothing():
    """Journey, spans, count; steps in Loki, spans in Tempo."""
    step = {"stream": {"carousel_step": "s", "service_instance_id": "n"}, "values": [["1", "text"]] * 19}
    span = {"scopeSpans": [{"spans": [{"spanId": "00f067aa0ba902b7"}] * 10}]}
    others = {
        "/api/v1/query": (200, {"data": {"result": [{}]}}),
        "/loki/api/v1/query_range": (200, {"data": {"result": [step]}}),
        "/api/v2/traces/abc": (200, {"trace": {"resourceSpans": [span]}}),
    }
    assert lacking({f"{TRACE}/journeys": (200, WHOLE), TRACE: (200, SPANS), **others}) == []


def test_a_canary_without_a_trace_names_where_to_look():
    """Storage answered, but has nothing."""
    words = dict(lacking({}))
    assert words["no step of it in storage (it answers 404)"] == ("storage-1", "collector-1")
    assert words["0 of 10 spans in storage"] == ("storage-1", "collector-1")
    assert words["its count in Prometheus"] == ("collector-1", "prometheus-1")
    assert words["0 of 19 steps in Loki"] == ("collector-1", "loki-1")
    assert words["0 of 10 spans in Tempo"] == ("collector-1", "tempo-1")


def test_a_hole_in_the_journey_is_named_with_its_node():
    """The journey itself knows what is missing, and at whose."""
    ((words, looks),) = lacking({f"{TRACE}/journeys": (200, HOLED), TRACE: (200, SPANS)}, elsewhere=False)
    assert words == "18 of 19 steps in its journey (12 service2.response.sent)"
    assert looks == ("service2-1",)
