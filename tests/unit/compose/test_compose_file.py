"""The container stack's file, read by Compose itself, and the rules that every service of it keeps."""

import ipaddress
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from apps.web.ports import PORTS
from deploy.compose import init
from deploy.native.compose import CHOICES, FILE, PUBLISHED
from deploy.native.config import read_env_file
from deploy.native.tools import ROOT

ENV = ROOT / "deploy" / "env"
ONE_SHOT = {"init"}
WATCHED_BY_THE_PROBER = {"collector"}
"""Its image has nothing that could ask; `prober` is healthy as long as it is."""
PINNED = re.compile(r".+:v?\d+\.\d+(\.\d+)?$")
BIGGEST = {"CAROUSEL_STORE": "mongodb", "CAROUSEL_SEARCH": "meilisearch"}


def read(**env):
    """Return the whole project as Compose understands it, the load included; skip where there is no Compose."""
    compose = shutil.which("docker-compose", path=f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if compose is None:
        pytest.skip("docker-compose is not here; `make setup` brings it")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CAROUSEL_", "COMPOSE_"))}
    words = [compose, "-f", FILE, "--profile", "load", "config", "--format", "json"]
    done = subprocess.run(words, env={**kept, **env}, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def project():
    """The project with everything that can be switched on."""
    return read(**BIGGEST)


@pytest.fixture(scope="module")
def services(project):
    """Its services by name."""
    return project["services"]


def broken(services, rule):
    """Return the names of the services for which *rule* does not hold."""
    return {name for name, service in services.items() if not rule(service)}


def test_it_has_every_part_of_the_stack(services):
    """Design section 2."""
    assert set(services) == {
        "init", "gateway", "service1", "service2", "storage", "collector", "prober", "prometheus", "alertmanager",
        "loki", "tempo", "grafana", "mongodb", "meilisearch", "locust",
    }  # fmt: skip


def test_without_a_word_there_is_neither_mongodb_nor_meilisearch():
    """SQLite is storage's default; what is not started is not pulled either."""
    assert {"mongodb", "meilisearch"} & set(read()["services"]) == set()


@pytest.mark.parametrize("store", CHOICES["CAROUSEL_STORE"])
@pytest.mark.parametrize("search", CHOICES["CAROUSEL_SEARCH"])
def test_one_variable_chooses_the_store_and_another_the_search(store, search):
    """Service and address come together."""
    services = read(CAROUSEL_STORE=store, CAROUSEL_SEARCH=search)["services"]
    told = services["storage"]["environment"]
    assert told["CAROUSEL_STORAGE_URL"].startswith(f"{store}:")
    assert (told["CAROUSEL_SEARCH_URL"] or "none").split(":")[0] == search
    assert ("mongodb" in services, "meilisearch" in services) == (store == "mongodb", search == "meilisearch")


def test_every_image_is_pinned_or_ours(services):
    """A version, never a moving tag."""
    assert broken(services, lambda one: "build" in one or PINNED.match(one["image"])) == set()


def test_every_service_has_a_health_check_or_somebody_who_watches_it(services):
    """And one that can fail."""
    unchecked = broken(services, lambda one: one.get("healthcheck", {}).get("test", ["NONE"])[0] == "CMD")
    assert unchecked == ONE_SHOT | WATCHED_BY_THE_PROBER
    assert any("collector:13133" in word for word in services["prober"]["healthcheck"]["test"])


def test_who_needs_another_waits_until_it_is_healthy(services):
    """Or, of the one-shot service, until it ended well; the prober alone may not wait for whom it watches."""
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert how["condition"] == ("service_started" if name == "prober" else expected), (name, needed)


def test_every_service_has_limits(services):
    """Processor, memory and processes."""
    assert (
        broken(services, lambda one: {"cpus", "memory", "pids"} <= set(one["deploy"]["resources"]["limits"])) == set()
    )


def test_nobody_is_root_but_the_one_that_gives_the_volumes_away(services):
    """And that one has neither network nor port."""
    assert broken(services, lambda one: one["user"].split(":")[0] != "0") == ONE_SHOT
    assert services["init"]["network_mode"] == "none"
    assert sorted(services["init"]["cap_add"]) == ["CHOWN", "DAC_OVERRIDE", "FOWNER"]


def test_every_file_system_is_read_only_and_every_capability_dropped(services):
    """What a service writes goes to its volume or to memory."""
    assert broken(services, lambda one: one["read_only"] is True) == set()
    assert broken(services, lambda one: one["cap_drop"] == ["ALL"]) == set()
    assert broken(services, lambda one: "no-new-privileges:true" in one["security_opt"]) == set()
    assert broken(services, lambda one: "cap_add" not in one) == ONE_SHOT
    assert broken(services, lambda one: not one.get("privileged")) == set()


def test_no_log_grows_without_end(services):
    """Docker keeps what a container says."""
    assert broken(services, lambda one: "max-size" in one["logging"]["options"]) == set()


def test_ports_are_published_on_loopback_only_and_are_the_tables(project, services):
    """The same ports as the native stack's."""
    published = {
        (name, int(port["published"]), port["target"])
        for name, service in services.items()
        for port in service.get("ports", ())
        if port["host_ip"] == "127.0.0.1"
    }
    assert len(published) == sum(len(service.get("ports", ())) for service in services.values())
    assert {number for _, number, _ in published} == {PORTS[name] for name in PUBLISHED.values()}
    assert all(number == target for _, number, target in published)


def test_every_published_port_can_be_moved():
    """CAROUSEL_PORT_OFFSET is turned into these variables."""
    services = read(**{key: str(PORTS[name] + 1000) for key, name in PUBLISHED.items()})["services"]
    ports = {int(port["published"]) for service in services.values() for port in service.get("ports", ())}
    assert ports == {PORTS[name] + 1000 for name in PUBLISHED.values()}


def test_mongodb_and_meilisearch_are_reached_by_storage_alone(project, services):
    """Their network leads nowhere else."""
    assert {name for name, one in services.items() if "stores" in one.get("networks", {})} == {
        "storage", "mongodb", "meilisearch",
    }  # fmt: skip
    assert project["networks"]["stores"]["internal"] is True
    assert [set(services[name]["networks"]) for name in ("mongodb", "meilisearch")] == [{"stores"}, {"stores"}]


def test_every_volume_of_state_has_the_user_who_writes_in_it(project, services):
    """Named, so that `compose-down` keeps them; given away by `init`."""
    writers = {
        mount["source"]: int(service["user"].split(":")[0])
        for name, service in services.items()
        if name not in ONE_SHOT
        for mount in service.get("volumes", ())
        if mount["type"] == "volume" and not mount.get("read_only")
    }
    assert writers == dict(init.PLACES)
    mounted = {mount["source"]: mount["target"] for mount in services["init"]["volumes"]}
    assert mounted == {name: f"/volumes/{name}" for name in (*init.PLACES, "secrets")}
    assert set(project["volumes"]) == set(mounted)


def test_configuration_and_secrets_are_mounted_read_only(services):
    """Nobody changes the repository from inside, or a secret but `init`."""
    for name, service in services.items():
        for mount in service.get("volumes", ()):
            if mount["type"] == "bind" or (mount["source"] == "secrets" and name not in ONE_SHOT):
                assert mount["read_only"] is True, (name, mount)
            if mount["type"] == "bind":
                assert Path(mount["source"]).is_relative_to(ROOT)
                assert "docker.sock" not in mount["source"]


def test_no_secret_stands_in_an_environment(services):
    """They are files, made at the first start."""
    told = [f"{key}={value}" for one in services.values() for key, value in one.get("environment", {}).items() if value]
    suspicious = [line for line in told if re.search(r"(?i)(password|token|key|secret)", line.split("=")[0])]
    assert [line for line in suspicious if "/run/secrets/" not in line] == []


def test_grafana_asks_nobody_outside_and_shows_strangers_only_to_read(services):
    """By the one grafana.ini of both modes, which no variable overrides."""
    mounted = {mount["target"]: mount["source"] for mount in services["grafana"]["volumes"]}
    assert mounted["/etc/grafana/grafana.ini"] == str(ROOT / "grafana" / "grafana.ini")
    told = {key for key in services["grafana"]["environment"] if key.startswith("GF_")}
    assert told == {"GF_SECURITY_ADMIN_PASSWORD__FILE"}


def test_replicas_of_both_services_can_be_scaled(services):
    """No name, port or volume of their own, and the gateway finds them by the service's name."""
    for name in ("service1", "service2"):
        service = services[name]
        assert not service.get("ports")
        assert "container_name" not in service
        assert all(mount.get("read_only") for mount in service["volumes"])
    told = services["gateway"]["environment"]
    assert told["CAROUSEL_SERVICE1_MEMBERS"] == f"dns+service1:{PORTS['service1']}"
    assert told["CAROUSEL_SERVICE2_MEMBERS"] == f"dns+service2:{PORTS['service2']}"


def test_the_env_files_name_services_and_ports_of_the_tables(services):
    """Every address in them can be reached."""
    ports = {str(number) for number in PORTS.values()}
    for path in ENV.glob("*.env"):
        for key, value in read_env_file(path).items():
            for host, number in re.findall(r"//([\w.-]+):(\d+)", value):
                assert number in ports, (path.name, key)
                assert host in services or ipaddress.ip_address(host).is_loopback, (path.name, key)


def test_prometheus_has_the_same_rules_in_both_modes():
    """Only how targets are found differs."""
    native = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    compose = yaml.safe_load((ROOT / "deploy" / "compose" / "prometheus.yml").read_text(encoding="utf-8"))
    assert (native["global"], native["storage"]) == (compose["global"], compose["storage"])
    jobs = {job["job_name"]: job for job in compose["scrape_configs"]}
    for job in native["scrape_configs"]:
        assert jobs[job["job_name"]].get("metric_relabel_configs") == job.get("metric_relabel_configs")
    assert jobs["carousel-rings"]["metric_relabel_configs"] == jobs["carousel-apps"]["metric_relabel_configs"]


def test_prometheus_targets_are_services_at_ports_of_the_table(services):
    """Each under the name that its own telemetry carries."""
    for path in (ROOT / "deploy" / "compose" / "targets").glob("*.json"):
        (group,) = json.loads(path.read_text(encoding="utf-8"))
        host, number = group["targets"][0].split(":")
        assert host in services
        assert int(number) in PORTS.values()
        assert group["labels"] == {"job": f"carousel/{host}", "instance": f"{host}-1"}


def test_the_image_holds_only_what_it_needs():
    """The context lets nothing else through."""
    let_in = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"]
    assert sorted(let_in) == [
        "!apps", "!deploy/__init__.py", "!deploy/compose/*.py", "!requirements/run.txt", "!tests/load/*.py",
    ]  # fmt: skip
    text = (ROOT / "deploy" / "app.Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes" in text
    assert re.search(r"(?m)^USER 10001:10001$", text.split("FROM ${BASE}\n")[-1])
    assert "apt-get" not in text
