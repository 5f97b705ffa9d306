"""What holds for every test: a clean environment, no thread left behind, no address beyond loopback."""

import ipaddress
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("carousel", deadline=None, database=None, print_blob=True)
settings.load_profile("carousel")

_OURS = ("CAROUSEL_", "OTEL_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
THREADS_END_WITHIN_S = 5.0


def _is_loopback(host: object) -> bool:
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.split("%", 1)[0]).is_loopback
    except ValueError:
        return False


def _refuse_foreign_addresses(event: str, arguments: tuple[object, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto"):
        return
    address = arguments[1]
    if isinstance(address, tuple) and not _is_loopback(address[0]):
        raise RuntimeError(f"a test may connect to loopback only, not to {address}")


def pytest_configure() -> None:
    """Audit hooks stay for good; this one is for the whole run.

    A runner in the background or under nohup ignores signals, and so would every process that a test starts to see
    what a signal does to it. A handler, unlike that, is not inherited; this one ignores as well.
    """
    sys.addaudithook(_refuse_foreign_addresses)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    """No setting of the developer's shell reaches a test, and none of a test's reaches the next."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(_OURS) or name.lower() in _PROXIES:
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> Iterator[None]:
    """A test ends the threads it starts."""
    before = set(threading.enumerate())
    yield
    give_up_at = time.monotonic() + THREADS_END_WITHIN_S
    for thread in set(threading.enumerate()) - before:
        thread.join(max(give_up_at - time.monotonic(), 0.0))
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert [] == left
