"""A Grafana that is on the machine is started with the stack, with our provisioning. A fake stands in for it here."""

import json
import os
from pathlib import Path

from deploy.native import grafana
from deploy.native.engines import Found
from deploy.native.stack import Stack
from deploy.native.testing import free_offset
from tests.e2e.support import eventually
from tests.unit.native.grafana_home import unpack


def test_the_stack_starts_grafana_with_what_it_needs(tmp_path: Path) -> None:
    """Arguments, folders, addresses and the password arrive as meant, through supervisord; it is shown as ready."""
    binary = unpack(tmp_path / "grafana home")
    stack = Stack(
        run_dir=tmp_path / "run",
        offset=free_offset(),
        replicas={"service1": 1, "service2": 1},
        load=False,
        env={**os.environ, "CAROUSEL_FAULTS": ""},
        found={"grafana": Found("grafana", binary, "PATH")},
    )
    stack.start(check=False)
    try:
        stack.wait_ready(["grafana-1"], 30)
        told = stack.config.data / "grafana" / "told.json"
        eventually(told.exists, "Grafana to have looked at its settings", 10)
        seen = json.loads(told.read_text(encoding="utf-8"))
    finally:
        assert stack.stop() == []
    password = grafana.password_file(stack.config.run_dir).read_text(encoding="ascii").strip()
    assert password == seen["settings"]["GF_SECURITY_ADMIN_PASSWORD"]
    assert ["carousel.yaml", "carousel.yaml"] == seen["files"]
    assert stack.config.url("loki") == seen["addresses"]["CAROUSEL_LOKI_URL"]
    assert str(grafana.DASHBOARDS) == seen["addresses"]["CAROUSEL_DASHBOARDS_DIR"]
