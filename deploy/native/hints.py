"""The line that gets a missing tool, for each system people run this on. Standard library only.

Knows nothing of how a tool is looked for or built.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

SYSTEMS = {"debian": "Debian, Ubuntu", "fedora": "Fedora", "macos": "macOS", "wsl": "Windows (WSL, Ubuntu)"}

LINES: Mapping[str, Mapping[str, str]] = {
    "python": {
        "debian": "sudo apt-get install python3.11 python3.11-venv",
        "fedora": "sudo dnf install python3.12",
        "macos": "brew install python@3.12",
        "wsl": "sudo apt-get install python3 python3-venv",
    },
    "venv": {
        "debian": "sudo apt-get install python3-venv",
        "fedora": "sudo dnf install python3-pip",
        "macos": "brew install python@3.12",
        "wsl": "sudo apt-get install python3-venv",
    },
    "go": {
        "debian": "sudo apt-get install -t bookworm-backports golang-go  (1.25 or newer)",
        "fedora": "sudo dnf install golang",
        "macos": "brew install go",
        "wsl": "sudo snap install go --classic",
    },
    "collector": {
        "debian": "make engines  (builds it; asks for the network and either Go 1.25 or PyPI)",
        "fedora": "make engines  (builds it; asks for the network and either Go 1.25 or PyPI)",
        "macos": "make engines  (builds it; asks for the network and either Go 1.25 or PyPI)",
        "wsl": "make engines  (builds it; asks for the network and either Go 1.25 or PyPI)",
    },
    "prometheus": {
        "debian": "sudo apt-get install prometheus && sudo systemctl disable --now prometheus",
        "fedora": "sudo dnf install golang-github-prometheus",
        "macos": "brew install prometheus",
        "wsl": "sudo apt-get install prometheus",
    },
    "loki": {
        "debian": "make engines  (builds it; asks for the network and either Go 1.26 or PyPI)",
        "fedora": "make engines  (builds it; asks for the network and either Go 1.26 or PyPI)",
        "macos": "brew install loki",
        "wsl": "make engines  (builds it; asks for the network and either Go 1.26 or PyPI)",
    },
    "tempo": {
        "debian": "the package of Tempo's release page, or CAROUSEL_TEMPO_BIN=/path/to/tempo make demo",
        "fedora": "the package of Tempo's release page, or CAROUSEL_TEMPO_BIN=/path/to/tempo make demo",
        "macos": "brew install tempo",
        "wsl": "the package of Tempo's release page, or CAROUSEL_TEMPO_BIN=/path/to/tempo make demo",
    },
    "grafana": {
        "debian": "the package of grafana.com's repository (sudo apt-get install grafana)",
        "fedora": "sudo dnf install grafana",
        "macos": "brew install grafana",
        "wsl": "the package of grafana.com's repository (sudo apt-get install grafana)",
    },
}


def system(os_release: Path = Path("/etc/os-release"), kernel: str | None = None) -> str | None:
    """Return debian, fedora, macos or wsl; None when it is none of them."""
    if platform.system() == "Darwin":
        return "macos"
    release = platform.release() if kernel is None else kernel
    if "microsoft" in release.lower():
        return "wsl"
    try:
        text = os_release.read_text(encoding="utf-8")
    except OSError:
        return None
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    family = f"{pairs.get('ID', '')} {pairs.get('ID_LIKE', '')}".replace('"', "").split()
    if "debian" in family or "ubuntu" in family:
        return "debian"
    if "fedora" in family or "rhel" in family:
        return "fedora"
    return None


def lines(tool: str, here: str | None = None) -> list[str]:
    """Return what gets *tool*: the line for *here* alone, or one line for each system when it is unknown.

    An unknown tool has no lines.
    """
    known = LINES.get(tool, {})
    if here in known:
        return [f"{SYSTEMS[here]}: {known[here]}"] if here else []
    return [f"{SYSTEMS[name]}: {line}" for name, line in known.items()]
