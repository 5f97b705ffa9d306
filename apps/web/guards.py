"""What an app refuses before it looks at a request: foreign hosts, foreign forms, missing tokens.

A page in a browser can reach loopback too. It cannot forge the host it asks for, nor send JSON to another origin
without asking first; an app that checks both does not take its orders.
"""

import hmac
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flask import Flask, Response, request

from apps.web.problem import problem
from apps.web.settings import SettingError

FORMS: Final = ("application/json", "application/x-protobuf")


def host_name(field: str) -> str:
    """Return the name in a Host field without its port, in lower case (RFC 9110 §7.2)."""
    name = field.strip().lower()
    if name.startswith("["):
        return name[: name.find("]") + 1]
    return name.rsplit(":", 1)[0] if ":" in name else name


class AllowedHosts:
    """The names, addresses and networks that a request may be addressed to.

    A network (``172.16.0.0/12``) stands for every address in it: containers ask each other by addresses that nobody
    knows beforehand. A page in a browser gains nothing by it: a name that it rebinds is still a name.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        """Raises ValueError for a network that is none."""
        self._names = frozenset(item.lower() for item in allowed if "/" not in item)
        self._networks = tuple(ipaddress.ip_network(item) for item in allowed if "/" in item)

    def __contains__(self, name: str) -> bool:
        """Tell whether *name*, as `host_name` gives it, is one of them."""
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name[1:-1] if name.startswith("[") else name)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def guard_hosts(app: Flask, allowed: Sequence[str]) -> None:
    """Let *app* answer 421 (RFC 9110 §15.5.20) to requests for a host that is not one of *allowed*."""
    hosts = AllowedHosts(allowed)
    listed = ", ".join(sorted({item.lower() for item in allowed}))

    def check() -> Response | None:
        if host_name(request.headers.get("Host", "")) in hosts:
            return None
        return problem(
            421,
            f"This server answers for {listed} only; CAROUSEL_ALLOWED_HOSTS names them.",
        )

    app.before_request(check)


def guard_forms(app: Flask, forms: Sequence[str] = FORMS) -> None:
    """Let *app* answer 415 to a body that is in none of *forms*. A request without a body passes."""

    def check() -> Response | None:
        has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
        if not has_body or request.mimetype in forms:
            return None
        return problem(415, f"Content-Type is {request.mimetype or 'missing'}; expected {' or '.join(forms)}.")

    app.before_request(check)


def read_token(path: Path) -> str:
    """Return the token in the file *path*.

    Raises:
        SettingError: there is no such file, it is empty, or it holds no ASCII.
    """
    try:
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingError("token file", str(path), f"a readable file with a token ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingError("token file", str(path), "a file with a token of ASCII characters") from error
    if not token:
        raise SettingError("token file", str(path), "a file with a token, not an empty one")
    return token


def bears(*tokens: str) -> bool:
    """Tell whether the current request carries one of *tokens* as its bearer token (RFC 6750 §2.1).

    An empty token is nobody's: a request that carries none does not match it.
    """
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    matches = [hmac.compare_digest(given.strip().encode(), token.encode()) for token in tokens if token]
    return scheme.lower() == "bearer" and any(matches)


def unauthorized() -> Response:
    """Return the answer to a request without a token that would do."""
    answer = problem(401, "A bearer token is needed. The native stack keeps its tokens in .run/secrets.")
    answer.headers["WWW-Authenticate"] = 'Bearer realm="carousel"'
    return answer
