"""The admin API of a gateway, as far as the native stack needs it: the members of its rings, and orders for bugs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from deploy.native.listeners import ask

PATIENCE_S: Final = 5.0
"""How long a gateway that does not answer, or is too busy to, is asked again."""
PAUSE_S: Final = 0.1
IN_RING: Final = ("linked", "probation")


class AdminError(Exception):
    """A gateway did not do what it was asked; the words name it and hold its own."""


@dataclass(frozen=True)
class Member:
    """A node as a gateway sees it."""

    address: str
    state: str
    reason: str
    in_flight: int

    @property
    def is_linked(self) -> bool:
        """It gets requests."""
        return self.state in IN_RING

    @property
    def is_leaving(self) -> bool:
        """It was told to go, or said so itself; it may still have something in flight."""
        return self.state in ("draining", "drained")

    @property
    def has_worked_off(self) -> bool:
        """It gets nothing new, and nothing is in flight."""
        return self.state not in IN_RING and self.in_flight == 0


@dataclass(frozen=True)
class Gateway:
    """One gateway that runs. *patience_s* bounds how long one that does not answer is asked again."""

    url: str
    token: str
    patience_s: float = PATIENCE_S

    def members(self, service: str) -> Mapping[str, Member]:
        """Return the members of the ring of *service* by address.

        Raises:
            AdminError: the gateway does not answer as it should.
        """
        shape = self._ask("GET", "/admin/rings", expected=(200,))
        try:
            ring = next(ring for ring in shape["rings"] if ring["service"] == service)
            return {row["address"]: _member(row) for row in ring["members"]}
        except (KeyError, TypeError, StopIteration) as error:
            raise AdminError(f"{self.url}/admin/rings does not tell the ring of {service}") from error

    def add(self, service: str, address: str) -> None:
        """Add the node at *address*, or take one back that was drained.

        Raises:
            AdminError: it was refused.
        """
        self._ask("POST", f"/admin/rings/{service}/members", {"address": address}, expected=(200, 201))

    def drain(self, service: str, address: str) -> bool:
        """Give the node at *address* nothing new; return False if the gateway does not know it.

        Raises:
            AdminError: it was refused.
        """
        answer = self._ask("POST", f"{_path(service, address)}/drain", {}, expected=(200, 404))
        return "address" in answer

    def remove(self, service: str, address: str) -> None:
        """Forget the node at *address*; one that the gateway does not know is no error.

        Raises:
            AdminError: it was refused.
        """
        self._ask("DELETE", _path(service, address), expected=(204, 404))

    def bug_orders(self) -> Mapping[str, str]:
        """Return the rates of bugs that are ordered, by target.

        Raises:
            AdminError: the gateway does not answer as it should.
        """
        shape = self._ask("GET", "/admin/bugs", expected=(200,))
        try:
            return {str(order["target"]): str(order["rates"]) for order in shape["orders"]}
        except (KeyError, TypeError) as error:
            raise AdminError(f"{self.url}/admin/bugs does not tell what is ordered") from error

    def order_bugs(self, target: str, rates: str) -> None:
        """Order bugs for a service or a node; one that the gateway does not know is no error.

        Raises:
            AdminError: it was refused.
        """
        self._ask("PUT", f"/admin/bugs/{quote(target, safe='')}", {"rates": rates}, expected=(200, 404))

    def _ask(self, method: str, path: str, body: Any = None, *, expected: tuple[int, ...]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        deadline = time.monotonic() + self.patience_s
        while True:
            data = None if body is None else json.dumps(body).encode()
            status, answer = ask(method, f"{self.url}{path}", data, headers, 5.0)
            if status not in (0, 503) or time.monotonic() > deadline:
                break
            time.sleep(PAUSE_S)
        if status not in expected:
            raise AdminError(f"{method} {self.url}{path} answered {status or 'nothing'}{_detail(answer)}")
        return _decoded(answer)


def _path(service: str, address: str) -> str:
    return f"/admin/rings/{service}/members/{quote(address, safe='')}"


def _member(row: Mapping[str, Any]) -> Member:
    return Member(str(row["address"]), str(row["state"]), str(row.get("reason") or ""), int(row.get("inFlight") or 0))


def _decoded(answer: bytes) -> dict[str, Any]:
    try:
        shape = json.loads(answer)
    except ValueError:
        return {}
    return shape if isinstance(shape, dict) else {}


def _detail(answer: bytes) -> str:
    problem = _decoded(answer)
    words = problem.get("detail") or problem.get("title")
    return f": {words}" if words else ""
