"""Answers of storage and the gateway as they look, made small: one request, with what may go wrong on its way."""

from typing import Any

from apps.cli import vitals
from apps.telemetry import names, steps

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
JOURNEY_ID = "00f067aa0ba902b7"
START = 1_795_434_779_123_000_000
"""Unix nanoseconds of 2026-11-23 11:52:59.123 UTC."""
TIME = "2026-11-23T11:52:59.123000000Z"

_NODES = {"gateway": "gateway-1", "service1": "service1-2", "service2": "service2-1"}
_OFFSETS = (
    0.0,
    0.3,
    0.5,
    2.4,
    17.9,
    18.6,
    20.9,
    21.2,
    21.3,
    23.4,
    45.7,
    46.5,
    48.1,
    48.4,
    49.9,
    63.9,
    64.4,
    66.1,
    66.5,
)
_DURATIONS = {5: 15.0, 11: 21.9, 12: 23.1, 13: 26.8, 14: 27.5, 15: 31.3, 16: 13.6, 17: 62.0, 18: 65.6, 19: 66.5}


def step(n: int, **changes: Any) -> dict[str, Any]:
    """Return step *n* of a healthy journey; *changes* replace members of it."""
    known = steps.BY_NAME[changes["step"]] if "step" in changes else steps.BY_NUMBER[n]
    shape: dict[str, Any] = {
        "n": n,
        "step": known.name,
        "event": known.event,
        "app": known.app,
        "node": _NODES[known.app],
        "time": TIME,
        "offsetMs": _OFFSETS[n - 1],
        "attempt": 1,
        "severity": "INFO",
        "message": known.text,
        "uid": f"{n:032x}",
        "spanId": f"{0x100 + n:016x}",
    }
    if n in (2, 3):
        shape["peer"] = "service1-2"
    if n in (8, 9):
        shape["peer"] = "service2-1"
    if n in _DURATIONS:
        shape["durationMs"] = _DURATIONS[n]
    if n in (12, 13, 14, 15, 17, 18, 19):
        shape["status"] = 200
    return shape | changes


def journey(**changes: Any) -> dict[str, Any]:
    """Return a healthy journey; *changes* replace members of it."""
    return {
        "journeyId": JOURNEY_ID,
        "complete": True,
        "outcome": "ok",
        "at": None,
        "entity": "orders",
        "time": TIME,
        "durationMs": 66.5,
        "status": 200,
        "steps": [step(n) for n in range(1, 20)],
        "earlierAttempts": [],
        "missing": [],
        "duplicated": [],
        "unfinished": [],
        "clockSkew": [],
    } | changes


def holed() -> dict[str, Any]:
    """Return a journey of which what service 2 logged never arrived."""
    return journey(
        complete=False,
        steps=[step(n) for n in range(1, 20) if n not in (10, 11, 12)],
        missing=[
            {"n": n, "step": steps.BY_NUMBER[n].name, "app": "service2", "node": "service2-1", "attempt": 1}
            for n in (10, 11, 12)
        ],
    )


_LOGGED_IN = {
    1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 6, 9: 7, 10: 8, 11: 9, 12: 8, 13: 7, 14: 6, 15: 5, 16: 10, 17: 3,
    18: 2, 19: 1,
}  # fmt: skip
"""The span that each step is logged in, as numbered in `_SPANS`."""


def in_spans(shape: dict[str, Any]) -> dict[str, Any]:
    """Return a journey whose steps name the spans of `trace`."""
    for one in shape["steps"]:
        number = _LOGGED_IN[one["n"]]
        one["spanId"] = JOURNEY_ID if number == 1 else f"{number:016x}"
    return shape


def retried() -> dict[str, Any]:
    """Return a journey whose first attempt at service 2 met the bug `error`."""
    first = [step(n, node="service2-2") if n == 10 else step(n, peer="service2-2") for n in (8, 9, 10)]
    first += [
        step(11, step="service2.work.bug", node="service2-2", bug="error", severity="ERROR"),
        step(12, node="service2-2", status=500, severity="ERROR"),
        step(13, status=500, errorType="bad_answer", severity="ERROR"),
    ]
    again = [step(n, attempt=2) if 8 <= n <= 13 else step(n) for n in range(1, 20)]
    earlier = {"leg": "service2", "attempt": 1, "parentAttempt": 1, "steps": first}
    return journey(steps=again, earlierAttempts=[earlier])


