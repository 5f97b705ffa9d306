"""Lays a stack's files into its run directory: for supervisord, for Prometheus, for the commands that follow."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.native import render, state
from deploy.native.config import StackConfig
from deploy.native.programs import Program
from deploy.native.tools import ROOT

PROMETHEUS = ROOT / "prometheus" / "prometheus.yml"


def lay(config: StackConfig, programs: Sequence[Program]) -> bool:
    """Write what the stack of *programs* is made of; return whether Prometheus has to read its file again."""
    state.write_whole(config.run_dir / "supervisord.conf", render.supervisor(config, programs), 0o600)
    state.write_programs(config, programs)
    _lay_targets(config, programs)
    path = config.run_dir / "prometheus" / "prometheus.yml"
    text = render.prometheus(
        PROMETHEUS.read_text(encoding="utf-8"),
        state.gateways(programs),
        str(config.run_dir / "secrets" / "service"),
    )
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    state.write_whole(path, text)
    return text != before


def _lay_targets(config: StackConfig, programs: Sequence[Program]) -> None:
    folder = config.run_dir / "prometheus" / "targets"
    targets = render.targets(programs, config.listen_host)
    for name, text in targets.items():
        state.write_whole(folder / name, text)
    for stale in set(folder.glob("*.json")) - {folder / name for name in targets}:
        stale.unlink()
