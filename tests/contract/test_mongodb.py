"""What only a store behind a server has to promise: the server may go away, others use it too, a writer may die."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from apps.storage.app import create_app
from apps.storage.backends import check_url, open_store
from apps.storage.backends import mongodb_writer as writer_module
from apps.storage.backends.mongodb import MongoOptions, MongoStore
from apps.storage.backends.mongodb_server import Server
from apps.storage.backends.mongodb_writer import MongoWriter
from apps.storage.config import StorageConfig
from apps.storage.errors import StoreBusy, StoreError, StoreUnavailable
from apps.storage.model import Batch, Written
from apps.storage.query import LogQuery, MetricQuery, Order
from apps.storage.views import log_view
from apps.telemetry.setup import build
from apps.web.node import NodeConfig
from apps.web.settings import SettingError
from tests.contract.back_ends import Engines, Place, place
from tests.unit.storage.builders import NOW, SECOND, TRACE, ALog, ASpan, gauge, logs, logs_request, spans


@pytest.fixture
def where(tmp_path: Path, engines: Engines) -> Iterator[Place]:
    """A database of its own."""
    engines.mongodb()
    with place(tmp_path, engines) as lent:
        yield lent


@pytest.fixture
def url(where: Place, engines: Engines) -> str:
    """Its address."""
    return f"{engines.mongodb()}/{where.label}"


@pytest.fixture
def store(url: str) -> Iterator[MongoStore]:
    """An empty store, closed afterwards."""
    made = MongoStore(url, clock=lambda: NOW)
    yield made
    made.close()


class Wire:
    """A stretch of wire to the server at *url* that can be cut and mended; *address* is this side's end."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 27017)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        self.url = f"mongodb://127.0.0.1:{self._port}{parts.path}"
        self._is_up = True
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """Break every connection, and every new one."""
        self._is_up = False
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections through again."""
        self._is_up = True

    def close(self) -> None:
        """End for good."""
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(near)
            if not self._is_up:
                near.shutdown(socket.SHUT_RDWR)
                continue
            try:
                far = socket.create_connection(self._server)
            except OSError:
                near.shutdown(socket.SHUT_RDWR)
                continue
            self._open.append(far)
            for source, sink in ((near, far), (far, near)):
                self._threads.append(threading.Thread(target=_pump, args=(source, sink)))
                self._threads[-1].start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire(url: str) -> Iterator[Wire]:
    """A stretch of wire to the database."""
    made = Wire(url)
    yield made
    made.close()


def eventually(do: Callable[[], object], within_s: float = 20.0) -> None:
    """Do it until the store lets it be done."""
    give_up_at = time.monotonic() + within_s
    while True:
        try:
            do()
            return
        except StoreError:
            assert time.monotonic() < give_up_at
            time.sleep(0.05)


def test_server_that_goes_away_is_unavailable_and_comes_back_by_itself(wire: Wire) -> None:
    """Nothing that was acknowledged is lost; what was not is sent again, and kept once."""
    store = MongoStore(wire.url, clock=lambda: NOW)
    store.write(logs(ALog("before", "01")), timeout_s=10)
    assert store.check() is None
    wire.cut()
    during = logs(ALog("during", "02", NOW + 1))
    with pytest.raises(StoreError):
        store.write(during, timeout_s=10)
    with pytest.raises(StoreUnavailable, match="MongoDB: "):
        store.logs(LogQuery())
    assert "MongoDB" in str(store.check())
    wire.mend()
    eventually(lambda: store.write(during, timeout_s=10))
    assert ["before", "during"] == [log_view(log)["message"] for log in store.logs(LogQuery(order=Order.OLDEST_FIRST))]
    eventually(lambda: store.write(Batch(), timeout_s=10))
    assert (None, 2, 2) == (store.check(), store.stats().logs, store.nodes()[0].logs)
    store.close()


def test_store_opens_before_its_server_is_there() -> None:
    """It says why it cannot be used, within its deadlines, and closes in peace."""
    store = MongoStore("mongodb://127.0.0.1:1/carousel", options=MongoOptions(write_timeout_s=1.0, read_timeout_s=1.0))
    began = time.monotonic()
    with pytest.raises(StoreError):
        store.write(logs(ALog()), timeout_s=3)
    with pytest.raises(StoreUnavailable, match="refused"):
        store.logs(LogQuery())
    assert "127.0.0.1:1 does not answer" in str(store.check())
    store.close()
    assert time.monotonic() - began < 30


def test_client_is_told_to_come_again_while_the_server_is_away() -> None:
    """503 with Retry-After on every route, never a 500: OTLP clients drop what is answered with it."""
    store = MongoStore("mongodb://127.0.0.1:1/carousel", options=MongoOptions(write_timeout_s=1.0, read_timeout_s=0.5))
    telemetry = build(NodeConfig("storage", "storage-1").telemetry(), ships=False)
    config = StorageConfig(NodeConfig("storage", "storage-1"), write_timeout_s=3.0)
    client = create_app(config, store=store, telemetry=telemetry).test_client()
    body = logs_request(ALog()).SerializeToString()
    answers = [client.post("/v1/logs", data=body, content_type="application/x-protobuf")]
    answers += [client.get(f"/api/v1/{path}") for path in ("logs", "nodes", "metrics", "stats", f"traces/{TRACE}")]
    assert [503] * 6 == [answer.status_code for answer in answers]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    ready = client.get("/readyz")
    assert 503 == ready.status_code
    assert "does not answer" in ready.json["reasons"][0]  # type: ignore[index]
    store.close()
    for provider in (telemetry.tracer_provider, telemetry.logger_provider, telemetry.meter_provider):
        provider.shutdown()


def test_queue_is_bounded_and_nobody_waits_for_ever() -> None:
    """While the server is away one batch waits, the next is refused at once."""
    options = MongoOptions(queue_bytes=5_000, write_timeout_s=5.0)
    store = MongoStore("mongodb://127.0.0.1:1/carousel", options=options)
    first = threading.Thread(target=lambda: _refused(store, "01"))
    first.start()
    give_up_at = time.monotonic() + 5
    while not store._committer.pending_bytes() and time.monotonic() < give_up_at:
        first.join(0.005)
    with pytest.raises(StoreBusy, match="wait to be committed already"):
        store.write(logs(ALog("x" * 4_000, "02")), timeout_s=10)
    first.join()
    store.close()


def _refused(store: MongoStore, uid: str) -> None:
    with suppress(StoreError):
        store.write(logs(ALog("x" * 4_000, uid)), timeout_s=0.5)


def test_two_nodes_share_a_database(store: MongoStore, url: str) -> None:
    """Keys stay unique, a record that both are sent is kept once, totals are those of both."""
    other = MongoStore(url, clock=lambda: NOW)
    batches = [logs(*(ALog(f"{node}", f"{node}{n:031x}", NOW) for n in range(40))) for node in (1, 2)]
    shared = logs(ALog("shared", "99"))
    writers = [
        threading.Thread(target=lambda s=one, b=batch: (s.write(b, timeout_s=30), s.write(shared, timeout_s=30)))
        for one, batch in zip((store, other), batches, strict=True)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = store.logs(LogQuery(limit=1000))
    assert (81, 81) == (len(found), len({log.key for log in found}))
    assert found == other.logs(LogQuery(limit=1000))
    assert (81, 1, 81) == (store.stats().logs, store.stats().duplicates, other.nodes()[0].logs)
    other.close()


def test_new_process_finds_a_free_key_behind_a_clock_that_stands_still(url: str) -> None:
    """However many logs have that nanosecond already."""
    for turn in range(3):
        store = MongoStore(url, clock=lambda: NOW)
        store.write(logs(*(ALog(f"{turn}", f"{turn}{n:031x}", NOW) for n in range(100))), timeout_s=30)
        found = store.logs(LogQuery(limit=1000, order=Order.OLDEST_FIRST))
        store.close()
    assert list(range(NOW, NOW + 300)) == [log.key for log in found]
    assert ["0"] * 100 + ["1"] * 100 + ["2"] * 100 == [log_view(log)["message"] for log in found]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([], []),
        ([(1, 3)], [(1, 3)]),
        ([(1, 3), (2, 5), (5, 6), (8, 9)], [(1, 6), (8, 9)]),
        ([(1, 9), (2, 3)], [(1, 9)]),
    ],
)
def test_stretches_that_touch_are_one(ranges: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    """A crowded moment is looked at once."""
    assert expected == writer_module.merged(ranges)


@pytest.mark.parametrize("dies_in", ["_add_tallies", "_note_counted"])
def test_writer_that_dies_over_a_group_leaves_the_totals_right(
    url: str, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    """Its records are counted by the next one, once, though they are there without being acknowledged."""
    batch = Batch(logs(ALog("a", "01"), ALog("b", "02")).logs, spans(ASpan()).spans, gauge("g", (NOW, 1.0)).points)
    with monkeypatch.context() as patch:
        patch.setattr(MongoWriter, dies_in, _die)
        dying = MongoStore(url, clock=lambda: NOW)
        with pytest.raises(StoreUnavailable):
            dying.write(batch, timeout_s=10)
        dying.close()
    monkeypatch.setattr(writer_module, "ABANDONED_S", -1.0)
    store = MongoStore(url, clock=lambda: NOW)
    assert Written(0, 4) == store.write(batch, timeout_s=10)
    stats = store.stats()
    assert (2, 1, 1, 4) == (stats.logs, stats.spans, stats.points, stats.duplicates)
    assert [(2, 1, 1)] == [(node.logs, node.spans, node.points) for node in store.nodes()]
    store.close()


def _die(*_: object) -> None:
    raise RuntimeError("died")


def test_writer_that_fails_over_a_group_counts_it_with_the_next(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same process goes on after the server was away."""
    with monkeypatch.context() as patch:
        patch.setattr(MongoWriter, "_add_tallies", _die)
        with pytest.raises(StoreUnavailable):
            store.write(logs(ALog("a", "01")), timeout_s=10)
    assert Written(1, 1) == store.write(logs(ALog("a", "01"), ALog("b", "02")), timeout_s=10)
    assert (2, 1) == (store.stats().logs, store.stats().duplicates)