def reset() -> dict[str, Any]:
    """Return a journey whose service 2 node was killed while it worked."""
    failed = {"step": "gateway.service2.request.failed", "severity": "ERROR", "errorType": "connection_reset"}
    taken = [step(n, status=502) if n in (14, 15, 17, 18, 19) else step(n) for n in (*range(1, 11), 14, 15, 17, 18, 19)]
    taken.insert(10, step(13, **failed, status=None, durationMs=26.8))
    lost = {"spanId": f"{0x10A:016x}", "app": "service2", "node": "service2-1", "lastStep": "service2.request.received"}
    return journey(outcome="reset", at="service2", status=502, steps=taken, unfinished=[lost])


def journeys(*found: dict[str, Any]) -> dict[str, Any]:
    """Return storage's answer with the journeys *found*."""
    return {"traceId": TRACE_ID, "journeys": list(found)}


_SPANS = (
    # number, parent, kind, app, name, start ms, end ms
    (1, 0, 2, "gateway", "POST /api/<entity>", 0.0, 68.0),
    (2, 1, 3, "gateway", "POST", 0.6, 66.2),
    (3, 2, 2, "service1", "POST /work/<entity>", 2.2, 64.6),
    (4, 3, 1, "service1", "work part1", 2.6, 17.9),
    (5, 3, 3, "service1", "POST", 18.6, 49.8),
    (6, 5, 2, "gateway", "POST /internal/service2/<entity>", 20.4, 48.6),
    (7, 6, 3, "gateway", "POST", 21.4, 48.0),
    (8, 7, 2, "service2", "POST /work/<entity>", 23.1, 46.6),
    (9, 8, 1, "service2", "work", 23.6, 45.7),
    (10, 3, 1, "service1", "work part2", 50.0, 64.0),
)


def _attribute(key: str, value: str | int) -> dict[str, Any]:
    return {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}


def span(
    number: int, parent: int, kind: int, app: str, name: str, start_ms: float, end_ms: float, **attributes: Any
) -> dict[str, Any]:
    """Return the OTLP JSON of one span under its resource; an attribute ``failed`` sets its status."""
    status = {"code": 2} if attributes.pop("failed", None) else {}
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return {
        "resource": {
            "attributes": [_attribute(names.APP, app), _attribute(names.NODE, _NODES.get(app, app))],
        },
        "scopeSpans": [
            {
                "spans": [
                    {
                        "traceId": TRACE_ID,
                        "spanId": JOURNEY_ID if number == 1 else f"{number:016x}",
                        "parentSpanId": "" if parent == 0 else JOURNEY_ID if parent == 1 else f"{parent:016x}",
                        "name": name,
                        "kind": kind,
                        "startTimeUnixNano": str(START + int(start_ms * 1e6)),
                        "endTimeUnixNano": str(START + int(end_ms * 1e6)),
                        "attributes": [_attribute(key, value) for key, value in named.items()],
                        "status": status,
                    }
                ]
            }
        ],
    }


def trace(*without: int) -> dict[str, Any]:
    """Return the spans of a healthy request, but those whose numbers are given."""
    return {"resourceSpans": [span(*one) for one in _SPANS if one[0] not in without]}


def failed_trace() -> dict[str, Any]:
    """Return the spans of a request that met the bug `exception` at service 2."""
    failures: dict[int, dict[str, Any]] = {
        number: {"failed": 1, "http__response__status_code": 502} for number in (1, 2, 3, 5, 6)
    }
    failures |= {number: {"failed": 1, "http__response__status_code": 500} for number in (7, 8)}
    failures[9] = {"failed": 1, "error__type": "exception", "carousel__bug": "exception"}
    return {"resourceSpans": [span(*one, **failures.get(one[0], {})) for one in _SPANS if one[0] != 10]}


def record(**changes: Any) -> dict[str, Any]:
    """Return a log record as storage tells it; *changes* replace members of it."""
    return {
        "type": "log",
        "nodeId": "service2-1",
        "app": "service2",
        "time": "2026-11-23T11:52:59.123456789Z",
        "message": "response sent",
        "severity": "INFO",
        "state": "ok",
        "event": "carousel.response.sent",
        "step": "service2.response.sent",
        "traceId": TRACE_ID,
        "spanId": JOURNEY_ID,
        "http": {"method": "POST", "status": 200, "peer": "gateway", "durationMs": 23.107},
        "attributes": {},
        "uid": "1557bed19bd8876f0000000000000001",
        "seq": 1,
    } | changes


