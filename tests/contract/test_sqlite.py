"""What only a store in a file can promise: it is durable, has one writer, and says so when the disk refuses."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from apps.storage.backends import open_store
from apps.storage.backends.sqlite import SqliteOptions, SqliteStore
from apps.storage.errors import StoreBusy, StoreInUse, StoreUnavailable
from apps.storage.model import Batch
from apps.storage.query import LogQuery, MetricQuery
from apps.web.settings import SettingError
from tests.unit.storage.builders import NOW, SECOND, ALog, gauge, logs

OPTIONS = SqliteOptions(busy_ms=50)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "deep" / "storage.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """An empty store, closed afterwards."""
    made = SqliteStore(path, options=OPTIONS, clock=lambda: NOW)
    yield made
    made.close()


def test_second_process_is_refused_by_name(store: SqliteStore, path: Path) -> None:
    """A store has one writer; the message names who holds it."""
    with pytest.raises(StoreInUse, match=f"process {os.getpid()}"):
        SqliteStore(path)


def test_file_is_private_and_its_folder_is_made(store: SqliteStore, path: Path) -> None:
    """Logs are nobody else's business."""
    store.write(logs(ALog()), timeout_s=5)
    modes = {stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()}
    assert {0o600} == modes


@pytest.mark.parametrize("content", [b"not a database at all, just some text" * 40, b"\0" * 100])
def test_file_that_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    """It is named and refused, not overwritten."""
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable):
        SqliteStore(path)
    assert content == path.read_bytes()


def test_database_of_somebody_else_is_left_alone(path: Path) -> None:
    """Its tables are not ours."""
    path.parent.mkdir()
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(StoreUnavailable, match="no storage file"):
        SqliteStore(path)


def test_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable):
        SqliteStore(tmp_path / "file" / "storage.db")


@pytest.mark.parametrize("url", ["", "sqlite:///relative.db", "sqlite:////dir/", "postgres://x", "mongodb://x"])
def test_unknown_address_is_refused_with_what_is_expected(url: str) -> None:
    """The error names key, value and form."""
    with pytest.raises(SettingError, match=r"CAROUSEL_STORAGE_URL=.*expected sqlite:////"):
        open_store(url)


def test_locked_file_refuses_writes_while_reads_go_on(store: SqliteStore, path: Path) -> None:
    """Then it is ready again by itself."""
    store.write(logs(ALog("before", "01")), timeout_s=5)
    other = apsw.Connection(str(path))
    # The store's own writer may be tidying up after its commit.
    other.set_busy_timeout(5_000)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="Busy"):
        store.write(logs(ALog("during", "02")), timeout_s=5)
    assert 1 == len(store.logs(LogQuery()))
    assert "Busy" in (store.check() or "")
    other.execute("ROLLBACK")
    other.close()
    store.write(logs(ALog("during", "02")), timeout_s=5)
    assert (None, 2) == (store.check(), len(store.logs(LogQuery())))


def test_full_disk_refuses_the_batch_and_keeps_what_was_there(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk; no part of the refused batch is seen."""
    program = """
import resource, signal, sys
from pathlib import Path
from apps.storage.backends.sqlite import SqliteStore
from apps.storage.errors import StoreUnavailable
from apps.storage.query import LogQuery
from tests.unit.storage.builders import ALog, logs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = SqliteStore(Path(sys.argv[1]))
store.write(logs(ALog("before", "01")), timeout_s=5)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
try:
    store.write(logs(*(ALog("x" * 1000, f"{n:032x}") for n in range(2000))), timeout_s=5)
except StoreUnavailable:
    print("refused", len(store.logs(LogQuery())))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.write(logs(ALog("after", "02")), timeout_s=5)
print("again", len(store.logs(LogQuery())))
store.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "storage.db")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "refused 1\nagain 2\n" == done.stdout, done.stderr


def test_full_queue_and_slow_commit_are_busy(path: Path) -> None:
    """While another program holds the file one batch waits, the next finds the queue full; nobody waits for ever."""
    store = SqliteStore(path, options=SqliteOptions(busy_ms=3_000, queue_bytes=5_000))
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    answers: list[str] = []

    def write_first() -> None:
        with pytest.raises(StoreBusy) as caught:
            store.write(logs(ALog("x" * 2_000, "01")), timeout_s=1)
        answers.append(str(caught.value))

    first = threading.Thread(target=write_first)
    first.start()
    deadline = time.monotonic() + 5
    while not store.pending_bytes() and time.monotonic() < deadline:
        first.join(0.005)
    with pytest.raises(StoreBusy, match="wait to be committed already"):
        store.write(logs(ALog("x" * 2_000, "02")), timeout_s=10)
    first.join()
    other.execute("ROLLBACK")
    other.close()
    store.close()
    assert ["no commit within 1 s"] == answers


def test_old_points_are_dropped_from_the_file(path: Path) -> None:
    """What makes an idle stack grow for ever is its metrics; they go when they are old, and their series with them."""
    now = [NOW]
    store = SqliteStore(path, clock=lambda: now[0], metrics_age_s=60)
    store.write(gauge("g", (NOW, 1.0)), timeout_s=5)
    now[0] = NOW + 120 * SECOND
    store.purge()
    assert (1, 0) == (store.stats().points, store.stats().points_held)
    assert [] == store.latest_points(MetricQuery())
    store.write(gauge("g", (NOW + 119 * SECOND, 2.0), arrival=now[0]), timeout_s=5)
    assert 1 == len(store.latest_points(MetricQuery()))
    store.close()


def test_bug_in_one_commit_leaves_the_store_able(store: SqliteStore) -> None:
    """A batch that cannot be written is unavailable, not a dead writer."""
    odd = logs(ALog("odd", "03")).logs[0]
    object.__setattr__(odd, "raw", ["not bytes"])
    with pytest.raises(StoreUnavailable):
        store.write(Batch(logs=(odd,)), timeout_s=5)
    store.write(logs(ALog("fine", "01")), timeout_s=5)
    assert 1 == len(store.logs(LogQuery()))


CHILD = """
import sys
from pathlib import Path
from apps.storage.backends.sqlite import SqliteStore
from tests.unit.storage.builders import NOW, ALog, logs
store = SqliteStore(Path(sys.argv[1]))
for turn in range(100_000):
    store.write(logs(*(ALog(f"t{turn}", f"{turn:016x}{n:016x}", NOW + turn) for n in range(20))), timeout_s=10)
    print(turn, flush=True)
"""


def test_acknowledged_records_survive_kill_9(tmp_path: Path) -> None:
    """Killed amid its commits, three times over: what was acknowledged is there once, each batch whole."""
    path = tmp_path / "storage.db"
    for turns in (3, 40, 11):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True, bufsize=1)
        assert child.stdout is not None
        acknowledged = -1
        for line in child.stdout:
            acknowledged = int(line)
            if acknowledged >= turns:
                child.send_signal(signal.SIGKILL)
                break
        acknowledged = max([acknowledged, *(int(line) for line in child.stdout if line.endswith("\n"))])
        child.stdout.close()
        child.wait(10)
        store = SqliteStore(path)
        counts = {turn: len(store.logs(LogQuery(words=frozenset({f"t{turn}"})))) for turn in range(acknowledged + 2)}
        store.close()
        assert {20} == {counts[turn] for turn in range(acknowledged + 1)}
        assert counts[acknowledged + 1] in (0, 20)
