"""The engines' configuration, asked of the engines themselves where they are there, and of its own text always."""

import re
import shutil
import subprocess

import pytest
import yaml

from apps.telemetry import redaction
from deploy.native import collector, engines, files, tokens
from deploy.native.config import StackConfig
from deploy.native.engines import ENGINES, TOOLS_FOLDER
from deploy.native.programs import Engines, listed
from deploy.native.tools import ROOT, Tools

CONFIG = yaml.safe_load(collector.CONFIG.read_text(encoding="utf-8"))
PIPELINES = CONFIG["service"]["pipelines"]


def binary(name):
    """Return the engine's binary; skip, saying so, where there is none."""
    found = engines.find(ENGINES[name], Tools(TOOLS_FOLDER))
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


def test_no_address_is_written_in_the_collectors_configuration():
    """Hosts are in deploy/env, ports in the one table."""
    text = re.sub(r"#.*", "", collector.CONFIG.read_text(encoding="utf-8"))
    assert not re.search(r"127\.0\.0\.1|localhost|:\d{4,5}\b", text)


def test_every_variable_of_the_configuration_is_given():
    """An unset one would be an empty address."""
    text = collector.CONFIG.read_text(encoding="utf-8")
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
    files.lay(config, listed(config, Engines(ROOT, ROOT, "x")))
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
