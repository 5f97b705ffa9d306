"""The servers behind the back ends, one of each for the whole run."""

from collections.abc import Iterator

import pytest

from tests.contract.back_ends import Engines


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """Servers that are started when a test needs them."""
    made = Engines()
    yield made
    made.close()
