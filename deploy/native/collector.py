"""How the OpenTelemetry Collector is asked whether it fits, and how it is built.

The official builder writes the sources from `otel-collector/builder.yaml`; `otel-collector/lock/` pins every module
under them by checksum. When the two no longer agree (someone edited builder.yaml) the builder resolves the modules
itself, and says so. Standard library only.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from deploy.native import golang
from deploy.native.tools import ROOT, ToolError, Tools, ask, key_of

VERSION = "0.149.0"
BUILDER = f"go.opentelemetry.io/collector/cmd/builder@v{VERSION}"
COMMAND = "otelcol-carousel"
FOLDER = ROOT / "otel-collector"
CONFIG = FOLDER / "config.yaml"
OVERLAYS = {name: FOLDER / f"{name}.yaml" for name in ("loki", "tempo")}
"""A pipeline each, added where that engine runs."""
BUILD_FILE = FOLDER / "builder.yaml"
LOCK = FOLDER / "lock"

EXAMPLE_ENV: Mapping[str, str] = {
    "CAROUSEL_COLLECTOR_GRPC": "127.0.0.1:4317",
    "CAROUSEL_COLLECTOR_HTTP": "127.0.0.1:4318",
    "CAROUSEL_COLLECTOR_HEALTH": "127.0.0.1:13133",
    "CAROUSEL_COLLECTOR_METRICS_HOST": "127.0.0.1",
    "CAROUSEL_COLLECTOR_METRICS_PORT": "8888",
    "CAROUSEL_COLLECTOR_SELF": "http://127.0.0.1:4318",
    "CAROUSEL_STORAGE_ADDRESS": "http://127.0.0.1:8300",
    "CAROUSEL_LOKI_OTLP": "http://127.0.0.1:3100/otlp",
    "CAROUSEL_TEMPO_OTLP": "http://127.0.0.1:4319",
    "CAROUSEL_PROMETHEUS_WRITE": "http://127.0.0.1:9090/api/v1/write",
}
"""Values that let `validate` read the configuration; nothing listens on them."""


def config_words(configs: Iterable[Path]) -> list[str]:
    """Return the words that give *configs* to the Collector, the later ones above the earlier."""
    return [word for config in configs for word in ("--config", str(config))]


def build_key() -> str:
    """Return the key of what the Collector is built from."""
    lock = [(LOCK / name).read_bytes() for name in ("go.mod", "go.sum") if (LOCK / name).exists()]
    return key_of(BUILDER, BUILD_FILE.read_bytes(), *lock)


def misfit(binary: Path) -> str | None:
    """Return why *binary* cannot run our configuration, by its own `validate`; None when it can."""
    version = ask([binary, "--version"])
    if version is None:
        return "does not say its version"
    with tempfile.TemporaryDirectory(prefix="carousel-") as folder:
        env = {**EXAMPLE_ENV, "CAROUSEL_COLLECTOR_QUEUE_DIR": f"{folder}/queue"}
        if ask([binary, "validate", *config_words([CONFIG, *OVERLAYS.values()])], env=env) is None:
            return f"its validate refuses our configuration in otel-collector/ (made for {VERSION})"
    return None


def direct_requirements(go_mod: str) -> set[str]:
    """Return the lines `module version` that *go_mod* requires itself, not only indirectly."""
    lines = re.findall(r"^\s*(?:require\s+)?([\w.\-/~]+\.[\w.\-/~]+ v\S+)\s*$", go_mod, re.MULTILINE)
    return set(lines)


def build(tools: Tools, pip: Callable[[], list[str]]) -> Path:
    """Build the Collector into `.tools/` and return its binary.

    Raises:
        ToolError: no toolchain, no network, or it does not compile; the words name the log.
    """
    go = golang.find_or_get(tools, pip)
    log = tools.log("collector")
    log.unlink(missing_ok=True)
    home = tools.home("collector", build_key())
    with tools.made_whole(home) as folder:
        (folder / "builder.yaml").write_bytes(BUILD_FILE.read_bytes())
        made = folder / "out"
        generate: list[str | Path] = [go.command, "run", BUILDER, "--config", "builder.yaml"]
        tools.run([*generate, "--skip-get-modules", "--skip-compilation"], log, cwd=folder, env=go.env)
        if _lock_agrees(made):
            for name in ("go.mod", "go.sum"):
                (made / name).write_bytes((LOCK / name).read_bytes())
            options = ["-mod=readonly", "-ldflags=-s -w"]
            tools.run([go.command, "build", *options, "-o", COMMAND, "."], log, cwd=made, env=go.env)
        else:
            with open(log, "a", encoding="utf-8") as out:
                out.write("builder.yaml and otel-collector/lock do not agree: resolving the modules\n")
            tools.run(generate, log, cwd=folder, env=go.env)
        (made / COMMAND).rename(folder / COMMAND)
        for name in ("go.mod", "go.sum"):
            (made / name).rename(folder / name)
        for rest in made.iterdir():
            rest.unlink()
        made.rmdir()
        why = misfit(folder / COMMAND)
        if why is not None:
            raise ToolError(f"the Collector was built but {why}; see {log}")
    return home / COMMAND


def _lock_agrees(made: Path) -> bool:
    if not (LOCK / "go.mod").exists() or not (LOCK / "go.sum").exists():
        return False
    wanted = direct_requirements((made / "go.mod").read_text(encoding="utf-8"))
    return wanted <= direct_requirements((LOCK / "go.mod").read_text(encoding="utf-8"))
