"""Every name of ours that a backend will see: attributes, events, metrics, baggage.

Semantic conventions first; what they do not cover begins with ``carousel.``
(https://opentelemetry.io/docs/specs/semconv/general/naming/). ``docs/reference/telemetry.md`` lists them too,
and a test holds the two together.
"""

from typing import Final

SERVICE_NAMESPACE: Final = "carousel"

# --- attributes of log records and spans ---
STEP: Final = "carousel.step"
JOURNEY_ID: Final = "carousel.journey.id"
ATTEMPT: Final = "carousel.attempt"
PARENT_ATTEMPT: Final = "carousel.parent_attempt"
ENTITY: Final = "carousel.entity"
PEER: Final = "carousel.peer"
SERVICE: Final = "carousel.service"
SEQ: Final = "carousel.seq"
BOOT_ID: Final = "carousel.boot.id"
PARENT_SPAN_ID: Final = "carousel.parent_span_id"
BUG: Final = "carousel.bug"
BUG_RATES: Final = "carousel.bug.rates"
BUG_RATES_BEFORE: Final = "carousel.bug.rates_before"
DURATION_MS: Final = "carousel.duration_ms"
RING_SIZE: Final = "carousel.ring.size"
RING_SKIPPED: Final = "carousel.ring.skipped"
SENT: Final = "carousel.sent"
WORK: Final = "carousel.work"
REASON: Final = "carousel.reason"
STATE: Final = "carousel.state"
MEMORY_BYTES: Final = "carousel.memory_bytes"
CPU_PERCENT: Final = "carousel.cpu_percent"

UID: Final = "log.record.uid"
ERROR_TYPE: Final = "error.type"
METHOD: Final = "http.request.method"
ROUTE: Final = "http.route"
PATH: Final = "url.path"
STATUS: Final = "http.response.status_code"
RESEND_COUNT: Final = "http.request.resend_count"
CLIENT_ADDRESS: Final = "client.address"
SYNTHETIC_TYPE: Final = "user_agent.synthetic.type"

NODE: Final = "service.instance.id"
APP: Final = "service.name"

# --- event names (LogRecord.EventName) ---
REQUEST_RECEIVED: Final = "carousel.request.received"
NODE_PICKED: Final = "carousel.node.picked"
REQUEST_SENT: Final = "carousel.request.sent"
RESPONSE_RECEIVED: Final = "carousel.response.received"
RESPONSE_SENT: Final = "carousel.response.sent"
REQUEST_FAILED: Final = "carousel.request.failed"
WORK_DONE: Final = "carousel.work.done"
WORK_FAILED: Final = "carousel.work.failed"
WORK_MEASURED: Final = "carousel.work.measured"
NODE_ADDED: Final = "carousel.node.added"
NODE_LINKED: Final = "carousel.node.linked"
NODE_EJECTED: Final = "carousel.node.ejected"
NODE_RETURNED: Final = "carousel.node.returned"
NODE_RECOVERED: Final = "carousel.node.recovered"
NODE_SPARED: Final = "carousel.node.spared"
NODE_DRAINING: Final = "carousel.node.draining"
NODE_DRAINED: Final = "carousel.node.drained"
NODE_REMOVED: Final = "carousel.node.removed"
BUGS_SET: Final = "carousel.bugs.set"
PROCESS_STARTED: Final = "carousel.process.started"
PROCESS_STOPPED: Final = "carousel.process.stopped"

# --- baggage members that a hop hands on; a client's own are dropped at the entrance ---
BAGGAGE_PREFIX: Final = "carousel."
BAGGAGE_JOURNEY: Final = JOURNEY_ID
BAGGAGE_ATTEMPT: Final = ATTEMPT
BAGGAGE_PARENT_ATTEMPT: Final = PARENT_ATTEMPT
BAGGAGE_SYNTHETIC: Final = "carousel.synthetic"

# --- metrics ---
METRIC_PICKS: Final = "carousel.balancer.picks"
METRIC_RING_NODES: Final = "carousel.ring.nodes"
METRIC_EJECTIONS: Final = "carousel.balancer.ejections"
METRIC_STREAMS_DROPPED: Final = "carousel.streams.dropped"
METRIC_BUGS: Final = "carousel.bugs"
METRIC_CRITICAL_ERRORS: Final = "carousel.critical.errors"
METRIC_WORK_DURATION: Final = "carousel.work.duration"
METRIC_OUTBOX_RECORDS: Final = "carousel.outbox.records"
METRIC_OUTBOX_DROPPED: Final = "carousel.outbox.dropped"
METRIC_STORAGE_RECORDS: Final = "carousel.storage.records"
METRIC_SEARCH_FED: Final = "carousel.search.fed"
METRIC_SEARCH_FAILURES: Final = "carousel.search.failures"
METRIC_SEARCH_PENDING: Final = "carousel.search.pending"
METRIC_SEARCH_LAG: Final = "carousel.search.lag"

DURATION_BOUNDARIES_S: Final = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
"""Bucket boundaries in seconds that semantic conventions give ``http.server.request.duration``."""
