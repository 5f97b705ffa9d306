"""Puts a storage node together."""

import gc
import sys
import time
from collections.abc import Callable
from typing import Final

from flask import Flask
from opentelemetry.metrics import Meter

from apps.storage.backends import FeedingStore, Store, StoreOptions, open_store
from apps.storage.config import StorageConfig
from apps.storage.errors import StoreError
from apps.storage.ingest import ingest_blueprint
from apps.storage.routes import search_blueprint
from apps.storage.search.counts import SearchCounts
from apps.storage.search.meilisearch import MeilisearchIndex
from apps.storage.search.store import SearchedStore, lag_of
from apps.telemetry.setup import Telemetry
from apps.web.guards import guard_hosts
from apps.web.health import health_blueprint
from apps.web.problem import answer_problems
from apps.web.server import Service

GIVE_UP: Final = 4
"""gunicorn's status for an app that cannot be loaded: its master ends instead of trying for ever."""
SWITCH_INTERVAL_S: Final = 0.001
"""The writer gives the interpreter away for each statement; it should not wait 5 ms each time to get it back."""

GC_THRESHOLDS: Final = (50_000, 20, 20)
"""A batch is thousands of young objects without cycles; at the default of 700 they are walked time and again."""


def create_service(config: StorageConfig, telemetry: Telemetry) -> Service:
    """Return a storage node over the store that *config* names; stopping it closes the store.

    Raises:
        SystemExit: the store cannot be opened; one clear line says why. The status makes gunicorn give up.
    """
    try:
        main = open_store(config.url, store_options(config))
    except StoreError as error:
        print(f"carousel: storage: {error}", file=sys.stderr, flush=True)
        raise SystemExit(GIVE_UP) from error
    store = searched(main, config, telemetry.meter)

    def start() -> None:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.set_threshold(*GC_THRESHOLDS)
        telemetry.start()

    def stop() -> None:
        telemetry.stop()
        store.close()

    return Service(create_app(config, store=store, telemetry=telemetry), start, stop)


def store_options(config: StorageConfig) -> StoreOptions:
    """Return how *config* wants its store to be used."""
    return StoreOptions(
        metrics_age_s=config.metrics_age_s,
        queue_bytes=config.queue_bytes,
        write_timeout_s=config.write_timeout_s,
        mongodb_age_s=config.mongodb_age_s,
        feeds=config.search is not None,
    )


def searched(main: FeedingStore, config: StorageConfig, meter: Meter) -> Store:
    """Return *main* with the search engine that *config* names beside it; *main* itself if it names none."""
    if config.search is None:
        return main
    age_s = config.mongodb_age_s if main.name == "mongodb" else 0.0
    counts = SearchCounts(meter)
    store = SearchedStore(
        main,
        MeilisearchIndex(config.search, config.search_key),
        age_s=age_s,
        on_fed=counts.fed,
        on_failure=counts.failed,
    )
    counts.watch(lambda: lag_of(store))
    return store


def create_app(
    config: StorageConfig,
    *,
    store: Store,
    telemetry: Telemetry,
    clock: Callable[[], int] = time.time_ns,
) -> Flask:
    """Return the storage app over *store*, which the caller closes.

    Args:
        config: the node's settings.
        store: where everything is kept.
        telemetry: the node's own; searches are traced, ingest is not.
        clock: unix nanoseconds.
    """
    app = Flask("storage", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    answer_problems(app)
    telemetry.instrument(app)
    guard_hosts(app, config.web.allowed_hosts)
    # Ingest checks its own forms: an OTLP client is answered in OTLP's words. Nothing else takes a body.
    app.register_blueprint(
        ingest_blueprint(
            store,
            telemetry.meter,
            max_body_bytes=config.max_body_bytes,
            write_timeout_s=config.write_timeout_s,
            clock=clock,
        )
    )
    app.register_blueprint(search_blueprint(store, clock=clock))
    app.register_blueprint(health_blueprint(config.web.service, config.web.node, telemetry.registry, [store.check]))
    return app
