"""How service 1 asks for service 2: through the gateway, which alone knows where that is."""

from collections.abc import Sequence

import requests
from opentelemetry import context
from requests.structures import CaseInsensitiveDict

from apps.telemetry.steps import Leg
from apps.telemetry.trail import Trail
from apps.web import headers
from apps.web.client import Answer, TooLate, call
from apps.web.deadline import Deadline


class GatewayClient:
    """Asks the gateway for service 2.

    Args:
        base_url: of the gateway.
        token: that the gateway asks for.
        node: name of this node.
        session: keeps the connections.
    """

    def __init__(self, base_url: str, token: str, node: str, session: requests.Session) -> None:
        self._base_url = base_url.rstrip("/")
        self._authorization = f"Bearer {token}"
        self._node = node
        self._session = session

    def ask(
        self, trail: Trail, method: str, body: bytes, deadline: Deadline, handed_on: Sequence[tuple[str, str]]
    ) -> Answer:
        """Return the gateway's answer for service 2, whatever its status.

        Raises:
            CallError: the gateway could not be asked, or did not answer in time.
        """
        left_ms = deadline.for_next_hop_ms()
        if left_ms <= 0:
            raise TooLate("no time was left to ask")
        request = requests.PreparedRequest()
        request.method = method
        request.url = f"{self._base_url}/internal/service2/{trail.entity}"
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
            return call(self._session, request, deadline)
        finally:
            context.detach(token)
