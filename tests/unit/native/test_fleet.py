"""Nodes that come and go, with gateways and a supervisor that only remember."""

import json
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest

from deploy.native import files, state
from deploy.native import fleet as fleets
from deploy.native.admin import Gateway
from deploy.native.config import StackConfig
from deploy.native.fleet import Fleet, FleetError
from deploy.native.keeper import KeeperError, State
from deploy.native.plan import Misused
from deploy.native.programs import Engines, address_of, listed
from deploy.native.readiness import NotReady
from deploy.native.restarting import chosen
from deploy.native.running import NothingRuns, running
from deploy.native.scaling import main, scale
from tests.fakes import free_port


@dataclass
class FakeGateway:
    """The admin API over rings in memory: a new member is linked at once, a drained one has worked off after a look."""

    port: int
    rings: dict[str, dict[str, dict[str, object]]] = field(default_factory=lambda: {"service1": {}, "service2": {}})
    bugs: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    refuses: str = ""
    links: bool = True
    never_works_off: bool = False

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        """Return status and body."""
        self.said.append(f"{method} {path}")
        if self.refuses and self.refuses in f"{method} {path}":
            return 409, {"status": 409, "detail": "it is full"}
        if path == "/admin/rings":
            return 200, {"gateway": "g", "rings": [self._ring(service) for service in self.rings]}
        if path.startswith("/admin/bugs"):
            return self._bugs(method, path, body)
        _, _, _, service, _, *rest = path.split("/")
        ring = self.rings[service]
        if not rest:
            address = json.loads(body)["address"]
            before = ring.get(address)
            ring[address] = self._member(address, "linked" if self.links else "joining")
            return (200 if before else 201), ring[address]
        address = unquote(rest[0])
        if address not in ring:
            return 404, {"status": 404, "detail": "no such member"}
        if rest[1:] == ["drain"]:
            ring[address] |= {"state": "draining", "inFlight": 2}
            return 200, ring[address]
        del ring[address]
        return 204, None

    def _bugs(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        if method == "PUT":
            self.bugs[path.rpartition("/")[2]] = json.loads(body)["rates"]
        return 200, {"orders": [{"target": target, "rates": rates} for target, rates in self.bugs.items()]}

    def _ring(self, service: str) -> dict[str, object]:
        members = [dict(one) for one in self.rings[service].values()]
        for one in self.rings[service].values():
            if one["state"] == "draining" and not self.never_works_off:
                one |= {"state": "drained", "inFlight": 0}
        return {"service": service, "members": members}

    def _member(self, address: str, state: str) -> dict[str, object]:
        return {"address": address, "state": state, "reason": None, "inFlight": 0}


class FakeKeeper:
    """A supervisord that starts whatever it is told to. *events* holds what happened, in order."""

    def __init__(self, programs, events):
        self.pids = {program.name: number for number, program in enumerate(programs, 100)}
        self.events = events
        self.refuses = ""

    def pid(self):
        return 1

    def died(self):
        return False

    def states(self):
        return {name: State(name, "RUNNING", pid, 0.0) for name, pid in self.pids.items()}

    def add(self, names):
        for name in names:
            if name == self.refuses:
                raise KeeperError(f"supervisord refuses {name}")
            self.pids[name] = 1000 + len(self.events)
            self.events.append(f"start {name}")

    def remove(self, names, limit_s):
        for name in names:
            if self.pids.pop(name, None):
                self.events.append(f"stop {name}")

    def signal(self, name, signal_name):
        self.events.append(f"{signal_name} {name}")


@dataclass
class World:
    """A running stack that is none."""

    fleet: Fleet
    keeper: FakeKeeper
    gateways: list[FakeGateway]
    told: list[str]
    config: StackConfig

    @property
    def events(self) -> list[str]:
        """What the supervisor was told."""
        return self.keeper.events

    def linked(self, service: str) -> list[set[str]]:
        """Return the ports that get requests at each gateway, moved back."""
        return [
            {address for address, one in gateway.rings[service].items() if one["state"] == "linked"}
            for gateway in self.gateways
        ]

    def note(self) -> dict[str, object]:
        """Return stack.json."""
        return state.read_note(self.config)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Make a stack with as many gateways as asked for; replicas are ready as soon as they are started."""
    with ExitStack() as ends:

        def make(gateways=1, replicas=2):
            ports = [free_port() for _ in range(gateways)]
            config = StackConfig.from_env({
                "CAROUSEL_RUN_DIR": str(tmp_path), "CAROUSEL_GATEWAY_REPLICAS": str(gateways),
                "CAROUSEL_SERVICE1_REPLICAS": str(replicas), "CAROUSEL_SERVICE2_REPLICAS": str(replicas),
            })  # fmt: skip
            programs = listed(config, Engines(Path("/c"), Path("/p"), "http://127.0.0.1:9090"))
            fakes = [ends.enter_context(serving(FakeGateway(port))) for port in ports]
            (tmp_path / "secrets").mkdir()
            (tmp_path / "secrets" / "admin").write_text("token")
            files.lay(config, programs)
            events: list[str] = []
            keeper = FakeKeeper(programs, events)
            told: list[str] = []
            fleet = Fleet(config, keeper, told.append)
            monkeypatch.setattr(
                Fleet, "gateways", lambda _: [Gateway(f"http://127.0.0.1:{port}", "token", 0.0) for port in ports]
            )
            monkeypatch.setattr(fleets.readiness, "wait_all", lambda nodes, *_: {node.name: 0.5 for node in nodes})
            monkeypatch.setattr(fleets.listeners, "taken", lambda *_: [])
            for fake in fakes:
                for program in programs:
                    if program.service in fake.rings:
                        fake.answer("POST", f"/admin/rings/{program.service}/members", body_of(program))
            return World(fleet, keeper, fakes, told, config)

        yield make


def body_of(program):
    """Return what adds *program* to a ring."""
    return json.dumps({"address": address_of(program)}).encode()


@contextmanager
def serving(fake):
    """Let *fake* answer on its port in the block."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self):
            assert self.headers["Authorization"] == "Bearer token"
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, shape = fake.answer(self.command, self.path, body)
            data = b"" if shape is None else json.dumps(shape).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _do

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", fake.port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()


def test_up_starts_links_everywhere_and_writes_it_down(world):
    """Programs, stack.json and pids are those that run now."""
    there = world(gateways=2)
    assert scale(there.fleet, {"service1": 4}) == "service1: 2 → 4"
    assert there.events == ["start service1-3", "start service1-4"]
    assert there.linked("service1") == [{f"127.0.0.1:{8100 + n}" for n in (1, 2, 3, 4)}] * 2
    assert {"service1-3", "service1-4"} <= set(there.note()["nodes"])
    assert {one.name for one in state.read_programs(there.config)} >= {"service1-3", "service1-4"}
    conf = (there.config.run_dir / "supervisord.conf").read_text()
    assert "[program:service1-4]" in conf
    assert "service1-3 came at 127.0.0.1:8103: ready after 0.5 s, in every ring" in there.told


def test_down_drains_everywhere_before_it_stops_and_forgets_afterwards(world):
    """A node is stopped when no gateway has anything in flight there."""
    there = world(gateways=2)
    fakes = there.gateways

    def remove(names, limit_s, before=there.keeper.remove):
        for fake in fakes:
            assert fake.rings["service2"]["127.0.0.1:8202"]["inFlight"] == 0
        before(names, limit_s)

    there.keeper.remove = remove
    assert scale(there.fleet, {"service2": 1}) == "service2: 2 → 1"
    assert there.events == ["stop service2-2"]
    assert [set(fake.rings["service2"]) for fake in fakes] == [{"127.0.0.1:8201"}] * 2
    assert "service2-2" not in there.note()["nodes"]
    assert "[program:service2-2]" not in (there.config.run_dir / "supervisord.conf").read_text()


def test_a_node_that_does_not_work_off_goes_all_the_same_and_it_is_said(world, monkeypatch):
    """The wait has an end."""
    monkeypatch.setattr(fleets, "WORK_OFF_LIMIT_S", 0.1)
    there = world()
    there.gateways[0].never_works_off = True
    scale(there.fleet, {"service1": 1})
    assert "service1-2 went, with 2 still in flight" in there.told


def test_nothing_to_do_does_nothing(world):
    """And says that it is as before."""
    there = world()
    assert scale(there.fleet, {"service1": 2}) == "service1: 2 as before"
    assert there.events == []


def test_nodes_that_do_not_get_ready_are_taken_back(world, monkeypatch):
    """All of the command, so that the stack is as it was; the reason is in the words."""
    there = world()

    def wait_all(nodes, *_):
        raise NotReady("service1-4", "it ended 3 times right after its start")

    monkeypatch.setattr(fleets.readiness, "wait_all", wait_all)
    with pytest.raises(FleetError, match=r"service1-4 is not ready: .*so service1-3, service1-4 did not come"):
        scale(there.fleet, {"service1": 4})
    assert there.events == ["start service1-3", "start service1-4", "stop service1-3", "stop service1-4"]
    assert there.linked("service1") == [{"127.0.0.1:8101", "127.0.0.1:8102"}]
    assert {"service1-3", "service1-4"}.isdisjoint(one.name for one in state.read_programs(there.config))


@pytest.mark.parametrize("trouble", ["refuses", "links", "supervisor"])
def test_nodes_that_no_gateway_takes_are_taken_back(world, monkeypatch, trouble):
    """Refused, not linked in time, or not started: at every gateway they are gone again."""
    monkeypatch.setattr(fleets, "LINK_LIMIT_S", 0.1)
    there = world(gateways=2)
    if trouble == "refuses":
        there.gateways[1].refuses = "POST /admin/rings/service1/members"
    elif trouble == "links":
        there.gateways[1].links = False
    else:
        there.keeper.refuses = "service1-3"
    with pytest.raises(FleetError, match="service1-3 did not come and the rest is as it was"):
        scale(there.fleet, {"service1": 3})
    assert there.linked("service1") == [{"127.0.0.1:8101", "127.0.0.1:8102"}] * 2
    assert "127.0.0.1:8103" not in there.gateways[1].rings["service1"]
    assert "service1-3" not in there.keeper.pids


def test_a_gateway_that_refuses_to_drain_leaves_everything_as_it_was(world):
    """What the others were told is taken back."""
    there = world(gateways=2)
    there.gateways[1].refuses = "/drain"
    with pytest.raises(FleetError, match="it is full; nothing was stopped"):
        scale(there.fleet, {"service1": 1})
    assert there.events == []
    assert there.linked("service1") == [{"127.0.0.1:8101", "127.0.0.1:8102"}] * 2


def test_ctrl_c_while_nodes_work_off_gives_them_requests_again(world, monkeypatch):
    """Nothing was stopped, so nothing may stay drained."""
    there = world(gateways=2)
    there.gateways[0].never_works_off = True

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fleets, "time", SimpleNamespace(monotonic=time.monotonic, sleep=interrupt))
    with pytest.raises(KeyboardInterrupt):
        scale(there.fleet, {"service1": 1})
    assert there.events == []
    assert there.linked("service1") == [{"127.0.0.1:8101", "127.0.0.1:8102"}] * 2


