"""The name that the network has for an address, asked of a name server of the test's own."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.web import reverse

Answer = Callable[[bytes], bytes]


def _name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def _record(kind: int, data: bytes) -> bytes:
    # The owner's name as a pointer to the question (RFC 1035 §4.1.4).
    return b"\xc0\x0c" + struct.pack("!2HIH", kind, 1, 60, len(data)) + data


def answering(*records: bytes, flags: int = 0x8180) -> Answer:
    """Return what a server sends: the question again, then *records*."""
    return lambda query: query[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0) + query[12:] + b"".join(records)


@pytest.fixture
def server() -> Iterator[Callable[[Answer], int]]:
    """Starts a name server that answers one query, and returns its port."""
    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = []

    def start(answer: Answer) -> int:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(5)

        def serve() -> None:
            query, client = udp.recvfrom(512)
            udp.sendto(answer(query), client)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        sockets.append(udp)
        return int(udp.getsockname()[1])

    yield start
    for thread in threads:
        thread.join()
    for udp in sockets:
        udp.close()


def test_the_name_of_an_address_is_asked_backwards(server: Callable[[Answer], int]) -> None:
    """172.18.0.5 is 5.0.18.172.in-addr.arpa; other records before the name are passed over."""
    seen: list[bytes] = []
    reply = answering(_record(5, _name("alias.example")), _record(12, _name("carousel-service1-2.carousel_default")))

    def answer(query: bytes) -> bytes:
        seen.append(query)
        return reply(query)

    assert "carousel-service1-2.carousel_default" == reverse.name_of("172.18.0.5", "127.0.0.1", server(answer))
    assert _name("5.0.18.172.in-addr.arpa") + struct.pack("!2H", 12, 1) == seen[0][12:]


@pytest.mark.parametrize("answer", [
    answering(flags=0x8183),
    answering(),
    answering(_record(1, b"\x7f\0\0\1")),
    lambda query: b"\0\0" + answering(_record(12, _name("other")))(query)[2:],
    lambda query: query[:7],
    answering(_record(12, b"\xc0\x0c")[:-2] + b"\xc0\xff"),
], ids=["no such name", "nothing", "no name", "another's answer", "cut off", "points nowhere"])  # fmt: skip
def test_an_answer_without_a_name_is_no_name(server: Callable[[Answer], int], answer: Answer) -> None:
    """Not known, and no error."""
    name = reverse.name_of("10.0.0.1", "127.0.0.1", server(answer), limit_s=2)

    assert name is None or name == "1.0.0.10.in-addr.arpa"


def test_a_server_that_says_nothing_is_not_waited_for_long() -> None:
    """A start is not held up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))

        assert reverse.name_of("10.0.0.1", "127.0.0.1", udp.getsockname()[1], limit_s=0.05) is None


@given(st.binary(max_size=200))
def test_no_packet_does_harm(packet: bytes) -> None:
    """Whatever a server sends ends in a name, in none, or in one of the errors that `name_of` knows."""
    with contextlib.suppress(ValueError, IndexError, struct.error):
        reverse._answer(int.from_bytes(packet[:2]), packet)


def test_a_name_that_runs_in_a_circle_ends() -> None:
    """RFC 1035 §4.1.4 leaves that to the reader."""
    with pytest.raises(ValueError, match="does not end"):
        reverse._read_name(b"\xc0\x00", 0)


def test_name_servers_are_read_in_their_order(tmp_path: Path) -> None:
    """Comments and options are passed over; no file, no server."""
    path = tmp_path / "resolv.conf"
    path.write_text("# by hand\nsearch example\nnameserver 127.0.0.11\noptions ndots:0\nnameserver ::1\n")

    assert ["127.0.0.11", "::1"] == reverse.name_servers(path)
    assert [] == reverse.name_servers(tmp_path / "none")
