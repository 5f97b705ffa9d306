"""Which header fields a gateway hands on (RFC 9110 §7.6), in both directions. Pure."""

from collections.abc import Iterable
from typing import Final

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Fields for one connection only (RFC 9110 §7.6.1, with those that were never registered)."""

NOT_FROM_CLIENT: Final = frozenset(
    {
        "host",
        "content-length",
        "expect",
        "accept-encoding",
        # The context is handed on by the instrumentation, cleaned of members that are not a client's to set.
        "traceparent",
        "tracestate",
        "baggage",
        # Who asked is the gateway's to say.
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "x-trace-id",
        "x-served-by",
    }
)
NOT_FROM_REPLICA: Final = frozenset(
    {"content-length", "content-encoding", "date", "server", "x-trace-id", "x-served-by"}
)
OUR_PREFIX: Final = "x-carousel-"

Fields = Iterable[tuple[str, str]]


def _end_to_end(fields: Fields, dropped: frozenset[str]) -> list[tuple[str, str]]:
    fields = list(fields)
    nominated = {
        name.strip().lower() for key, value in fields if key.lower() == "connection" for name in value.split(",")
    }
    return [
        (key, value)
        for key, value in fields
        if key.lower() not in HOP_BY_HOP
        and key.lower() not in nominated
        and key.lower() not in dropped
        and not key.lower().startswith(OUR_PREFIX)
    ]


def _with_via(fields: list[tuple[str, str]], pseudonym: str) -> list[tuple[str, str]]:
    before = [value for key, value in fields if key.lower() == "via"]
    rest = [(key, value) for key, value in fields if key.lower() != "via"]
    return [*rest, ("Via", ", ".join([*before, f"1.1 {pseudonym}"]))]


def for_replica(fields: Fields, pseudonym: str) -> list[tuple[str, str]]:
    """Return what of a client's *fields* goes on to a replica, with ``Via`` (RFC 9110 §7.6.3)."""
    return _with_via(_end_to_end(fields, NOT_FROM_CLIENT), pseudonym)


def for_client(fields: Fields, pseudonym: str) -> list[tuple[str, str]]:
    """Return what of a replica's *fields* goes back to the client, with ``Via``."""
    return _with_via(_end_to_end(fields, NOT_FROM_REPLICA), pseudonym)