def test_a_node_that_an_earlier_command_left_drained_gets_requests_again(world):
    """Those of the service that is scaled: "as before" counts nodes that are of use."""
    there = world(gateways=2)
    there.gateways[0].rings["service1"]["127.0.0.1:8101"]["state"] = "drained"
    del there.gateways[1].rings["service1"]["127.0.0.1:8102"]
    there.gateways[0].rings["service2"]["127.0.0.1:8201"]["state"] = "drained"
    assert scale(there.fleet, {"service1": 2}) == "service1: 2 as before"
    assert there.linked("service1") == [{"127.0.0.1:8101", "127.0.0.1:8102"}] * 2
    assert there.linked("service2")[0] == {"127.0.0.1:8202"}
    assert "service1-1 was left out of a ring: it gets requests again" in there.told


def test_a_taken_port_is_named_before_anything_is_done(world, monkeypatch):
    """With its owner."""
    there = world()
    taken = fleets.listeners.Taken("service1-3", "http", 8103, "nginx (pid 7)")
    monkeypatch.setattr(fleets.listeners, "taken", lambda *_: [taken])
    with pytest.raises(FleetError, match=r"port 8103 of service1-3 is taken by nginx \(pid 7\)\. Nothing was changed"):
        scale(there.fleet, {"service1": 3})
    assert there.events == []


