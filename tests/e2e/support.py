"""Asks a running stack, as a client, as a reader of storage, and as a reader of Prometheus."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests

from deploy.native.stack import Stack

GATEWAY_THREADS = 32
HEALTHY = {"X-Carousel-Fault": "none"}


def eventually(look: Callable[[], Any], what: str, within_s: float = 15.0, every_s: float = 0.1) -> Any:
    """Return the first truthy thing that *look* returns; fail the test if there is none in time."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not in {within_s} s: {what} (last seen: {found!r})"
        time.sleep(every_s)


@dataclass
class Ask:
    """One running stack and a session to ask it with."""

    stack: Stack
    session: requests.Session

    def client(self, method: str = "POST", entity: str = "orders", **headers: str) -> requests.Response:
        """Send one client request; a header is named with underscores."""
        fields = HEALTHY | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(method, f"{self.stack.gateway}/api/{entity}", headers=fields, timeout=20)

    def storage(self, path: str, **parameters: Any) -> Any:
        """Return storage's answer to a search as JSON, None if it knows nothing of it."""
        answer = self.session.get(f"{self.stack.storage}/api/v1/{path}", params=parameters, timeout=10)
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rings(self) -> dict[str, dict[str, Any]]:
        """Return the members of each ring by node name."""
        token = self.stack.token("admin")
        answer = self.session.get(
            f"{self.stack.gateway}/admin/rings", headers={"Authorization": f"Bearer {token}"}, timeout=5
        )
        assert answer.status_code == 200, answer.text
        return {
            ring["service"]: {member["node"]: member for member in ring["members"]} for ring in answer.json()["rings"]
        }

    def ring_is_whole(self) -> bool:
        """Tell whether every member of both rings may be picked, and is alive: a death takes a moment to be noticed."""
        members = [member for ring in self.rings().values() for member in ring.values()]
        return all(member["state"] in ("linked", "probation") and self._is_ready(member) for member in members)

    def _is_ready(self, member: dict[str, Any]) -> bool:
        try:
            return self.session.get(f"http://{member['address']}/readyz", timeout=2).status_code == 200
        except requests.ConnectionError:
            return False

    def journeys(self, trace_id: str) -> list[dict[str, Any]]:
        """Return what storage has of a trace's journeys by now."""
        answer = self.storage(f"traces/{trace_id}/journeys")
        return list(answer["journeys"]) if answer else []

    def whole_journey(self, trace_id: str, within_s: float = 15.0) -> dict[str, Any]:
        """Return the one journey of a trace once it is complete."""
        last: list[Any] = []

        def look() -> dict[str, Any] | None:
            last[:] = self.journeys(trace_id)
            return last[0] if len(last) == 1 and last[0]["complete"] else None

        try:
            return eventually(look, f"the whole journey of {trace_id}", within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; storage has {last}") from None

    def spans(self, trace_id: str) -> list[dict[str, Any]]:
        """Return the spans of a trace, each with its node."""
        answer = self.storage(f"traces/{trace_id}") or {"resourceSpans": []}
        return [
            span | {"node": _attributes(group["resource"])["service.instance.id"]}
            for group in answer["resourceSpans"]
            for scope in group["scopeSpans"]
            for span in scope["spans"]
        ]

    def prometheus(self, query: str) -> list[dict[str, Any]]:
        """Return the vector that a PromQL query gives."""
        answer = self.session.get(f"{self.stack.prometheus}/api/v1/query", params={"query": query}, timeout=10).json()
        assert answer["status"] == "success", answer
        return list(answer["data"]["result"])


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {item["key"]: next(iter(item["value"].values())) for item in holder.get("attributes", ())}


def served_by(answers: list[requests.Response]) -> tuple[Counter[str], Counter[str]]:
    """Return how many answers each node of service 1 and of service 2 had a part in."""
    shapes = [answer.json() for answer in answers]
    return (
        Counter(shape["service1"]["node"] for shape in shapes),
        Counter(shape["service2"]["node"] for shape in shapes),
    )


class SteadyLoad:
    """Clients that send GETs without a pause until told to stop; every answer is kept."""

    def __init__(self, ask: Ask, clients: int = 4, every_s: float = 0.05) -> None:
        self._ask = ask
        self._clients = clients
        self._every_s = every_s
        self._stopping = False
        self._pool = ThreadPoolExecutor(clients)
        self.answers: list[requests.Response] = []

    def __enter__(self) -> "SteadyLoad":
        self._runs = [self._pool.submit(self._run) for _ in range(self._clients)]
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopping = True
        self._pool.shutdown()
        for run in self._runs:
            run.result()

    def _run(self) -> None:
        with requests.Session() as session:
            client = Ask(self._ask.stack, session)
            while not self._stopping:
                self.answers.append(client.client("GET"))
                time.sleep(self._every_s)
