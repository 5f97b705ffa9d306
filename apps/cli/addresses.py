"""Where the gateway and storage are, and how that is known.

An option counts first, then the environment, then ``stack.json`` which a running native stack leaves in its run
directory, then the default ports moved by ``CAROUSEL_PORT_OFFSET``. A note about another offset than the one that
the environment names is a note about another stack, and is passed over.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from apps.cli.errors import Misused
from apps.web.ports import port
from apps.web.settings import SettingError, Settings

GATEWAY: Final = "gateway"
STORAGE: Final = "storage"
PROMETHEUS: Final = "prometheus"
VARIABLES: Final = {GATEWAY: "CAROUSEL_GATEWAY_URL", STORAGE: "CAROUSEL_STORAGE_API_URL"}
RUN_DIR: Final = ".run"
NOTE: Final = "stack.json"


@dataclass(frozen=True, slots=True)
class Address:
    """The base address of a part of the stack. *source* tells where it was found, for people."""

    part: str
    url: str
    source: str


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of a stack.

    *gateways* are all gateways that are known, the first of them is *gateway*. *prometheus* is None where nobody told
    of one. *nodes* are the names that the stack was started with. *run_dir* holds tokens and logs; it need not exist.
    """

    gateway: Address
    storage: Address
    run_dir: Path
    gateways: tuple[Address, ...] = ()
    prometheus: Address | None = None
    nodes: tuple[str, ...] = ()


def find(
    environ: Mapping[str, str], directory: Path, *, gateway: str | None = None, storage: str | None = None
) -> Addresses:
    """Return where the parts of the stack are.

    Args:
        environ: the environment.
        directory: the current directory; the run directory is looked for here and above.
        gateway: address that was given on the command line.
        storage: the same for storage.

    Raises:
        Misused: an address or the offset is of no known form.
    """
    run_dir = find_run_dir(environ, directory)
    note = _note(run_dir, environ.get("CAROUSEL_PORT_OFFSET", ""))
    path = run_dir / NOTE
    gateways = _gateways(gateway, environ, path, note)
    return Addresses(
        gateways[0],
        _address(STORAGE, storage, environ, path, note),
        run_dir,
        gateways,
        _prometheus(path, note),
        tuple(_texts(note, "nodes")),
    )


def find_run_dir(environ: Mapping[str, str], directory: Path) -> Path:
    """Return ``CAROUSEL_RUN_DIR``, else the nearest ``.run`` from *directory* up to the root of its repository.

    Outside of a repository the checkout that this program runs from is asked last.
    """
    given = environ.get("CAROUSEL_RUN_DIR")
    if given:
        return directory / given
    for place in (directory, *directory.parents):
        if (place / RUN_DIR).is_dir():
            return place / RUN_DIR
        if (place / ".git").exists():
            return place / RUN_DIR
    return Path(__file__).resolve().parents[2] / RUN_DIR


def _note(run_dir: Path, offset: str) -> Mapping[str, object]:
    try:
        note = json.loads((run_dir / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(note, dict) or (offset and str(note.get("offset")) != offset.strip()):
        return {}
    return note


def _gateways(
    given: str | None, environ: Mapping[str, str], path: Path, note: Mapping[str, object]
) -> tuple[Address, ...]:
    """Return every gateway. The variable may hold several, separated by commas, as service 1 reads it."""
    variable = VARIABLES[GATEWAY]
    if not given and (several := [part for part in environ.get(variable, "").split(",") if part.strip()]):
        return tuple(Address(GATEWAY, checked(value, variable), variable) for value in several)
    first = _address(GATEWAY, given, environ, path, note)
    noted = [Address(GATEWAY, checked(value, str(path)), str(path)) for value in _texts(note, "gateways")]
    return (first, *(one for one in noted if one.url != first.url)) if first.source == str(path) else (first,)


def _prometheus(path: Path, note: Mapping[str, object]) -> Address | None:
    noted = note.get(PROMETHEUS)
    return Address(PROMETHEUS, checked(noted, str(path)), str(path)) if isinstance(noted, str) and noted else None


def _texts(note: Mapping[str, object], key: str) -> list[str]:
    values = note.get(key)
    return [value for value in values if isinstance(value, str) and value] if isinstance(values, list) else []


def _address(
    part: str, given: str | None, environ: Mapping[str, str], path: Path, note: Mapping[str, object]
) -> Address:
    variable = VARIABLES[part]
    if given:
        return Address(part, checked(given, f"--{part}"), f"--{part}")
    if (value := environ.get(variable)) and value.strip(" ,"):
        return Address(part, checked(value, variable), variable)
    noted = note.get(part)
    if isinstance(noted, str) and noted:
        return Address(part, checked(noted, str(path)), str(path))
    try:
        offset = Settings(environ).whole("CAROUSEL_PORT_OFFSET", 0, at_most=50_000)
        number = port(part, offset)
    except (SettingError, ValueError) as error:
        raise Misused(str(error)) from error
    source = f"the default port, CAROUSEL_PORT_OFFSET={offset}" if offset else "the default port"
    return Address(part, f"http://127.0.0.1:{number}", source)


def checked(value: str, where: str) -> str:
    """Return *value* as a base address without a slash at its end; ``host:port`` alone is taken as http.

    Raises:
        Misused: it is no such address; *where* it came from is part of the message.
    """
    url = value.strip()
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise Misused(f"{where}: {value!r} is no address; expected one like http://127.0.0.1:8080")
    return url.rstrip("/")


def read_admin_token(run_dir: Path) -> str | None:
    """Return the admin token of the stack in *run_dir*; None where there is none that can be read."""
    try:
        return (run_dir / "secrets" / "admin").read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None
