"""Reads a request body within limits, and inflates it as it comes: a bomb is noticed before it has filled the memory.

Knows WSGI streams and content codings, nothing of OTLP.
"""

import zlib
from collections.abc import Iterator
from typing import IO, Final

from apps.storage.errors import BadData, TooLarge, UnsupportedMedia

CHUNK: Final = 65_536
_WINDOW: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's window bits of a coding; ``x-gzip`` is ``gzip`` (RFC 9110 §8.4.1.3)."""


def read_body(stream: IO[bytes], declared: int | None, coding: str, limit: int) -> bytes:
    """Return the whole body, inflated.

    Args:
        stream: where it comes from.
        declared: Content-Length, None where it is not told.
        coding: Content-Encoding as sent; empty and ``identity`` mean none.
        limit: bytes that it may have, before and after inflating.

    Raises:
        TooLarge: it has more.
        UnsupportedMedia: the coding is not gzip or deflate, or there are several.
        BadData: it is cut short, or not of that coding.
    """
    coding = coding.strip().lower()
    if coding not in ("", "identity") and coding not in _WINDOW:
        raise UnsupportedMedia(f"Content-Encoding is {coding[:80]}; expected gzip, deflate or none")
    if declared is not None and declared > limit:
        raise TooLarge(limit, "the body")
    parts = _limited(_chunks(stream, declared), limit, "the body")
    if coding in _WINDOW:
        parts = _limited(_inflated(parts, coding), limit, "the inflated body")
    return b"".join(parts)


def _chunks(stream: IO[bytes], declared: int | None) -> Iterator[bytes]:
    size = 0
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        yield chunk
    if declared is not None and size < declared:
        raise BadData(f"the body ends after {size} of {declared} bytes")


def _limited(parts: Iterator[bytes], limit: int, what: str) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > limit:
            raise TooLarge(limit, what)
        yield part


def _inflated(parts: Iterator[bytes], coding: str) -> Iterator[bytes]:
    inflater = zlib.decompressobj(_WINDOW[coding])
    has_any = False
    try:
        for part in parts:
            has_any = True
            left = part
            while left:
                if inflater.eof:
                    # A gzip body may be several members, one after the other (RFC 1952 §2.2).
                    if coding == "deflate":
                        raise BadData("the body goes on after its deflate data")
                    inflater = zlib.decompressobj(_WINDOW[coding])
                yield inflater.decompress(left, CHUNK)
                left = inflater.unconsumed_tail or inflater.unused_data
        while inflater.unconsumed_tail:
            yield inflater.decompress(inflater.unconsumed_tail, CHUNK)
    except zlib.error as error:
        raise BadData(f"the body is not {coding}: {error}") from error
    if has_any and not inflater.eof:
        raise BadData(f"the {coding} body is cut short")