def test_a_gateway_that_comes_gets_the_orders_for_bugs_of_another() -> None:
    """Each gateway keeps its own; a bug that is ordered must not depend on which one looks after a node."""
    giver, taker = FakeGateway(free_port(), bugs={"service2": "slow=0.1", "service1-1": "error=1"}), FakeGateway(0)
    taker.port = free_port()
    with serving(giver), serving(taker):
        there = [Gateway(f"http://127.0.0.1:{one.port}", "token", 0.0) for one in (giver, taker)]
        fleets.hand_on_bugs(there[0], there[1:])
    assert taker.bugs == giver.bugs


def test_a_gateway_that_comes_begins_clean_and_service1_learns_of_it_one_by_one(world):
    """An older gateway of that name may have left a file; Prometheus reads its configuration again."""
    there = world()
    kept = there.config.run_dir / "state" / "gateway-2.json"
    kept.parent.mkdir()
    kept.write_text("{}")
    scale(there.fleet, {"gateway": 2})
    assert not kept.exists()
    assert there.events == [
        "HUP prometheus-1", "start gateway-2",
        "stop service1-1", "start service1-1", "stop service1-2", "start service1-2",
    ]  # fmt: skip
    assert there.note()["gateways"] == ["http://127.0.0.1:8080", "http://127.0.0.1:8081"]
    env = {one.name: one.env for one in state.read_programs(there.config)}
    assert env["service1-2"]["CAROUSEL_GATEWAY_URL"] == "http://127.0.0.1:8081,http://127.0.0.1:8080"


