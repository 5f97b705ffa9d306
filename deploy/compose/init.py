"""The one-shot service `init`: makes the secrets that are missing and gives every volume to the user who works in it.

    python -m deploy.compose.init

It runs as root with no capability but those to change owners, on no network, and ends. Run again it changes nothing:
secrets are kept. Volumes are mounted under `/volumes/<name>`; `PLACES` says whose each one is.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

VOLUMES = Path("/volumes")

APPS, NOBODY, GRAFANA, MONGODB = 10001, 65534, 472, 999
"""User ids: of our image (Collector, Loki, Tempo and Meilisearch are run under the same number), of Prometheus's and
Alertmanager's images, of Grafana's, of MongoDB's."""

PLACES: Mapping[str, int] = {
    "gateway": APPS,
    "storage": APPS,
    "collector": APPS,
    "loki": APPS,
    "tempo": APPS,
    "meilisearch": APPS,
    "prometheus": NOBODY,
    "alertmanager": NOBODY,
    "grafana": GRAFANA,
    "mongodb": MONGODB,
}
"""Each volume of state with the user who owns it."""


def _token(_: Mapping[str, str]) -> str:
    return secrets.token_urlsafe(32) + "\n"


def _search_config(made: Mapping[str, str]) -> str:
    return f'master_key = "{made["apps/search"].strip()}"\n'


@dataclass(frozen=True)
class Secret:
    """One secret file: its path under the volume, whose it is, and how it is made of those before it."""

    path: str
    owner: int
    make: Callable[[Mapping[str, str]], str] = _token


SECRETS = (
    Secret("apps/admin", APPS),
    Secret("apps/service", APPS),
    Secret("apps/search", APPS),
    Secret("meilisearch/config.toml", APPS, _search_config),
    Secret("prometheus/service", NOBODY, lambda made: made["apps/service"]),
    Secret("grafana/admin", GRAFANA),
)
"""A secret that two users read is a file of each: the owner alone may read it."""


def make_secrets(folder: Path, give: Callable[[Path, int], None]) -> list[str]:
    """Make what is missing of `SECRETS` under *folder* and return the paths made; *give* hands a path to a user."""
    texts: dict[str, str] = {}
    made = []
    for secret in SECRETS:
        path = folder / secret.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        if not path.exists() or path.stat().st_size == 0:
            _write_whole(path, secret.make(texts))
            made.append(secret.path)
        texts[secret.path] = path.read_text(encoding="ascii")
        path.chmod(0o400)
        give(path, secret.owner)
        give(path.parent, secret.owner)
    folder.chmod(0o755)
    return made


def give_volumes(volumes: Path, give: Callable[[Path, int], None]) -> list[str]:
    """Give each mounted volume of `PLACES` to its user and return the names; what is inside is theirs already."""
    given = []
    for name, owner in PLACES.items():
        folder = volumes / name
        if folder.is_dir():
            folder.chmod(0o750)
            give(folder, owner)
            given.append(name)
    return given


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
    temporary.replace(path)


def _give(path: Path, owner: int) -> None:
    os.chown(path, owner, owner)


def main() -> None:
    """Do both, and say what was done without a secret in it."""
    made = make_secrets(VOLUMES / "secrets", _give)
    given = give_volumes(VOLUMES, _give)
    print(f"secrets made: {', '.join(made) or 'none, all are there'}; volumes given: {', '.join(given)}")


if __name__ == "__main__":
    main()
