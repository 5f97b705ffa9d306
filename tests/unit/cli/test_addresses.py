"""Where the stack is: option, environment, note of the running stack, default, in this order."""

import json
from pathlib import Path

import pytest

from apps.cli.addresses import checked, find, find_run_dir, read_admin_token
from apps.cli.errors import Misused


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with the note of a running stack."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".run").mkdir()
    note = {"offset": 7, "gateway": "http://127.0.0.1:8087", "storage": "http://127.0.0.1:8307"}
    (tmp_path / ".run" / "stack.json").write_text(json.dumps(note), encoding="utf-8")
    return tmp_path


def test_an_option_counts_before_everything(checkout: Path) -> None:
    """Of each part on its own."""
    found = find({"CAROUSEL_GATEWAY_URL": "http://two:2"}, checkout, gateway="http://one:1/")

    assert ("http://one:1", "--gateway") == (found.gateway.url, found.gateway.source)
    assert "http://127.0.0.1:8307" == found.storage.url


def test_the_first_of_several_gateways_is_asked(checkout: Path) -> None:
    """Service 1 takes them all from the same variable."""
    assert "http://one:1" == find({"CAROUSEL_GATEWAY_URL": "http://one:1/,http://two:2"}, checkout).gateway.url


def test_the_environment_counts_before_the_note(checkout: Path) -> None:
    """So a container can say where its stack is."""
    assert "http://two:2" == find({"CAROUSEL_STORAGE_API_URL": "http://two:2"}, checkout).storage.url


def test_the_note_is_found_from_a_folder_below(checkout: Path) -> None:
    """Upward from the current directory, to the root of the repository."""
    below = checkout / "docs" / "reference"
    below.mkdir(parents=True)

    assert "http://127.0.0.1:8087" == find({}, below).gateway.url


def test_the_search_ends_at_the_root_of_the_repository(checkout: Path) -> None:
    """A run directory above a repository belongs to somebody else."""
    inner = checkout / "other"
    (inner / ".git").mkdir(parents=True)

    assert inner / ".run" == find_run_dir({}, inner)


def test_a_note_of_another_offset_is_of_another_stack(checkout: Path) -> None:
    """Who names an offset means the stack at that offset."""
    assert "http://127.0.0.1:8280" == find({"CAROUSEL_PORT_OFFSET": "200"}, checkout).gateway.url
    assert "http://127.0.0.1:8087" == find({"CAROUSEL_PORT_OFFSET": "7"}, checkout).gateway.url


@pytest.mark.parametrize("note", ["", "{", "[]", '{"gateway": 7}'])
def test_a_note_that_cannot_be_read_is_passed_over(checkout: Path, note: str) -> None:
    """It is being written, or is not ours."""
    (checkout / ".run" / "stack.json").write_text(note, encoding="utf-8")

    assert "http://127.0.0.1:8080" == find({}, checkout).gateway.url


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://demo.example/", "https://demo.example"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_addresses_are_taken_as_people_write_them(value: str, expected: str) -> None:
    """A host with a port is enough."""
    assert expected == checked(value, "--gateway")


@pytest.mark.parametrize("value", ["ftp://x", "http://", "http://x:y", "http://x:99999", "http://x:0"])
def test_what_is_no_address_is_refused_with_its_source(value: str) -> None:
    """The message names where it came from."""
    with pytest.raises(Misused, match=r"--gateway: .* is no address"):
        checked(value, "--gateway")


def test_a_bad_offset_is_a_matter_of_usage(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(Misused, match="CAROUSEL_PORT_OFFSET"):
        find({"CAROUSEL_PORT_OFFSET": "many", "CAROUSEL_RUN_DIR": str(tmp_path)}, tmp_path)


def test_no_token_is_none(tmp_path: Path) -> None:
    """No file, or an empty one."""
    (tmp_path / "secrets").mkdir()
    assert read_admin_token(tmp_path) is None

    (tmp_path / "secrets" / "admin").write_text("\n", encoding="ascii")
    assert read_admin_token(tmp_path) is None
