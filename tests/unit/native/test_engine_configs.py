"""The engines' configuration, asked of the engines themselves where they are there, and of its own text always."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from apps.telemetry import redaction
from deploy.native import collector, engines, files, loki, tempo, tokens
from deploy.native.config import StackConfig
from deploy.native.engines import ENGINES, TOOLS_FOLDER
from deploy.native.programs import Engines, listed
from deploy.native.tools import ROOT, Tools

CONFIG = yaml.safe_load(collector.CONFIG.read_text(encoding="utf-8"))
PIPELINES = CONFIG["service"]["pipelines"]
ALL = Engines(ROOT, ROOT, "http://127.0.0.1:9090", ROOT, ROOT)
OVERLAYS = {name: yaml.safe_load(path.read_text(encoding="utf-8")) for name, path in collector.OVERLAYS.items()}
SAMPLING = yaml.safe_load((collector.FOLDER / "tail-sampling.yaml").read_text(encoding="utf-8"))
TEMPO_BIN = os.environ.get("CAROUSEL_TEST_TEMPO_BIN", "")
SIGNALS = {"loki": "logs", "tempo": "traces"}


def binary(name):
    """Return the engine's binary; skip, saying so, where there is none. CAROUSEL_TEST_TEMPO_BIN names a Tempo."""
    found = engines.find(ENGINES[name], Tools(TOOLS_FOLDER, {**os.environ, "CAROUSEL_TEMPO_BIN": TEMPO_BIN}))
    if found.binary is None:
        pytest.skip(f"{name} is not here ({found.where}); `make engines` gets it")
    return found.binary


def test_the_collector_itself_accepts_the_configuration():
    """Its validate, not its component list, is what is asked."""
    assert collector.misfit(binary("collector")) is None


def test_the_collector_refuses_a_wrong_configuration(tmp_path, monkeypatch):
    """A test of the test: misfit is not deaf."""
    asked = binary("collector")
    wrong = tmp_path / "config.yaml"
    wrong.write_text(collector.CONFIG.read_text(encoding="utf-8") + "  nonsense: 1\n", encoding="utf-8")
    monkeypatch.setattr(collector, "CONFIG", wrong)
    assert "refuses" in collector.misfit(asked)


def test_both_redaction_lists_are_one():
    """The library's and the Collector's: the same expressions, the same guarded keys."""
    processor = CONFIG["processors"]["redaction"]
    assert processor["blocked_values"] == list(redaction.PATTERNS.values())
    assert processor["ignored_keys"] == list(redaction.GUARDED_KEYS)


def test_memory_is_limited_first_in_every_pipeline():
    """What is refused is refused before anything was promised."""
    assert {pipeline["processors"][0] for pipeline in PIPELINES.values()} == {"memory_limiter"}


def test_nothing_is_batched_in_front_of_storages_queue():
    """A batch processor acknowledges what it only has in memory."""
    assert not any("batch" in processor for pipeline in PIPELINES.values() for processor in pipeline["processors"])


def test_every_signal_goes_to_storage_by_the_persistent_queue():
    """Acknowledged is on disk, waits for ever, and a full queue makes the sender wait."""
    to_storage = [name for name, pipeline in PIPELINES.items() if pipeline["exporters"] == ["otlp_http/storage"]]
    assert sorted(to_storage) == ["logs/storage", "metrics/storage", "traces/storage"]
    exporter = CONFIG["exporters"]["otlp_http/storage"]
    assert exporter["sending_queue"]["storage"] == "file_storage/queue"
    assert exporter["sending_queue"]["block_on_overflow"] is True
    assert exporter["retry_on_failure"]["max_elapsed_time"] == 0
    assert CONFIG["extensions"]["file_storage/queue"]["fsync"] is True


