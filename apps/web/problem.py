"""Problem details (RFC 9457): the one shape of every error that an app answers."""

import http
import json
import logging
from typing import Any

from flask import Flask, Response
from opentelemetry import trace
from opentelemetry.trace import format_trace_id
from werkzeug.exceptions import HTTPException

CONTENT_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)


def current_trace_id() -> str | None:
    """Return the 32 hex digits of the current trace, None outside of one."""
    span_context = trace.get_current_span().get_span_context()
    return format_trace_id(span_context.trace_id) if span_context.is_valid else None


def problem(status: int, detail: str, **members: Any) -> Response:
    """Return an error answer.

    Args:
        status: HTTP status code; its phrase, or that of its class where it is not registered, is the title.
        detail: what is wrong, and what was expected.
        members: extension members; one that is None is left out.
    """
    shape: dict[str, Any] = {
        "type": "about:blank",
        "title": _phrase(status),
        "status": status,
        "detail": detail,
        "traceId": current_trace_id(),
        **members,
    }
    body = json.dumps({key: value for key, value in shape.items() if value is not None}, ensure_ascii=False)
    return Response(body + "\n", status, content_type=CONTENT_TYPE)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        # RFC 9110 §15: an unknown code is read as the x00 of its class.
        return http.HTTPStatus(status // 100 * 100).phrase


def own_error(error: Exception) -> Response:
    """Return the answer to a request that met a bug of the server's own, and log that with its stack."""
    _log.error("request failed", exc_info=error)
    return problem(500, "This is an error of the server's own. Its log holds the cause under this trace id.")


def answer_problems(app: Flask) -> None:
    """Let *app* answer every error, those of the framework included, as problem details."""

    def of_http(error: HTTPException) -> Response:
        answer = problem(error.code or 500, error.description or "")
        for name, value in error.get_headers():
            if name.lower() in ("allow", "retry-after"):
                answer.headers[name] = value
        return answer

    app.register_error_handler(HTTPException, of_http)
    app.register_error_handler(Exception, own_error)
