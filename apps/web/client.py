"""Asks another node over ``requests``, within a deadline, and tells precisely how it failed.

::

    CallError
    ├── Unsent          the connection was refused: the request never left
    ├── TimedOut        no whole answer within the time that was left
    │   └── TooLate     no time was left to ask: the request never left
    ├── Reset           the connection broke after the request was sent
    └── Oversized       the answer is larger than allowed
"""

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from apps.web.deadline import Deadline

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
CONNECT_TIMEOUT_S: Final = 1.0


class CallError(Exception):
    """A node could not be asked. *error_type* is the ``error.type`` of it."""

    error_type = "_OTHER"


class Unsent(CallError):
    """The connection was refused or could not be made in time: the request never left."""

    error_type = "connection_refused"


class TimedOut(CallError):
    """There was no whole answer within the time that was left."""

    error_type = "timeout"


class TooLate(TimedOut):
    """No time was left to ask: the request never left, and nobody but the clock is to blame."""


class Reset(CallError):
    """The connection broke after the request was sent, so nobody knows what became of it."""

    error_type = "connection_reset"


class Oversized(CallError):
    """The answer is larger than allowed."""

    error_type = "bad_answer"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Session(requests.Session):
    """A session to which no answer is a redirect.

    Even when told not to follow one, requests works out where it leads, and reads the whole answer for it.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def new_session(connections: int) -> requests.Session:
    """Return a session that keeps up to *connections* open to each node and looks at no proxy settings.

    With fewer connections than threads, the surplus would be opened and thrown away for each request.
    """
    session = _Session()
    session.trust_env = False
    adapter = HTTPAdapter(pool_connections=64, pool_maxsize=connections, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def call(
    session: requests.Session, request: requests.PreparedRequest, deadline: Deadline, max_bytes: int = MAX_ANSWER_BYTES
) -> Answer:
    """Send *request* and return the whole answer, whatever its status. Redirects are not followed.

    Raises:
        Unsent: the request never left.
        TimedOut: the time was up first.
        TooLate: it was up before the request could leave.
        Reset: the connection broke after the request was sent.
        Oversized: the answer has more than *max_bytes*.
    """
    left_s = deadline.left_s()
    if left_s <= 0:
        raise TooLate("no time was left to ask")
    try:
        response = session.send(
            request, timeout=(min(CONNECT_TIMEOUT_S, left_s), left_s), stream=True, allow_redirects=False
        )
    except requests.ConnectTimeout as error:
        if left_s < CONNECT_TIMEOUT_S:
            raise TooLate(f"no connection within the {left_s:.3f} s that were left") from error
        raise Unsent(f"no connection within {CONNECT_TIMEOUT_S:g} s") from error
    except requests.Timeout as error:
        raise TimedOut(f"no answer within {left_s:.3f} s") from error
    except requests.ConnectionError as error:
        raise _broken(error) from error
    except requests.RequestException as error:
        raise Reset(f"the answer is no HTTP: {type(error).__name__}") from error
    with response:
        return Answer(response.status_code, response.headers, _body(response, deadline, max_bytes))


def _broken(error: requests.ConnectionError) -> CallError:
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, NewConnectionError):
        return Unsent(f"no connection: {_in_words(reason)}")
    return Reset(f"the connection broke before an answer came: {_in_words(reason)}")


def _in_words(error: object) -> str:
    """Return why a connection broke, for people: the system's words where it has some, never an object's repr."""
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        if isinstance(error, http.client.RemoteDisconnected):
            return "the other side closed it"
        if isinstance(error, http.client.IncompleteRead):
            return "it ended too soon"
        if isinstance(error, http.client.HTTPException):
            return "what came is no HTTP response"
        error = _cause_of(error)
    return "the other side did not keep to HTTP"


def _cause_of(error: object) -> object:
    """Return the error inside one of urllib3's, which carry it as an argument or as their cause."""
    inner = next((one for one in getattr(error, "args", ()) if isinstance(one, Exception)), None)
    return inner or getattr(error, "__cause__", None) or getattr(error, "__context__", None)


def _body(response: requests.Response, deadline: Deadline, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        while part := _next_part(response, deadline):
            parts.append(part)
            size += len(part)
            if size > max_bytes:
                raise Oversized(f"the answer has more than {max_bytes} bytes")
    except ReadTimeoutError as error:
        raise TimedOut("the answer was not whole in time") from error
    except (HTTPError, OSError) as error:
        raise Reset(f"the connection broke within the answer: {_in_words(error)}") from error
    return b"".join(parts)


def _next_part(response: requests.Response, deadline: Deadline) -> bytes:
    """Return what has come of the body, empty at its end.

    A node that drips bytes cannot stretch the deadline: read1 returns what there is, and each wait is for the time that
    is left now, not for that which was left when the request was sent.
    """
    left_s = deadline.left_s()
    if left_s <= 0:
        raise TimedOut("the answer was not whole in time")
    sock = getattr(response.raw.connection, "sock", None)
    if sock is not None:
        sock.settimeout(left_s)
    part: bytes = response.raw.read1(65_536, decode_content=True)
    return part


def monotonic_ms(since: float) -> float:
    """Return the milliseconds since *since*, a reading of `time.monotonic`, to the microsecond."""
    return round((time.monotonic() - since) * 1000, 3)
