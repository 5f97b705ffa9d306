"""A storage app over a store in memory, with telemetry that ships nothing."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from apps.storage.app import create_app
from apps.storage.backends.memory import MemoryStore
from apps.storage.config import StorageConfig
from apps.telemetry.setup import Telemetry, build
from apps.web.node import NodeConfig
from tests.unit.storage.builders import NOW


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore(clock=lambda: NOW)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """Telemetry of a storage node that keeps everything to itself."""
    made = build(NodeConfig("storage", "storage-1").telemetry(), ships=False)
    yield made
    made.tracer_provider.shutdown()
    made.logger_provider.shutdown()
    made.meter_provider.shutdown()


@pytest.fixture
def app(store: MemoryStore, telemetry: Telemetry) -> Flask:
    """The app, with a limit of 1 MiB a body."""
    config = StorageConfig(NodeConfig("storage", "storage-1"), max_body_bytes=1 << 20)
    return create_app(config, store=store, telemetry=telemetry, clock=lambda: NOW)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the app."""
    return app.test_client()