@pytest.mark.parametrize("path", sorted(collector.FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_no_address_is_written_in_the_collectors_configuration(path):
    """Hosts are in deploy/env, ports in the one table."""
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    assert not re.search(r"127\.0\.0\.1|localhost|:\d{4,5}\b", text)


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_adds_one_pipeline_that_is_redacted_like_the_others(name):
    """Nothing of the base is replaced: lists are not merged."""
    assert list(OVERLAYS[name]["service"]) == ["pipelines"]
    assert OVERLAYS[name]["service"]["pipelines"] == {
        f"{SIGNALS[name]}/{name}": {
            "receivers": ["otlp"],
            "processors": ["memory_limiter", "redaction", f"batch/{name}"],
            "exporters": [f"otlp_http/{name}"],
        }
    }
    for section in ("processors", "exporters"):
        assert not set(OVERLAYS[name][section]) & set(CONFIG[section])


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_store_that_is_away_holds_up_nobody(name):
    """Batched in front of a queue of its own on disk, which drops (and counts) rather than waits; tried for ever."""
    (exporter,) = OVERLAYS[name]["exporters"].values()
    assert exporter["sending_queue"]["storage"] == "file_storage/queue"
    assert exporter["sending_queue"]["block_on_overflow"] is False
    assert exporter["retry_on_failure"]["max_elapsed_time"] == 0


def test_tail_sampling_is_an_option_for_tempo_alone():
    """Storage gets everything, sampled or not."""
    (pipeline,) = SAMPLING["service"]["pipelines"].items()
    assert pipeline == (
        "traces/tempo", {"processors": ["memory_limiter", "redaction", "tail_sampling", "batch/tempo"]},
    )  # fmt: skip
    assert set(SAMPLING) == {"processors", "service"}


def test_the_collectors_own_log_lines_come_in_by_its_own_front_door():
    """Under a name of their own, and they end where all logs end."""
    own = CONFIG["service"]["telemetry"]
    assert own["resource"]["service.name"] == "collector"
    (processor,) = own["logs"]["processors"]
    assert processor["batch"]["exporter"]["otlp"]["endpoint"] == "${env:CAROUSEL_COLLECTOR_SELF}"


@pytest.mark.parametrize("module", [loki, tempo], ids=["loki", "tempo"])
def test_loki_and_tempo_are_given_every_variable_and_write_no_address_but_loopback(module):
    """One file for both modes."""
    text = re.sub(r"#.*", "", module.CONFIG.read_text(encoding="utf-8"))
    name = module.__name__.rpartition(".")[2]
    (program,) = (one for one in listed(StackConfig.from_env({}), ALL) if one.service == name)
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= set(program.env)
    assert set(re.findall(r"\$\{(\w+)\}", text)) == {*module.EXAMPLE_ENV, f"CAROUSEL_{name.upper()}_DIR"}
    assert not re.search(r"localhost|0\.0\.0\.0|:\d{4,5}\b", text)


@pytest.mark.parametrize("module", [loki, tempo], ids=["loki", "tempo"])
def test_loki_and_tempo_forget_after_a_week_and_tell_nobody(module):
    """Retention is written down, usage reports are off."""
    text = module.CONFIG.read_text(encoding="utf-8")
    assert re.search(r"(retention_period|block_retention): 168h", text)
    assert "reporting_enabled: false" in text


@pytest.mark.parametrize("name", ["loki", "tempo"])
def test_loki_and_tempo_themselves_accept_their_configuration(name):
    """By -verify-config and -config.verify, where they are there."""
    assert ENGINES[name].misfit(binary(name)) is None


@pytest.mark.parametrize(("module", "name"), [(loki, "loki"), (tempo, "tempo")], ids=["loki", "tempo"])
def test_loki_and_tempo_refuse_a_wrong_configuration(module, name, tmp_path, monkeypatch):
    """A test of the test: misfit is not deaf."""
    asked = binary(name)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(module.CONFIG.read_text(encoding="utf-8") + "\nnonsense: 1\n", encoding="utf-8")
    monkeypatch.setattr(module, "CONFIG", wrong)
    assert "refuses" in module.misfit(asked)


def test_lokis_module_pins_the_version_and_repeats_its_replace_lines():
    """Go reads replace lines of the main module alone; without them another memberlist would be taken."""
    text = (loki.MODULE / "go.mod").read_text(encoding="utf-8")
    assert f"github.com/grafana/loki/v3 v{loki.VERSION}" in text
    assert text.count("\nreplace ") == 7
    assert "github.com/hashicorp/memberlist => github.com/grafana/memberlist" in text
    assert f'_ "{loki.PACKAGE}"' in (loki.MODULE / "tools.go").read_text(encoding="utf-8")


def test_only_these_resource_attributes_become_labels_of_loki():
    """Few values each: an id as a label would make a stream of every trace."""
    limits = yaml.safe_load(re.sub(r"\$\{\w+\}", "0", loki.CONFIG.read_text(encoding="utf-8")))["limits_config"]
    attributes = limits["otlp_config"]["resource_attributes"]
    assert attributes["ignore_defaults"] is True
    assert [one["action"] for one in attributes["attributes_config"]] == ["index_label"]
    assert attributes["attributes_config"][0]["attributes"] == [
        "service.name", "service.namespace", "service.instance.id", "deployment.environment.name",
    ]  # fmt: skip


def test_every_variable_of_the_configuration_is_given():
    """An unset one would be an empty address."""
    text = "".join(path.read_text(encoding="utf-8") for path in (collector.CONFIG, *collector.OVERLAYS.values()))
    asked = set(re.findall(r"\$\{env:(\w+)", text))
    from deploy.native.programs import collector_env

    config = StackConfig.from_env({})
    assert asked <= set(collector_env(config, Engines()))


@pytest.mark.parametrize("gateways", ["1", "2"])
def test_promtool_accepts_prometheus_configuration_with_rendered_targets(tmp_path, gateways):
    """Its own checker, on the files as the stack lays them."""
    promtool = shutil.which("promtool") or binary("prometheus").with_name("promtool")
    config = StackConfig.from_env({"CAROUSEL_RUN_DIR": str(tmp_path), "CAROUSEL_GATEWAY_REPLICAS": gateways})
    tokens.ensure(config.run_dir)
    (tmp_path / "prometheus" / "targets").mkdir(parents=True)
    files.lay(config, listed(config, ALL))
    path = tmp_path / "prometheus" / "prometheus.yml"
    done = subprocess.run([promtool, "check", "config", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    assert path.read_text().count("/internal/targets") == int(gateways)


def test_prometheus_takes_late_points_and_keeps_only_process_series_of_the_apps():
    """Everything else of an app comes by remote write."""
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert config["storage"]["tsdb"]["out_of_order_time_window"] == "30m"
    apps = next(job for job in config["scrape_configs"] if job["job_name"] == "carousel-apps")
    keep = re.compile(apps["metric_relabel_configs"][0]["regex"])
    assert keep.fullmatch("process_resident_memory_bytes")
    assert keep.fullmatch("python_gc_collections_total")
    assert not keep.fullmatch("http_server_request_duration_seconds_count")
