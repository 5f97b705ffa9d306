"""Supervisor's file, read back by supervisor itself."""

import json
import shlex
import signal
from pathlib import Path

import pytest
import yaml
from supervisor.datatypes import dict_of_key_value_pairs
from supervisor.options import ServerOptions

from apps.web.draining import FLUSH_S, IN_FLIGHT_S
from deploy.native import render
from deploy.native.config import ConfigError, StackConfig
from deploy.native.programs import KEPT_BY, Engines, listed
from deploy.native.tools import ROOT

ENGINES = Engines(Path("/opt/otel col/otelcol"), Path("/opt/100%/prometheus"), "http://127.0.0.1:9090")


def stack(run_dir):
    """Return the demo's configuration and programs with their state in *run_dir*."""
    config = StackConfig.from_env({"CAROUSEL_RUN_DIR": str(run_dir)})
    return config, listed(config, ENGINES)


def read_back(config, programs):
    """Return what supervisor makes of the rendered file, by program."""
    for folder in (config.run_dir, config.logs):
        folder.mkdir(parents=True, exist_ok=True)
    path = config.run_dir / "supervisord.conf"
    path.write_text(render.supervisor(config, programs), encoding="utf-8")
    options = ServerOptions()
    options.configfile = str(path)
    options.process_config(do_usage=False)
    return {group.process_configs[0].name: group.process_configs[0] for group in options.process_group_configs}


def test_supervisor_reads_back_what_was_meant(tmp_path):
    """Spaces, %, ; and commas in paths and values arrive as they are."""
    config, programs = stack(tmp_path / "a run, 100% odd=dir;x")
    seen = read_back(config, programs)
    assert set(seen) == {program.name for program in programs}
    for program in programs:
        expected = {"CAROUSEL_NODE": program.name, **program.env, KEPT_BY: str(config.run_dir)}
        assert dict(seen[program.name].environment) == expected
        assert seen[program.name].stdout_logfile == str(config.logs / f"{program.name}.log")
        assert shlex.split(seen[program.name].command) == list(program.command)


def test_programs_are_never_given_up(tmp_path):
    """With supervisor's defaults a program that dies early is given up for good."""
    config, programs = stack(tmp_path)
    for seen in read_back(config, programs).values():
        assert (seen.startsecs, seen.startretries, seen.killasgroup, seen.stopasgroup) == (0, 1_000_000, True, True)


def test_the_load_waits_to_be_started(tmp_path):
    """It is started once the canary was found."""
    config, programs = stack(tmp_path)
    by_itself = {name: seen.autostart for name, seen in read_back(config, programs).items()}
    assert [name for name, autostart in by_itself.items() if not autostart] == ["load"]


@pytest.mark.parametrize("value", ["a\nb", "a ;b", "a #b", "'a", 'a"', "a'b\"c"])
def test_what_the_file_cannot_hold_is_refused(value):
    """A clear word instead of half a value."""
    with pytest.raises(ConfigError, match="cannot be in a path or value"):
        render.quoted(value)


@pytest.mark.parametrize("value", ["", "50%", "a b", "k=v;w=x,y", "it's", "[::1]", "sqlite:////x/y.db"])
def test_values_survive_supervisors_own_parser(value):
    """Its parser is a shlex that knows no escapes."""
    text = render.environment({"A": value, "B": "2"}) % {}
    assert dict_of_key_value_pairs(text) == {"A": value, "B": "2"}


def test_each_target_names_its_job_and_instance(tmp_path):
    """The same labels that remote write gives: job = namespace/name, instance = node."""
    programs = stack(tmp_path)[1]
    files = render.targets(programs, "127.0.0.1")
    assert json.loads(files["apps-gateway-1.json"]) == [
        {"targets": ["127.0.0.1:8080"], "labels": {"job": "carousel/gateway", "instance": "gateway-1"}}
    ]
    assert json.loads(files["engines-collector-1.json"])[0]["targets"] == ["127.0.0.1:8888"]
    assert not any(name in file for file in files for name in ("load", "prometheus", "service1", "service2"))


def test_members_of_rings_are_asked_of_every_gateway():
    """They come and go; the gateways know. `type` is written: without it Prometheus 2.42 sends the token alone."""
    text = (ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    gateways = ["http://127.0.0.1:8080", "http://127.0.0.1:8081"]
    config = yaml.safe_load(render.prometheus(text, gateways, '/a run, 100% "odd"/secrets/service'))
    (asked,) = [job["http_sd_configs"] for job in config["scrape_configs"] if "http_sd_configs" in job]
    assert [one["url"] for one in asked] == [f"{gateway}/internal/targets" for gateway in gateways]
    assert {one["authorization"]["type"] for one in asked} == {"Bearer"}
    assert {one["authorization"]["credentials_file"] for one in asked} == {'/a run, 100% "odd"/secrets/service'}


def test_a_prometheus_configuration_without_the_line_is_refused():
    """Else the replicas would silently not be scraped."""
    with pytest.raises(ConfigError, match=r"prometheus\.yml: expected the line"):
        render.prometheus("scrape_configs: []\n", [], "/t")


def test_a_node_that_supervisor_stops_finishes_without_draining(tmp_path):
    """INT; the time is that of the longest end there may be. Engines are told as they are used to."""
    config, programs = stack(tmp_path)
    seen = read_back(config, programs)
    assert {seen[name].stopsignal for name in ("gateway-1", "service1-1", "storage-1")} == {signal.SIGINT}
    assert {seen[name].stopsignal for name in ("collector-1", "prometheus-1", "load")} == {signal.SIGTERM}
    assert seen["service1-1"].stopwaitsecs > IN_FLIGHT_S + FLUSH_S
