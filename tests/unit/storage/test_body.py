"""How bodies are read and inflated within limits."""

import gzip
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.storage.body import read_body
from apps.storage.errors import BadData, TooLarge, UnsupportedMedia

TEXT = b"a body " * 50


@pytest.mark.parametrize(
    ("sent", "coding"),
    [
        (TEXT, ""),
        (TEXT, "identity"),
        (gzip.compress(TEXT), "gzip"),
        (gzip.compress(TEXT), " GZIP "),
        (gzip.compress(TEXT), "x-gzip"),
        (gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]), "gzip"),
        (zlib.compress(TEXT), "deflate"),
    ],
)
def test_body_is_read_in_every_coding(sent: bytes, coding: str) -> None:
    """Also a gzip body of several members (RFC 1952 §2.2)."""
    assert TEXT == read_body(io.BytesIO(sent), len(sent), coding, 1000)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress", "text/plain"])
def test_other_coding_is_unsupported(coding: str) -> None:
    """The error names what is supported."""
    with pytest.raises(UnsupportedMedia, match="expected gzip, deflate or none"):
        read_body(io.BytesIO(b""), 0, coding, 1000)


@pytest.mark.parametrize(
    ("sent", "declared", "coding"),
    [(b"x" * 1001, 1001, ""), (b"x" * 1001, None, ""), (gzip.compress(b"x" * 1001), None, "gzip")],
    ids=["declared", "not declared", "inflated"],
)
def test_body_over_the_limit_is_too_large(sent: bytes, declared: int | None, coding: str) -> None:
    """Before and after inflating."""
    with pytest.raises(TooLarge, match="1000 bytes"):
        read_body(io.BytesIO(sent), declared, coding, 1000)


def test_body_of_exactly_the_limit_is_read() -> None:
    """The limit itself is allowed."""
    assert b"x" * 1000 == read_body(io.BytesIO(gzip.compress(b"x" * 1000)), None, "gzip", 1000)


class CountingStream(io.BytesIO):
    """Tells how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        """Read, and count."""
        part = super().read(size)
        self.taken += len(part)
        return part


def test_bomb_is_noticed_before_it_is_unpacked() -> None:
    """A gigabyte of zeros is refused after the limit, not after the gigabyte."""
    bomb = gzip.compress(bytes(1 << 20)) * 1024
    stream = CountingStream(bomb)
    with pytest.raises(TooLarge, match="inflated"):
        read_body(stream, len(bomb), "gzip", 2 << 20)
    assert stream.taken < len(bomb) / 2


@pytest.mark.parametrize(
    ("sent", "declared", "coding"),
    [
        (b"plain", None, "gzip"),
        (gzip.compress(TEXT)[:-3], None, "gzip"),
        (gzip.compress(TEXT) + b"rest", None, "gzip"),
        (zlib.compress(TEXT) + b"rest", None, "deflate"),
        (zlib.compress(TEXT)[:-3], None, "deflate"),
        (b"short", 10, ""),
    ],
)
def test_broken_body_is_bad_data(sent: bytes, declared: int | None, coding: str) -> None:
    """Cut short, followed by something else, or not of that coding at all."""
    with pytest.raises(BadData):
        read_body(io.BytesIO(sent), declared, coding, 10_000)


@given(st.binary(max_size=100), st.sampled_from(["gzip", "deflate", ""]))
def test_no_bytes_break_the_reader(sent: bytes, coding: str) -> None:
    """Whatever comes is a body or BadData."""
    try:
        read = read_body(io.BytesIO(sent), None, coding, 1000)
    except (BadData, TooLarge):
        return
    assert isinstance(read, bytes)
