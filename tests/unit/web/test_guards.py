"""What an app refuses before it looks at a request."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, Response, jsonify
from flask.testing import FlaskClient

from apps.web.app import base_app
from apps.web.guards import AllowedHosts, bears, host_name, read_token, unauthorized
from apps.web.node import NodeConfig
from apps.web.settings import SettingError
from tests.fakes import telemetry_of


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    """A client of an app with one route that asks for a token, and one that does not."""
    telemetry = telemetry_of("thing")
    app = base_app(
        "thing", NodeConfig("thing", "thing-1", allowed_hosts=("Localhost", "[::1]", "thing.example")), telemetry
    )
    _add_routes(app)
    with app.test_client() as client:
        yield client
    telemetry.meter_provider.shutdown()


def _add_routes(app: Flask) -> None:
    @app.route("/open", methods=["GET", "POST"])
    def everyone() -> Response:
        return jsonify({})

    @app.get("/closed")
    def some() -> Response:
        return jsonify({}) if bears("one", "two") else unauthorized()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "[::1]", "[::1]:8080", "thing.example:1"])
def test_a_host_it_was_configured_with_is_answered(client: FlaskClient, host: str) -> None:
    """At any port, in any case of letters."""
    assert 200 == client.get("/open", headers={"Host": host}).status_code


@pytest.mark.parametrize("host", [
    "evil.example", "localhost.evil.example", "127.0.0.1", "[::2]", "[::1", "localhost@evil.example", "thing.example.",
    "8080",
])  # fmt: skip
def test_a_host_it_does_not_know_is_421(client: FlaskClient, host: str) -> None:
    """A page in a browser can have its name resolve to loopback, but cannot forge the name."""
    answer = client.get("/open", headers={"Host": host})

    assert (421, "application/problem+json") == (answer.status_code, answer.content_type)
    assert "[::1], localhost, thing.example" in answer.json["detail"]  # type: ignore[index]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nowhere"])
def test_a_foreign_host_gets_nothing_at_all(client: FlaskClient, path: str) -> None:
    """Not even health, nor whether there is such a page."""
    assert 421 == client.get(path, headers={"Host": "evil.example"}).status_code


@pytest.mark.parametrize("form", ["application/json", "application/json; charset=utf-8", "application/x-protobuf"])
def test_a_body_of_a_known_form_is_taken(client: FlaskClient, form: str) -> None:
    """Parameters of the type do not matter."""
    assert 200 == client.post("/open", data=b"{}", content_type=form).status_code


@pytest.mark.parametrize("form", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_a_body_of_any_other_form_is_415(client: FlaskClient, form: str | None) -> None:
    """Those a page can send without asking first."""
    answer = client.post("/open", data=b"{}", content_type=form)

    assert (415, "application/problem+json") == (answer.status_code, answer.content_type)
    assert "expected application/json or application/x-protobuf" in answer.json["detail"]  # type: ignore[index]


def test_a_request_without_a_body_needs_no_form(client: FlaskClient) -> None:
    """A POST too."""
    assert 200 == client.post("/open", content_type="text/plain").status_code


def test_a_body_in_chunks_has_a_form_too(client: FlaskClient) -> None:
    """It has no length, but it is one."""
    answer = client.post("/open", headers={"Transfer-Encoding": "chunked"}, content_type="text/plain")

    assert 415 == answer.status_code


@pytest.mark.parametrize(("authorization", "status"), [
    ("Bearer one", 200), ("bearer two", 200), ("Bearer  one ", 200), ("Bearer three", 401), ("Bearer", 401),
    ("Bearer ", 401), ("one", 401), ("Basic one", 401), ("Bearer onetwo", 401), ("Bearer ein\xdf", 401), (None, 401),
])  # fmt: skip
def test_a_token_opens_what_asks_for_one(client: FlaskClient, authorization: str | None, status: int) -> None:
    """One of several, as a bearer token (RFC 6750)."""
    answer = client.get("/closed", headers={"Authorization": authorization} if authorization else {})

    assert status == answer.status_code
    assert (status == 401) == ("WWW-Authenticate" in answer.headers)


@pytest.mark.parametrize(("field", "name"), [
    ("localhost", "localhost"), ("LocalHost:80", "localhost"), ("127.0.0.1:8080", "127.0.0.1"), ("[::1]:80", "[::1]"),
    ("[::1]", "[::1]"), ("[::1", ""), ("", ""), (":80", ""),
])  # fmt: skip
def test_the_name_in_a_host_field_is_without_its_port(field: str, name: str) -> None:
    """RFC 9110 §7.2."""
    assert name == host_name(field)


def test_a_token_is_read_without_the_blanks_around_it(tmp_path: Path) -> None:
    """An editor adds a line break."""
    (tmp_path / "token").write_text(" abc\n")

    assert "abc" == read_token(tmp_path / "token")


@pytest.mark.parametrize(("content", "hint"), [
    (None, "a readable file with a token (No such file or directory)"), (b" \n", "not an empty one"),
    ("tökén".encode(), "ASCII"),
])  # fmt: skip
def test_a_token_file_that_will_not_do_is_named(tmp_path: Path, content: bytes | None, hint: str) -> None:
    """And what is wrong with it is said."""
    if content is not None:
        (tmp_path / "token").write_bytes(content)

    with pytest.raises(SettingError) as error:
        read_token(tmp_path / "token")

    assert str(tmp_path / "token") in str(error.value)
    assert hint in str(error.value)


@pytest.mark.parametrize(("name", "allowed"), [
    ("172.18.0.5", True), ("172.32.0.1", False), ("[fd00::7]", True), ("[fe80::7]", False), ("fd00::7", True),
    ("gateway", True), ("172.18.0.5.evil.example", False), ("[172.18.0.5", False), ("", False),
])  # fmt: skip
def test_a_network_stands_for_its_addresses_only(name: str, allowed: bool) -> None:
    """A name is never in a network, so rebinding one gains nothing."""
    assert allowed is (name in AllowedHosts(["Gateway", "172.16.0.0/12", "fd00::/8"]))
