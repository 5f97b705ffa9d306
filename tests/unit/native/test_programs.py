"""The programs of a stack as data."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.native.collector import CONFIG, OVERLAYS
from deploy.native.config import StackConfig
from deploy.native.programs import LOAD, Engines, listed

ALL = Engines(Path("/opt/otelcol"), Path("/opt/prometheus"), "http://127.0.0.1:9090")


def programs(engines=ALL, **env):
    """Return the programs by name that a stack with *env* has."""
    config = StackConfig.from_env({"CAROUSEL_RUN_DIR": "/tmp/r", **env})
    return {program.name: program for program in listed(config, engines)}


def test_the_demo_has_two_replicas_of_each_service_and_both_engines():
    """Design section 2."""
    assert set(programs()) == {
        "gateway-1", "service1-1", "service1-2", "service2-1", "service2-2", "storage-1",
        "collector-1", "prometheus-1", LOAD,
    }  # fmt: skip


def test_no_two_programs_share_a_port():
    """Also with many replicas."""
    many = programs(CAROUSEL_SERVICE1_REPLICAS="99", CAROUSEL_SERVICE2_REPLICAS="99").values()
    ports = [port for program in many for _, port in program.ports]
    assert len(ports) == len(set(ports))


def test_the_offset_moves_every_port():
    """Several stacks live on one machine."""
    here, there = programs(), programs(CAROUSEL_PORT_OFFSET="700")
    for name, program in here.items():
        assert [port + 700 for _, port in program.ports] == [port for _, port in there[name].ports]


def test_apps_send_to_the_collector_and_only_to_it():
    """The Collector is the only address of telemetry."""
    endpoints = {program.env.get("OTEL_EXPORTER_OTLP_ENDPOINT") for program in programs().values()} - {None}
    assert endpoints == {"http://127.0.0.1:4318"}


def test_without_a_collector_apps_send_straight_to_storage():
    """The fallback that the demo says aloud."""
    without = programs(Engines(None, ALL.prometheus, ALL.prometheus_url))
    assert "collector-1" not in without
    assert without["gateway-1"].env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:8300"


def test_without_prometheus_the_collector_writes_to_none():
    """A remote write to nobody would fill the Collector's memory with retries."""
    without = programs(Engines(ALL.collector))
    assert "prometheus-1" not in without
    assert without["collector-1"].env["CAROUSEL_METRICS_ALSO_TO"] == "debug"
    assert programs()["collector-1"].env["CAROUSEL_METRICS_ALSO_TO"] == "prometheusremotewrite"


def test_the_gateway_knows_every_replica():
    """Members come from configuration: host:port."""
    gateway = programs(CAROUSEL_SERVICE1_REPLICAS="3")["gateway-1"]
    assert gateway.env["CAROUSEL_SERVICE1_MEMBERS"] == "127.0.0.1:8101,127.0.0.1:8102,127.0.0.1:8103"
    assert gateway.env["CAROUSEL_SERVICE2_MEMBERS"] == "127.0.0.1:8201,127.0.0.1:8202"


def test_gateways_are_replicas_too():
    """Ports side by side; each knows every member; each replica of service 1 begins with another of them."""
    here = programs(CAROUSEL_GATEWAY_REPLICAS="2")
    assert [here[name].ports for name in ("gateway-1", "gateway-2")] == [(("http", 8080),), (("http", 8081),)]
    assert here["gateway-2"].env["CAROUSEL_SERVICE2_MEMBERS"] == "127.0.0.1:8201,127.0.0.1:8202"
    assert here["service1-1"].env["CAROUSEL_GATEWAY_URL"] == "http://127.0.0.1:8080,http://127.0.0.1:8081"
    assert here["service1-2"].env["CAROUSEL_GATEWAY_URL"] == "http://127.0.0.1:8081,http://127.0.0.1:8080"


def test_storage_does_not_drain():
    """Nobody balances over it; the setting of the demo is for the others."""
    here = programs(CAROUSEL_DRAIN_S="3")
    assert [here[name].env["CAROUSEL_DRAIN_S"] for name in ("storage-1", "service1-1")] == ["0", "3"]


def test_only_service2_has_the_demos_bugs():
    """About 5 % of requests; service 1 has them on demand."""
    here = programs()
    assert here["service2-1"].env["CAROUSEL_FAULTS"]
    assert here["service1-1"].env["CAROUSEL_FAULTS"] == ""


def test_senders_stop_before_receivers():
    """Load, apps, storage, Collector: the Collector's queue keeps storage's own last records for the next start."""
    waves = [programs()[name].stop_wave for name in (LOAD, "gateway-1", "storage-1", "collector-1")]
    assert waves == sorted(waves)
    assert len(set(waves)) == 4


@pytest.mark.parametrize("rate", ["0", "0.0"])
def test_no_load_when_its_rate_is_nought(rate):
    """CAROUSEL_LOAD_RATE=0."""
    assert LOAD not in programs(CAROUSEL_LOAD_RATE=rate)


FULL = Engines(ALL.collector, ALL.prometheus, ALL.prometheus_url, Path("/opt/loki"), Path("/opt/tempo"))


def test_loki_and_tempo_are_fed_by_an_overlay_each():
    """Added where that engine runs, and only there."""
    words = " ".join(programs(FULL)["collector-1"].command)
    assert words.endswith(" ".join(f"--config {path}" for path in (CONFIG, *OVERLAYS.values())))
    assert "loki.yaml" not in " ".join(programs()["collector-1"].command)
    only = programs(replace(FULL, loki=None))
    assert "loki-1" not in only
    assert ["loki.yaml" in word for word in only["collector-1"].command] == [False] * len(only["collector-1"].command)


def test_nobody_waits_for_loki_and_tempo():
    """Loki takes seconds to be ready; what is sent until then waits in the Collector's queue."""
    assert {name for name, program in programs(FULL).items() if not program.awaited} == {"loki-1", "tempo-1"}


def test_without_a_collector_there_is_neither_loki_nor_tempo():
    """Nobody would feed them."""
    assert not {"loki-1", "tempo-1"} & set(programs(replace(FULL, collector=None)))


def test_no_two_programs_of_the_full_stack_share_a_port():
    """Tempo has an OTLP receiver of its own beside the Collector's."""
    ports = [port for program in programs(FULL).values() for _, port in program.ports]
    assert len(ports) == len(set(ports))
