"""Chains for the tests of this folder: requests is instrumented for one test at a time."""

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.instrumentation.requests import RequestsInstrumentor

from apps.gateway.forwarding import mark_span
from tests.chain.support import Chain

MakeChain = Callable[..., Chain]


@pytest.fixture
def make_chain() -> Iterator[MakeChain]:
    """Makes chains that end with the test. CLIENT spans of all nodes are made by the first one's gateway."""
    chains: list[Chain] = []

    def make(**options: object) -> Chain:
        chain = Chain(**options)  # type: ignore[arg-type]
        if not chains:
            chain.telemetry["gateway-1"].instrument_client(mark_span)
        chains.append(chain)
        return chain

    yield make
    RequestsInstrumentor().uninstrument()
    for chain in chains:
        chain.close()


@pytest.fixture
def chain(make_chain: MakeChain) -> Chain:
    """One gateway, two replicas of each service, every node in its ring, bugs on order."""
    return make_chain()
