"""Asks the gateways' admin API: what is in the rings, which bugs are ordered; and changes both.

Several gateways have each their own rings and orders: what is changed is changed at all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import requests

TIMEOUT_S = 3.0
MAX_WORDS = 160


class AdminError(Exception):
    """A gateway did not do what it was asked; the words say which and why."""


class Admin:
    """The admin API of *gateways* (base addresses), with the bearer *token*."""

    def __init__(self, gateways: Sequence[str], token: str) -> None:
        self._gateways = gateways
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def members(self) -> dict[str, list[Mapping[str, Any]]]:
        """Return the members of each service's ring, as the first gateway has them.

        Raises:
            AdminError: it does not say.
        """
        shape = self._ask(self._gateways[0], "GET", "/admin/rings")
        return {str(ring["service"]): list(ring["members"]) for ring in shape["rings"]}

    def orders(self) -> dict[str, str]:
        """Return the bugs that are ordered by target, as the first gateway has them.

        Raises:
            AdminError: it does not say.
        """
        shape = self._ask(self._gateways[0], "GET", "/admin/bugs")
        return {str(order["target"]): str(order["rates"]) for order in shape["orders"]}

    def order(self, target: str, rates: str) -> None:
        """Order the bugs *rates* of *target*, a service or a node."""
        self._at_all("PUT", f"/admin/bugs/{quote(target)}", {"rates": rates})

    def withdraw(self, target: str) -> None:
        """Take back what is ordered of *target*; nothing happens if nothing is."""
        self._at_all("DELETE", f"/admin/bugs/{quote(target)}", may_be_missing=True)

    def drain(self, service: str, name: str) -> None:
        """Let the member *name* of *service* get nothing new."""
        self._at_all("POST", f"/admin/rings/{quote(service)}/members/{quote(name)}/drain")

    def take_back(self, service: str, address: str) -> None:
        """Let the member of *service* at *address* be in the ring, whatever it was before."""
        self._at_all("POST", f"/admin/rings/{quote(service)}/members", {"address": address})

    def _at_all(
        self, method: str, path: str, body: Mapping[str, str] | None = None, may_be_missing: bool = False
    ) -> None:
        faults = []
        for gateway in self._gateways:
            try:
                self._ask(gateway, method, path, body, may_be_missing)
            except AdminError as error:
                faults.append(str(error))
        if faults:
            raise AdminError("; ".join(faults))

    def _ask(
        self,
        gateway: str,
        method: str,
        path: str,
        body: Mapping[str, str] | None = None,
        may_be_missing: bool = False,
    ) -> Any:
        try:
            answer = self._session.request(method, gateway + path, json=body, timeout=TIMEOUT_S)
            if answer.status_code < 300:
                return answer.json() if answer.content else None
            if answer.status_code == 404 and may_be_missing:
                return None
            words = _detail(answer)
        except (requests.RequestException, ValueError) as error:
            words = str(error)
        raise AdminError(f"{method} {gateway}{path}: {words}"[:MAX_WORDS])


def _detail(answer: requests.Response) -> str:
    try:
        return f"{answer.status_code} {answer.json()['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason}"
