"""Who holds a port."""

import os
import socket

import pytest

from deploy.native import listeners


@pytest.fixture
def listening():
    """A port that this process listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_taken_and_named_with_its_owner(listening):
    """Program, port and owner are in the words."""
    (taken,) = listeners.taken("127.0.0.1", [("gateway-1", "http", listening)])
    assert f"port {listening} of gateway-1 is taken by" in taken.words()
    assert f"pid {os.getpid()}" in taken.words()


def test_a_port_that_is_winding_down_is_free():
    """TIME_WAIT after a stop is no owner."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    assert listeners.taken("127.0.0.1", [("gateway-1", "http", port)]) == []


def test_nobody_there_is_status_nought(listening):
    """A refused connection is an answer too."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    assert listeners.get(f"http://127.0.0.1:{port}/readyz") == (0, b"")


def test_an_unknown_owner_is_said_to_be_unknown():
    """Another user's process, seen by one who is not root."""
    words = listeners.Taken("collector-1", "grpc", 4317, None).words()
    assert words == "port 4317 of collector-1 (grpc) is taken by another process (the system does not tell which)"
