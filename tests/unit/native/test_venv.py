"""The environment's stamp: what makes it fit, and what makes it be made anew."""

import importlib
import json
import sys

import pytest

from deploy.native import bootstrap, venv


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty place for an environment, with a lock of its own."""
    for name in ("HOME", "PYTHON", "STAMP"):
        monkeypatch.setattr(venv, name, tmp_path / {"HOME": ".", "PYTHON": "python", "STAMP": "stamp"}[name])
    lock = tmp_path / "run.txt"
    lock.write_text("flask==3\n")
    monkeypatch.setattr(venv, "LOCKS", {"run": lock, "dev": lock})
    return tmp_path


def stamp(place, **kinds):
    """Write the stamp of an environment that was made for *kinds*."""
    (place / "python").touch()
    (place / "stamp").write_text(json.dumps(kinds))


def test_nothing_there_fits_nothing(place):
    """A fresh clone."""
    assert not venv.fits("run")


def test_an_environment_fits_what_it_was_made_for(place):
    """The second start costs a file read."""
    stamp(place, run=venv.wanted("run"))
    assert venv.fits("run")
    assert not venv.fits("dev")


def test_a_changed_lock_makes_it_anew(place):
    """So does another place, another Python, another project."""
    stamp(place, run=venv.wanted("run"))
    (place / "run.txt").write_text("flask==4\n")
    assert not venv.fits("run")


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_half_a_stamp_is_none(place, text):
    """An interrupted first run is done again."""
    (place / "python").touch()
    (place / "stamp").write_text(text)
    assert not venv.fits("run")


def test_an_environment_without_its_python_is_none(place):
    """The system's Python was upgraded away under it."""
    stamp(place, run=venv.wanted("run"))
    (place / "python").unlink()
    assert not venv.fits("run")


def test_an_old_python_without_a_newer_one_is_told_what_to_install(monkeypatch, capsys):
    """For each system, and with the version it has."""
    monkeypatch.setattr(bootstrap, "newer_python", lambda: None)
    with pytest.raises(SystemExit) as caught:
        bootstrap.refuse_old_python()
    words = capsys.readouterr().err
    assert caught.value.code == 1
    assert all(name in words for name in ("Debian", "Fedora", "macOS", "WSL", "3.11 or newer"))


def test_a_newer_python_on_the_path_is_found(tmp_path, monkeypatch):
    """The newest first."""
    for name in ("python3.11", "python3.13"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.newer_python() == str(tmp_path / "python3.13")


def test_importing_the_bootstrap_changes_no_search_path():
    """Only running it does."""
    before = list(sys.path)
    importlib.reload(bootstrap)
    assert sys.path == before
