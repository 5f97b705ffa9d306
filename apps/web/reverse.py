"""Asks a name server for the name of an address (PTR, RFC 1035 §3.5), past the hosts file.

A container's hosts file maps its own address to its id, so the system's resolver never asks further; Docker's name
server knows it as `carousel-service1-2.carousel_default`. Everything that goes wrong is "not known": None.
"""

import contextlib
import ipaddress
import secrets
import socket
import struct
from pathlib import Path
from typing import Final

RESOLV: Final = Path("/etc/resolv.conf")
LIMIT_S: Final = 1.0
_PTR: Final = 12
_IN: Final = 1


def name_servers(resolv: Path = RESOLV) -> list[str]:
    """Return the addresses that *resolv* names, in its order; empty when it cannot be read."""
    try:
        lines = resolv.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    return [line[1] for line in words if len(line) >= 2 and line[0] == "nameserver"]


def own_address() -> str | None:
    """Return the first address of this host's name that is not loopback, None if it has none."""
    with contextlib.suppress(OSError):
        for *_, address in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_DGRAM):
            if not ipaddress.ip_address(address[0]).is_loopback:
                return str(address[0])
    return None


def name_of(address: str, server: str, port: int = 53, limit_s: float = LIMIT_S) -> str | None:
    """Return the first name that *server* gives for the IP *address*, without the last dot; None if none in time."""
    question = ipaddress.ip_address(address).reverse_pointer
    number = secrets.randbits(16)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    broken = (OSError, ValueError, IndexError, struct.error)
    with contextlib.suppress(*broken), socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.settimeout(limit_s)
        # Connected: only this server's answers are heard.
        udp.connect((server, port))
        udp.send(_query(number, question))
        return _answer(number, udp.recv(4096))
    return None


def own_name() -> str | None:
    """Return the name under which this host's address is known, None if it is not; takes at most 2 x `LIMIT_S`."""
    address = own_address()
    if address is None:
        return None
    names = (name_of(address, server) for server in name_servers()[:2])
    return next(filter(None, names), None)


def _query(number: int, name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", _PTR, _IN)


def _answer(number: int, packet: bytes) -> str | None:
    got, flags, questions, answers, _, _ = struct.unpack_from("!6H", packet)
    if got != number or flags & 0x800F != 0x8000:
        return None
    offset = 12
    for _ in range(questions):
        offset = _read_name(packet, offset)[1] + 4
    for _ in range(answers):
        offset = _read_name(packet, offset)[1]
        kind, _, _, size = struct.unpack_from("!2HIH", packet, offset)
        offset += 10
        if kind == _PTR:
            return _read_name(packet, offset)[0]
        offset += size
    return None


def _read_name(packet: bytes, offset: int) -> tuple[str, int]:
    """Return the name at *offset* and where what follows it begins (RFC 1035 §4.1.4)."""
    labels: list[str] = []
    end: int | None = None
    # A packet holds no more labels than this; a pointer that runs in a circle ends too.
    for _ in range(128):
        size = packet[offset]
        if size >= 0xC0:
            end = offset + 2 if end is None else end
            offset = struct.unpack_from("!H", packet, offset)[0] & 0x3FFF
            continue
        offset += 1
        if size == 0:
            return ".".join(labels), offset if end is None else end
        labels.append(packet[offset : offset + size].decode("ascii"))
        offset += size
    raise ValueError("a name that does not end")
