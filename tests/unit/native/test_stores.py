"""What Loki and Tempo have of a trace, in storage's terms."""

import base64
import json

import pytest

from deploy.native import stores

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def answers(monkeypatch):
    """Answers by what the asked address contains; every address asked is kept in `asked`."""

    class Answers(dict):
        def __init__(self):
            super().__init__()
            self.asked = []

    given = Answers()

    def get(url, limit_s=2.0, headers=None):
        given.asked.append(url)
        found = next((answer for part, answer in given.items() if part in url), None)
        return (0, b"") if found is None else (200, found if isinstance(found, bytes) else json.dumps(found).encode())

    monkeypatch.setattr(stores, "get", get)
    return given


def stream(node, *steps):
    """Return streams of Loki's answer: a step of *node* at each time."""
    return [
        {"stream": {"carousel_step": step, "service_instance_id": node}, "values": [[str(time), "text"]]}
        for time, step in steps
    ]


def test_steps_of_all_streams_come_in_the_order_of_time(answers):
    """Loki answers a stream for each set of labels."""
    answers["/loki/api/v1/query_range"] = {
        "data": {"result": [*stream("gateway-1", (3, "c"), (1, "a")), *stream("service1-1", (2, "b"))]}
    }
    found = stores.steps_in_loki("http://loki", TRACE)
    assert found == [("a", "gateway-1"), ("b", "service1-1"), ("c", "gateway-1")]
    assert TRACE in answers.asked[-1]


def span(span_id, node):
    """Return a resource group with one span."""
    attribute = {"key": "service.instance.id", "value": {"stringValue": node}}
    return {"resource": {"attributes": [attribute]}, "scopeSpans": [{"spans": [{"spanId": span_id}]}]}


def test_span_ids_are_hexadecimal_whichever_way_they_come(answers):
    """Tempo writes base64, OTLP/JSON hexadecimal digits."""
    tempos = base64.b64encode(bytes.fromhex("b7ad6b7169203331")).decode()
    answers[f"/api/v2/traces/{TRACE}"] = {
        "trace": {"resourceSpans": [span(tempos, "service1-1"), span("00f067aa0ba902b7", "gateway-1")]}
    }
    found = stores.spans_in_tempo("http://tempo", TRACE)
    assert found == [("00f067aa0ba902b7", "gateway-1"), ("b7ad6b7169203331", "service1-1")]


@pytest.mark.parametrize("answer", [None, b"", b"no JSON", [], {}, {"data": {"result": [{"values": 1}]}}])
def test_a_store_that_answers_something_else_has_nothing(answers, answer):
    """It may just be starting."""
    if answer is not None:
        answers["/"] = answer
    assert stores.steps_in_loki("http://loki", TRACE) == []
    assert stores.spans_in_tempo("http://tempo", TRACE) == []
