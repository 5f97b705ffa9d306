"""How service 1 asks for service 2: through a gateway, which alone knows where that is.

Any gateway will do. A node keeps to one as long as it can be connected to, and then goes on with the next: a request
that never left may be sent elsewhere, one that did may not.
"""

import threading
from collections.abc import Sequence

import requests
from opentelemetry import context
from requests.structures import CaseInsensitiveDict

from apps.telemetry.steps import Leg
from apps.telemetry.trail import Trail
from apps.web import headers
from apps.web.client import Answer, TooLate, Unsent, call
from apps.web.deadline import Deadline


class GatewayClient:
    """Asks a gateway for service 2.

    Args:
        base_urls: of the gateways, at least one. One that cannot be connected to is passed over for the next; the one
            that could is asked first from then on.
        token: that the gateways ask for.
        node: name of this node.
        session: keeps the connections.
    """

    def __init__(self, base_urls: Sequence[str], token: str, node: str, session: requests.Session) -> None:
        self._base_urls = tuple(url.rstrip("/") for url in base_urls)
        self._lock = threading.Lock()
        self._authorization = f"Bearer {token}"
        self._node = node
        self._session = session

    def ask(
        self, trail: Trail, method: str, body: bytes, deadline: Deadline, handed_on: Sequence[tuple[str, str]]
    ) -> Answer:
        """Return a gateway's answer for service 2, whatever its status.

        Raises:
            CallError: no gateway could be asked, or the one that was did not answer well or in time.
        """
        # What was sent may have been acted on: only a request that never left goes to another gateway.
        base_urls = self._base_urls
        for base_url in base_urls[:-1]:
            try:
                return self._ask(base_url, trail, method, body, deadline, handed_on)
            except Unsent:
                continue
        return self._ask(base_urls[-1], trail, method, body, deadline, handed_on)

    def _ask(
        self,
        base_url: str,
        trail: Trail,
        method: str,
        body: bytes,
        deadline: Deadline,
        handed_on: Sequence[tuple[str, str]],
    ) -> Answer:
        left_ms = deadline.for_next_hop_ms()
        if left_ms <= 0:
            raise TooLate("no time was left to ask")
        request = requests.PreparedRequest()
        request.method = method
        request.url = f"{base_url}/internal/service2/{trail.entity}"
        request.headers = CaseInsensitiveDict(handed_on)
        request.headers["Authorization"] = self._authorization
        request.headers["Accept-Encoding"] = "identity"
        request.headers[headers.NODE] = self._node
        request.headers[headers.DEADLINE_MS] = str(left_ms)
        request.body = body or None
        if body or method == "POST":
            request.headers["Content-Length"] = str(len(body))
        token = context.attach(trail.baggage(Leg.SERVICE1))
        try:
            answer = call(self._session, request, deadline)
        finally:
            context.detach(token)
        self._prefer(base_url)
        return answer

    def _prefer(self, base_url: str) -> None:
        if self._base_urls[0] != base_url:
            with self._lock:
                self._base_urls = (base_url, *(url for url in self._base_urls if url != base_url))