def test_message_longer_than_a_document_is_kept_whole(url: str) -> None:
    """A document has 16 MiB; a record that could never be kept would be sent again for ever."""
    store = MongoStore(url, options=MongoOptions(write_timeout_s=60.0, read_timeout_s=60.0), clock=lambda: NOW)
    long = "x" * (20 * 1024 * 1024)
    store.write(logs(ALog(long, "01"), ALog("short", "02", NOW + 1)), timeout_s=60)
    assert ["short", long] == [log_view(log)["message"] for log in store.logs(LogQuery())]
    store.close()


def test_old_records_are_dropped_where_an_age_is_set(url: str) -> None:
    """By the time they came; totals stay."""
    store = MongoStore(url, options=MongoOptions(age_s=0.01), clock=lambda: NOW)
    store.write(logs(ALog("a", "01")), timeout_s=10)
    store.write(spans(ASpan()), timeout_s=10)
    time.sleep(0.05)
    store.purge()
    assert ([], []) == (store.logs(LogQuery()), store.spans(bytes.fromhex(TRACE)))
    assert (1, 1) == (store.stats().logs, store.stats().spans)
    store.close()


def test_old_points_are_dropped(url: str) -> None:
    """What makes an idle stack grow for ever is its metrics."""
    now = [NOW]
    store = MongoStore(url, clock=lambda: now[0], metrics_age_s=60)
    store.write(gauge("g", (NOW, 1.0)), timeout_s=10)
    now[0] = NOW + 120 * SECOND
    store.purge()
    assert (1, 0) == (store.stats().points, store.stats().points_held)
    assert [] == store.latest_points(MetricQuery())
    store.write(gauge("g", (NOW + 119 * SECOND, 2.0), arrival=now[0]), timeout_s=10)
    assert 1 == len(store.latest_points(MetricQuery()))
    store.close()


