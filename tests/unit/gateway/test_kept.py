"""The state file: written whole, and no reason not to start."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.kept import MAX_BYTES, Kept, StateFile
from apps.gateway.membership import Orders

KEPT = Kept({"service1": Orders(("a:1",), ("b:1",), ("c:1",))}, {"service2": "slow=0.1"})


def test_what_is_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    """Rings and bugs, in one file, whichever was ordered last."""
    path = tmp_path / "state" / "gateway-1.json"
    state = StateFile(path)
    state.keep_rings(KEPT.rings)
    state.keep_bugs(KEPT.bugs)

    assert KEPT == StateFile(path).load()
    assert [path] == list(path.parent.iterdir())


def test_what_was_kept_before_is_not_lost_with_the_next_order(tmp_path: Path) -> None:
    """The file is always whole."""
    path = tmp_path / "gateway-1.json"
    StateFile(path).save(KEPT)
    state = StateFile(path)
    state.load()
    state.keep_bugs({})

    assert Kept(KEPT.rings, {}) == StateFile(path).load()


def test_without_a_file_nothing_is_kept_and_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The first start is no trouble."""
    assert Kept() == StateFile(tmp_path / "none.json").load()
    assert [] == caplog.messages


@pytest.mark.parametrize("text", [
    b"", b"{", b'{"version": 1, "rings": {"service1"', b"[]", b'{"version": 2}', b'{"version": 1, "rings": []}',
    b'{"version": 1, "rings": {"service1": {"added": ["nonsense"]}}}',
    b'{"version": 1, "rings": {"service1": {"added": [7]}}}',
    b'{"version": 1, "bugs": {"service2": 7}}', b"\xff\xfe", b"[" * 100_000, b" " * (MAX_BYTES + 1),
])  # fmt: skip
def test_a_file_that_cannot_be_read_is_told_and_gone_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: bytes
) -> None:
    """Corrupt, half-written or of another kind: a gateway starts all the same."""
    path = tmp_path / "gateway-1.json"
    path.write_bytes(text)

    assert Kept() == StateFile(path).load()

    (message,) = caplog.messages
    assert f"{path} cannot be read, so the gateway starts without what it kept" in message


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And again only when it had worked in between. (A file in the folder's place refuses root as well.)"""
    in_the_way = tmp_path / "state"
    in_the_way.write_text("")
    state = StateFile(in_the_way / "gateway-1.json")

    assert [False, False] == [state.save(KEPT), state.save(KEPT)]
    assert 1 == len(caplog.messages)
    assert "cannot be written, so a restart will forget orders" in caplog.messages[0]
    in_the_way.unlink()
    assert state.save(KEPT)


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """Nobody ever sees half of one."""
    path = tmp_path / "gateway-1.json"
    state = StateFile(path)
    state.save(KEPT)
    path.unlink()
    path.mkdir()

    assert not state.save(Kept())
    assert [path] == list(tmp_path.iterdir())


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(
    st.sampled_from(["version", "rings", "bugs", "service1", "added"]), one), max_leaves=8))  # fmt: skip
def test_any_json_is_read_or_gone_without(tmp_path_factory: pytest.TempPathFactory, shape: object) -> None:
    """Never an error."""
    path = tmp_path_factory.mktemp("kept") / "gateway-1.json"
    path.write_text(json.dumps(shape))

    assert isinstance(StateFile(path).load(), Kept)
