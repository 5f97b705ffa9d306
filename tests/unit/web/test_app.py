"""What every app serves alike: problem details and health."""

import logging
from collections.abc import Iterator

import pytest
from flask import Flask, Response, abort
from flask.testing import FlaskClient

from apps.web.app import base_app
from apps.web.leaving import leaving_of
from apps.web.node import NodeConfig
from apps.web.problem import problem
from tests.fakes import telemetry_of

reasons: list[str | None] = []


@pytest.fixture
def app() -> Iterator[Flask]:
    """An app with two checks, whose reasons are in *reasons*, and routes that fail."""
    telemetry = telemetry_of("thing")
    reasons[:] = [None, None]
    app = base_app(
        "thing", NodeConfig("thing", "thing-7"), telemetry, checks=[lambda: reasons[0], lambda: reasons[1]]
    )  # fmt: skip

    @app.get("/bug")
    def bug() -> Response:
        raise KeyError("secret inside")

    @app.get("/teapot")
    def teapot() -> Response:
        abort(418)

    @app.get("/unknown/<int:status>")
    def unknown(status: int) -> Response:
        return problem(status, "Because.", errorNode="thing-7", nothing=None)

    yield app
    telemetry.meter_provider.shutdown()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the app."""
    return app.test_client()


@pytest.mark.parametrize(("path", "status", "title"), [
    ("/nowhere", 404, "Not Found"), ("/teapot", 418, "I'm a Teapot"), ("/bug", 500, "Internal Server Error"),
])  # fmt: skip
def test_every_error_is_a_problem(client: FlaskClient, path: str, status: int, title: str) -> None:
    """RFC 9457, also those of the framework, with the trace that holds the cause."""
    answer = client.get(path)

    assert (status, "application/problem+json") == (answer.status_code, answer.content_type)
    shape = answer.get_json(force=True)
    assert ("about:blank", title, status, 32) == (shape["type"], shape["title"], shape["status"], len(shape["traceId"]))


def test_a_bug_of_ours_is_logged_and_not_shown(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """Its cause is for the log."""
    with caplog.at_level(logging.ERROR):
        answer = client.get("/bug")

    assert b"secret inside" not in answer.data
    assert [KeyError] == [record.exc_info[0] for record in caplog.records if record.exc_info]


def test_a_problem_keeps_the_fields_that_belong_to_it(client: FlaskClient) -> None:
    """405 says which methods there are."""
    assert "GET" in client.post("/teapot").headers["Allow"]


@pytest.mark.parametrize(("status", "title"), [
    (502, "Bad Gateway"), (599, "Internal Server Error"), (499, "Bad Request"), (421, "Misdirected Request"),
])  # fmt: skip
def test_a_status_has_the_title_of_its_phrase_or_its_class(client: FlaskClient, status: int, title: str) -> None:
    """RFC 9110 §15: an unknown code is read as the x00 of its class."""
    shape = client.get(f"/unknown/{status}").get_json(force=True)

    assert (status, title, "thing-7") == (shape["status"], shape["title"], shape["errorNode"])
    assert "nothing" not in shape


def test_a_node_that_is_alive_says_so(client: FlaskClient) -> None:
    """/healthz."""
    assert (200, {"status": "alive"}) == ((answer := client.get("/healthz")).status_code, answer.json)


def test_a_ready_node_names_itself(client: FlaskClient) -> None:
    """The gateway links it under that name."""
    answer = client.get("/readyz")

    assert (200, {"status": "ready", "service": "thing", "node": "thing-7"}) == (answer.status_code, answer.json)


def test_a_node_that_is_not_ready_says_why(client: FlaskClient) -> None:
    """Every reason there is, and still its name."""
    reasons[:] = ["no disk", "no time"]

    answer = client.get("/readyz")

    assert (503, {"status": "not ready", "service": "thing", "node": "thing-7", "reasons": ["no disk", "no time"]}) == (
        answer.status_code,
        answer.json,
    )


def test_metrics_speak_the_form_that_is_asked_for(client: FlaskClient) -> None:
    """The Prometheus text format, or OpenMetrics."""
    plain = client.get("/metrics")
    modern = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert ("text/plain", "application/openmetrics-text") == (plain.mimetype, modern.mimetype)
    assert modern.data.endswith(b"# EOF\n")


@pytest.mark.parametrize(("handed_over", "status", "word"), [(False, 503, "draining"), (True, 200, "ready")])
def test_a_node_that_leaves_is_not_ready_unless_another_process_took_over(
    app: Flask, client: FlaskClient, handed_over: bool, status: int, word: str
) -> None:
    """And says that it drains, whatever else would be wrong with it; streams can wait for either."""
    leaving = leaving_of(app)
    assert (False, False) == (leaving.has_begun, leaving.wait(0.0))
    leaving.begin(handed_over=handed_over)
    reasons[0] = None if handed_over else "the ring is empty"

    answer = client.get("/readyz")

    assert (status, word, "thing-7") == (answer.status_code, answer.get_json()["status"], answer.get_json()["node"])
    assert (None if handed_over else ["draining"]) == answer.get_json().get("reasons")
    assert (True, True, not handed_over) == (leaving.has_begun, leaving.wait(0.0), leaving.is_draining)