RINGS: dict[str, Any] = {
    "gateway": "gateway-1",
    "rings": [
        {
            "service": "service1",
            "size": 2,
            "members": [
                {
                    "address": "127.0.0.1:8101",
                    "node": "service1-1",
                    "state": "linked",
                    "reason": None,
                    "picks": 50,
                    "inFlight": 2,
                },
                {
                    "address": "127.0.0.1:8102",
                    "node": "service1-2",
                    "state": "linked",
                    "reason": None,
                    "picks": 50,
                    "inFlight": 2,
                },
            ],
        },
        {
            "service": "service2",
            "size": 1,
            "members": [
                {
                    "address": "127.0.0.1:8201",
                    "node": "service2-1",
                    "state": "linked",
                    "reason": None,
                    "picks": 74,
                    "inFlight": 0,
                },
                {
                    "address": "127.0.0.1:8202",
                    "node": "service2-2",
                    "state": "ejected",
                    "reason": "the connection was refused",
                    "since": "2026-11-23T11:52:19.000+00:00",
                    "picks": 26,
                    "inFlight": 0,
                    "ejectedForS": 3.2,
                    "ejections": 2,
                },
                {
                    "address": "127.0.0.1:8203",
                    "node": None,
                    "state": "joining",
                    "reason": "its /readyz has not answered yet",
                    "since": "2026-11-23T11:52:39.000+00:00",
                    "picks": 0,
                },
            ],
        },
    ],
}

NODES: dict[str, Any] = {
    "nodes": [
        {"node": node, "app": app, "lastSeen": "2026-11-23T11:52:58.000000000Z", "logs": logs, "spans": spans}
        for node, app, logs, spans in (
            ("storage-1", "storage", 1, 0),
            ("service2-2", "service2", 104, 52),
            ("service2-1", "service2", 297, 148),
            ("service1-2", "service1", 351, 200),
            ("service1-1", "service1", 350, 200),
            ("gateway-1", "gateway", 1012, 400),
        )
    ]
}


def _vector(values: dict[str, float]) -> dict[str, Any]:
    result = [{"metric": {"instance": node}, "value": [1_795_434_779, str(value)]} for node, value in values.items()]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


PROMETHEUS: dict[str, dict[str, Any]] = {
    "rate": _vector({"gateway-1": 80.0, "service1-1": 20.0, "service1-2": 20.1, "service2-1": 40.0}),
    "errors": _vector({"gateway-1": 0.96, "service1-1": 0.12}),
    "p95_s": _vector({"gateway-1": 0.093, "service1-1": 0.088, "service1-2": 0.0912, "storage-1": float("nan")}),
    "cpu": _vector({"gateway-1": 0.22, "service1-1": 0.09, "service2-1": 0.071, "storage-1": 0.305}),
    "memory": _vector({"gateway-1": 64e6, "service1-1": 57.7e6, "service2-1": 58.1e6, "storage-1": 141e6}),
}
"""What Prometheus answers to each of the queries of `apps.cli.vitals`."""


def prometheus_answer(asked: Any) -> tuple[int, dict[str, str], Any]:
    """Answer as Prometheus does."""
    query = dict(asked.query)["query"]
    return 200, {}, next(PROMETHEUS[name] for name, known in vitals.QUERIES.items() if known == query)


def _histogram(node: str, status: int, count: int, buckets: list[int]) -> dict[str, Any]:
    return {
        "name": "http.server.request.duration",
        "node": node,
        "attributes": {names.STATUS: status},
        "count": count,
        "bounds": [0.05, 0.1],
        "buckets": buckets,
    }


METRICS: dict[str, Any] = {
    "metrics": [
        _histogram("service1-1", 200, 90, [50, 40, 0]),
        _histogram("service1-1", 500, 10, [0, 10, 0]),
        _histogram("service1-2", 200, 10, [0, 0, 10]),
    ]
}
"""What storage answers for the durations of requests."""