def test_a_gateway_that_goes_drains_first_and_is_ready_again_after_ctrl_c(world, monkeypatch):
    """Whoever looks at its readiness has passed it over by then."""
    there = world(gateways=2)
    slept: list[float] = []
    monkeypatch.setattr(fleets, "time", SimpleNamespace(monotonic=time.monotonic, sleep=slept.append))
    gateway = there.fleet.program("gateway-2")
    there.fleet.take_down([gateway])
    assert [one for one in there.events if "gateway" in one] == ["USR2 gateway-2", "stop gateway-2"]
    assert 1.5 in slept

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fleets.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        there.fleet.take_down([there.fleet.program("gateway-1")])
    assert there.events[-2:] == ["USR2 gateway-1", "HUP gateway-1"]


def test_the_only_node_of_a_service_gets_a_stand_in(world):
    """Its service is never without a node."""
    there = world(replicas=1)
    scale(there.fleet, {"gateway": 2})
    assert there.events[2:] == ["start service1-2", "stop service1-1", "start service1-1", "stop service1-2"]
    assert there.linked("service1") == [{"127.0.0.1:8101"}]
    assert "service1-1 is alone: service1-2 stands in for it" in there.told


def test_nodes_to_restart_are_named_or_all(world):
    """Those that are asked before those that ask; engines only by name."""
    programs = world(gateways=2).fleet.programs
    assert [one.name for one in chosen(programs, ())] == [
        "service2-1", "service2-2", "service1-1", "service1-2", "gateway-1", "gateway-2", "storage-1",
    ]  # fmt: skip
    assert [one.name for one in chosen(programs, ("collector-1", "service1-2"))] == ["collector-1", "service1-2"]
    with pytest.raises(Misused, match="there is no node 'service1-9'; there are: storage-1, gateway-1"):
        chosen(programs, ("service1-9",))


def test_without_a_running_stack_the_command_says_so_and_ends_with_3(tmp_path, monkeypatch, capsys):
    """One line; and 2 for what was typed wrongly."""
    monkeypatch.setenv("CAROUSEL_RUN_DIR", str(tmp_path))
    assert main(["service1=3"]) == 3
    assert main(["service1=nonsense"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "nothing runs here" in first
    assert "expected gateway=1..8, service1=1..99, service2=1..99" in second


def test_two_commands_at_once_are_one_too_many(tmp_path, monkeypatch):
    """The second is told, and changes nothing."""
    config = StackConfig.from_env({"CAROUSEL_RUN_DIR": str(tmp_path)})
    with pytest.raises(NothingRuns), running(config):
        pass
    monkeypatch.setattr("deploy.native.running.Keeper", lambda _: FakeKeeper([], []))
    with running(config), pytest.raises(FleetError, match="another command"), running(config):
        pass
