"""The search API under ``/api/v1``; see ``docs/reference/storage-api.md``. Errors are problem details (RFC 9457)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from flask import Blueprint, Response, jsonify, request

from apps.storage.backends.base import MAX_TRACE, Store
from apps.storage.errors import BadQuery, StoreError
from apps.storage.journey import journeys_of
from apps.storage.model import Log
from apps.storage.query import MAX_LIMIT, LogQuery, Order, parse_logs, parse_metrics, parse_trace_id
from apps.storage.search.store import SearchedStore, find, state_view
from apps.storage.views import (
    journey_record,
    journey_view,
    log_view,
    metric_view,
    node_view,
    span_ids,
    stats_view,
    trace_view,
)
from apps.web.problem import problem


def search_blueprint(store: Store, *, clock: Callable[[], int] = time.time_ns) -> Blueprint:
    """Return the routes that answer searches from *store*. *clock* (unix nanoseconds) is what "5m ago" refers to."""
    blueprint = Blueprint("search", __name__, url_prefix="/api/v1")

    @blueprint.get("/logs")
    def logs() -> Response:
        asked = parse_logs(_parameters(), clock())
        # One more than asked for tells whether there is a next page.
        found = find(store, replace(asked.query, limit=asked.query.limit + 1))
        page = found.logs[: asked.query.limit]
        following = asked.cursor_after(page[-1].key) if len(found.logs) > len(page) else None
        return jsonify({"logs": [log_view(log) for log in page], "next": following, "answeredBy": found.answered_by})

    @blueprint.get("/traces/<trace_id>")
    def trace(trace_id: str) -> Response:
        _no_parameters()
        wanted = parse_trace_id(trace_id)
        spans = store.spans(wanted)
        # A trace whose spans have not ended yet is known by its logs.
        if not spans and not store.logs(LogQuery(trace_id=wanted, limit=1)):
            return _unknown_trace(wanted)
        return jsonify(trace_view(spans))

    @blueprint.get("/traces/<trace_id>/journeys")
    def journeys(trace_id: str) -> Response:
        _no_parameters()
        wanted = parse_trace_id(trace_id)
        records = [journey_record(log) for log in islice(_logs_of(store, wanted), MAX_TRACE)]
        spans = store.spans(wanted)
        if not records and not spans:
            return _unknown_trace(wanted)
        found = journeys_of(records, span_ids(spans))
        return jsonify({"traceId": wanted.hex(), "journeys": [journey_view(journey) for journey in found]})

    @blueprint.get("/nodes")
    def nodes() -> Response:
        _no_parameters()
        return jsonify({"nodes": [node_view(node) for node in store.nodes()]})

    @blueprint.get("/metrics")
    def metrics() -> Response:
        points = store.latest_points(parse_metrics(_parameters()))
        return jsonify({"metrics": [metric_view(point) for point in points]})

    @blueprint.get("/stats")
    def stats() -> Response:
        _no_parameters()
        search = state_view(store.state()) if isinstance(store, SearchedStore) else None
        return jsonify(stats_view(store.stats()) | {"store": store.name, "search": search})

    @blueprint.errorhandler(BadQuery)
    def bad_query(error: BadQuery) -> Response:
        return problem(400, str(error), parameter=error.parameter)

    @blueprint.errorhandler(StoreError)
    def unavailable(error: StoreError) -> Response:
        answer = problem(503, str(error))
        answer.headers["Retry-After"] = str(error.retry_after_s)
        return answer

    return blueprint


def _parameters() -> list[tuple[str, str]]:
    return list(request.args.items(multi=True))


def _no_parameters() -> None:
    for name, value in _parameters():
        raise BadQuery(name[:100], value, "no parameters here")


def _unknown_trace(trace_id: bytes) -> Response:
    detail = f"Nothing of trace {trace_id.hex()} is here; it may not have arrived yet."
    return problem(404, detail, requestedTraceId=trace_id.hex())


def _logs_of(store: Store, trace_id: bytes) -> Iterator[Log]:
    """Yield the logs of a trace, oldest first."""
    query = LogQuery(trace_id=trace_id, limit=MAX_LIMIT, order=Order.OLDEST_FIRST)
    while True:
        page = store.logs(query)
        yield from page
        if len(page) < query.limit:
            return
        query = replace(query, after=page[-1].key)