def test_database_of_another_version_is_left_alone(url: str) -> None:
    """It is named and refused, not changed."""
    server = Server(url)
    server.durable("meta").insert_one({"_id": "schema", "version": 99})
    server.close()
    store = MongoStore(url)
    with pytest.raises(StoreUnavailable, match=r"version 1 \(it says 99\)"):
        store.write(logs(ALog()), timeout_s=10)
    store.close()


BAD = (
    "mongodb://", "mongodb://x", "mongodb://x/", "mongodb://u:p@x", "mongodb+srv://x/y", "mongodb://x:0/y",
)  # fmt: skip


@pytest.mark.parametrize("url", BAD)
def test_address_that_will_not_do_is_refused(url: str) -> None:
    """One line with variable and form."""
    with pytest.raises(SettingError, match=r"CAROUSEL_STORAGE_URL=.*mongodb://host"):
        open_store(url)


def test_option_that_cannot_be_met_is_one_line() -> None:
    """A certificate that is not there, say: the line names the variable and the file."""
    with pytest.raises(SettingError, match=r"CAROUSEL_STORAGE_URL=.*nowhere/ca\.pem"):
        open_store("mongodb://host/carousel?tls=true&tlsCAFile=/nowhere/ca.pem")


def test_password_is_not_shown() -> None:
    """Neither by a bad address nor by the settings."""
    with pytest.raises(SettingError) as caught:
        check_url("mongodb://me:s3cret@host")
    assert "s3cret" not in str(caught.value)
    config = StorageConfig.from_env({"CAROUSEL_STORAGE_URL": "mongodb://me:s3cret@host/carousel"})
    assert "s3cret" in config.url
    assert "s3cret" not in repr(config)
