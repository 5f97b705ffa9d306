"""Asks the gateway and storage over HTTP, and turns what goes wrong into one clear line.

Looks at no proxy settings and follows no redirects: a stack is where its address says.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter

from apps.cli.addresses import Address
from apps.cli.errors import NotFound, Refused, Unreachable
from apps.cli.escaping import plain

CONNECT_S: Final = 2.0
ANSWER_S: Final = 15.0
USER_AGENT: Final = "carousel-cli"
TOKEN_HINT: Final = "the admin token is read from secrets/admin in the run directory; CAROUSEL_RUN_DIR names that"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the decoded body; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class NoReply(Exception):
    """No answer came. *was_refused* tells that nobody listens, so nothing was sent."""

    def __init__(self, reason: str, *, was_refused: bool) -> None:
        super().__init__(reason)
        self.was_refused = was_refused


class Api:
    """One part of the stack. Safe to use from several threads, up to *connections* at once.

    Args:
        address: where it is.
        token: bearer token to send along.
        answer_s: seconds to wait for an answer.
        connect_s: seconds to wait for a connection.
        connections: requests that may be under way at once.
    """

    def __init__(
        self,
        address: Address,
        *,
        token: str | None = None,
        answer_s: float = ANSWER_S,
        connect_s: float = CONNECT_S,
        connections: int = 4,
    ) -> None:
        self.address = address
        self._timeout = (connect_s, answer_s)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = USER_AGENT
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=connections, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """Send a request and return the answer, whatever its status.

        Raises:
            NoReply: none came.
        """
        answer = self._request(method, path, headers=headers, body=body)
        return Reply(answer.status_code, answer.headers, answer.content)

    def open(self, path: str) -> requests.Response:
        """Return an answer whose body is still to be read, for a stream; whoever asked closes it.

        Raises:
            Unreachable: no answer came.
            NotFound: the answer is 404.
            Refused: the answer is another error.
        """
        try:
            answer = self._request("GET", path, headers={"Accept": "text/event-stream"}, is_stream=True)
            if answer.status_code == 200:
                return answer
            reply = Reply(answer.status_code, answer.headers, answer.content)
        except NoReply as error:
            raise unreachable(self.address, str(error)) from error
        except requests.RequestException as error:
            raise unreachable(self.address, "the connection broke before the answer was whole") from error
        # An error that is kept keeps this frame, which would keep the connection.
        del answer
        self._refuse(reply)

    def _request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        is_stream: bool = False,
    ) -> requests.Response:
        """Return the answer, or raise NoReply."""
        try:
            return self._session.request(
                method,
                self.address.url + path,
                headers=headers,
                data=body,
                timeout=self._timeout,
                allow_redirects=False,
                stream=is_stream,
            )
        except requests.ConnectTimeout as error:
            raise NoReply(f"no connection within {self._timeout[0]:g} s", was_refused=True) from error
        except requests.Timeout as error:
            raise NoReply(f"no answer within {self._timeout[1]:g} s", was_refused=False) from error
        except requests.ConnectionError as error:
            raise _broken(error) from error
        except requests.RequestException as error:
            raise NoReply(plain(str(error)), was_refused=False) from error

    def get(self, path: str, parameters: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
        """Return the JSON object at *path*.

        Raises:
            Unreachable: no answer came.
            NotFound: the answer is 404.
            Refused: the answer is another error, or no JSON object.
        """
        encoded = urlencode(list(parameters))
        return self._ask("GET", f"{path}?{encoded}" if encoded else path)

    def change(self, method: str, path: str, shape: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a change, with *shape* as its JSON body if there is one, and return the JSON object of the answer.

        Raises as `get` does.
        """
        if shape is None:
            return self._ask(method, path)
        return self._ask(method, path, headers={"Content-Type": "application/json"}, body=json.dumps(shape).encode())

    def _ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> dict[str, Any]:
        try:
            reply = self.send(method, path, headers=headers, body=body)
        except NoReply as error:
            raise unreachable(self.address, str(error)) from error
        shape = reply.json()
        if reply.status in (200, 201) and isinstance(shape, dict):
            return shape
        self._refuse(reply)

    def _refuse(self, reply: Reply) -> NoReturn:
        part, url, shape = self.address.part, self.address.url, reply.json()
        if reply.status in (200, 201):
            raise Refused(
                f"what answers at {url} is no {part}: its answer is not a JSON object",
                f"is the address right? it comes from {self.address.source}",
            )
        detail = shape.get("detail") or shape.get("title") if isinstance(shape, dict) else None
        said = f": {plain(str(detail))}" if detail else ""
        kind = NotFound if reply.status == 404 else Refused
        hint = TOKEN_HINT if reply.status in (401, 403) else ""
        raise kind(f"{part} answered {reply.status}{said}", hint, status=reply.status)


def unreachable(address: Address, reason: str) -> Unreachable:
    """Return the error that tells what was tried and what to run."""
    return Unreachable(
        f"cannot reach {'the gateway' if address.part == 'gateway' else address.part} at {address.url} "
        f"(address from {address.source}): {reason}",
        f"start the stack with `make demo`, or say where it is with --{address.part} URL",
    )


def _broken(error: requests.ConnectionError) -> NoReply:
    """Tell a refused connection from one that broke, without the library's own words about pools and retries."""
    cause: object = error.args[0] if error.args else error
    reason = getattr(cause, "reason", cause)
    name = type(reason).__name__
    if name == "NameResolutionError":
        return NoReply("the name of the host is not known", was_refused=True)
    if name == "NewConnectionError":
        words = str(reason).rsplit(":", 1)[-1].strip()
        return NoReply("connection refused" if "refused" in words else plain(words), was_refused=True)
    return NoReply("the connection broke before the answer was whole", was_refused=False)
