"""One native stack with its real engines for all end-to-end tests, away from any demo."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from deploy.native.stack import Stack
from tests.e2e.support import Ask, eventually

OFFSET = int(os.environ.get("CAROUSEL_TEST_PORT_OFFSET", "19500"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the stack."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack: two replicas of each service, no load, no bugs but those a request orders."""
    running = Stack(
        run_dir=tmp_path_factory.mktemp("stack") / "run",
        offset=OFFSET,
        replicas={"service1": 2, "service2": 2},
        load=False,
        env={**os.environ, "CAROUSEL_FAULTS": "", "CAROUSEL_ENTITIES": "orders,payments,deliveries"},
    )
    running.start()
    try:
        yield running
    finally:
        assert running.stop() == []


@pytest.fixture
def ask(stack: Stack) -> Iterator[Ask]:
    """Somebody who asks the stack, while every node is in its ring."""
    with requests.Session() as session:
        asking = Ask(stack, session)
        eventually(asking.ring_is_whole, "every node in its ring", 30)
        yield asking
