"""The board Trace by id: everything about one request, found by the X-Trace-Id of its answer."""

from grafana_foundation_sdk.builders import dashboard, table

from apps.telemetry.steps import BY_NAME, STEPS, VARIANTS
from grafana.generate import links, logql, palette, queries, variables
from grafana.generate.links import LOGS, NODE, OVERVIEW, to
from grafana.generate.logql import OF_TRACE, STEPS_OF_TRACE
from grafana.generate.panels import (
    About,
    AnyPanel,
    column,
    graph,
    limits,
    linked,
    listing,
    number,
    records,
    transformation,
    waterfall,
)

NO_ID = "paste a trace id above: every answer of the gateway has one in X-Trace-Id"
RECENT = '{ resource.service.name = "gateway" && kind = server && name =~ ".+ /api/.+" }'
KEPT = (
    "carousel_step", "service_instance_id", "carousel_peer", "carousel_attempt", "http_response_status_code",
    "carousel_duration_ms", "error_type", "severity_text",
)  # fmt: skip
"""What a row of the table of steps shows of a record."""


def board() -> dashboard.Dashboard:
    """Return the board."""
    made = dashboard.Dashboard(links.TITLES[links.TRACE]).uid(links.TRACE).time("now-24h", "now")
    made.description("One request: its spans, its steps in order, the nodes it went through, everything they said")
    made.with_variable(variables.trace_id())
    for panel in (*_numbers(), _waterfall(), _steps(), _nodes(), _graph(), _logs(), _recent()):
        made.with_panel(panel)
    return made


def _numbers() -> list[AnyPanel]:
    onward = [to(LOGS), to(OVERVIEW)]
    seen = f"count(sum by (carousel_step) (count_over_time({STEPS_OF_TRACE} [$__range])))"
    nodes = f"count(sum by (service_instance_id) (count_over_time({OF_TRACE} [$__range])))"
    failed = f'sum(count_over_time({OF_TRACE} | severity_text=~"ERROR|FATAL" [$__range]))'
    return [
        number(
            About(
                "Steps",
                f"Different steps of this trace. A healthy request has {len(STEPS)}; one that failed has those of its "
                "outcome. Fewer than its outcome asks for: carousel trace <id> names what is missing.",
                NO_ID,
                onward,
                8,
                3,
            ),
            f"suffix: of {len(STEPS)}",
            queries.record_count(seen),
            limits((len(STEPS), palette.QUIET), start=palette.MISSING),
            source=queries.LOKI,
        ),
        number(
            About("Nodes", "Nodes that logged something for this request.", NO_ID, onward, 8, 3),
            "none",
            queries.record_count(nodes),
            source=queries.LOKI,
        ),
        number(
            About("Errors", "Records of this trace of severity ERROR or above.", "none", onward, 8, 3),
            "none",
            queries.record_count(failed),
            limits((1, palette.ERROR)),
            source=queries.LOKI,
        ),
    ]


def _waterfall() -> AnyPanel:
    about = About(
        "Waterfall",
        "The spans on their time axis: a healthy POST makes ten. A span leads to its logs and to its node's metrics.",
        NO_ID,
        [to(OVERVIEW), to(LOGS)],
        24,
        13,
    )
    return waterfall(about, queries.one_trace("${trace_id:raw}"))


def _steps() -> table.Panel:
    panel = listing(
        About(
            "Steps in order",
            "The step records of this trace by time, with number, node, the other side and the attempt. A request that "
            "was retried has a step more than once.",
            NO_ID,
            [to(LOGS, "Their records"), to(NODE)],
            16,
            17,
        ),
        "short",
        [queries.records(f"{STEPS_OF_TRACE} | keep {', '.join(KEPT)}")],
        [
            # Nanoseconds as text of one length: sorted as text they are sorted by time.
            transformation("sortBy", sort=[{"field": "tsNs", "desc": False}]),
            transformation("extractFields", source="labels", format="json", replace=False, keepTime=True),
            transformation(
                "convertFieldType",
                conversions=[{"targetField": "carousel_duration_ms", "destinationType": "number"}],
                fields={},
            ),
            transformation(
                "organize",
                includeByName={name: True for name in (*KEPT, "Time")},
                indexByName={name: place for place, name in enumerate(("carousel_step", "Time", *KEPT[1:]))},
            ),
        ],
        source=queries.LOKI,
    )
    column(panel, "carousel_step", displayName="Step", mappings=[_numbered()], width=330)
    column(panel, "Time", unit="time:HH:mm:ss.SSS", width=110)
    column(panel, "carousel_peer", displayName="Other side")
    column(panel, "carousel_attempt", displayName="Attempt", width=80)
    column(panel, "http_response_status_code", displayName="Status", width=70)
    column(panel, "carousel_duration_ms", displayName="Took", unit="ms", width=90)
    column(panel, "error_type", displayName="Error")
    column(panel, "severity_text", displayName="Severity", width=80)
    return linked(panel, "service_instance_id", links.to_node("${__value.raw}"), displayName="Node")


def _numbered() -> dict[str, object]:
    """Return the mapping that shows each step's number before its name, a bug and a failure in their colour."""
    ordered = sorted(BY_NAME.values(), key=lambda step: (step.n, step.name))
    options = {
        step.name: {"index": place, "text": f"{step.n:>2}  {step.name}"}
        | ({"color": palette.ERROR} if step in VARIANTS else {})
        for place, step in enumerate(ordered)
    }
    return {"type": "value", "options": options}


def _nodes() -> table.Panel:
    counted = logql.counted(OF_TRACE, "service_name, service_instance_id", "$__range")
    panel = listing(
        About(
            "Its nodes",
            "The nodes that this request went through, with the number of records each left. Click one.",
            NO_ID,
            [to(NODE)],
            8,
            17,
        ),
        "suffix: records",
        [queries.record_count(counted)],
        [
            transformation("labelsToFields", mode="columns"),
            transformation("merge"),
            transformation("organize", excludeByName={"Time": True}),
        ],
        source=queries.LOKI,
    )
    column(panel, "service_name", displayName="Service")
    return linked(panel, "service_instance_id", links.to_node("${__value.raw}"), displayName="Node")


def _graph() -> AnyPanel:
    about = About(
        "Its spans as a graph",
        "Each span with the share of the request's time it took itself.",
        NO_ID,
        [to(OVERVIEW, "All services")],
        8,
        11,
    )
    return graph(about, queries.one_trace("${trace_id:raw}"))


def _logs() -> AnyPanel:
    about = About(
        "Its logs",
        "Every record of this trace, oldest first, of all nodes.",
        NO_ID,
        [to(LOGS)],
        16,
        11,
    )
    return records(about, queries.records(OF_TRACE, 1000), oldest_first=True)


def _recent() -> table.Panel:
    panel = listing(
        About(
            "Others to look at",
            "Traces of client requests, newest first. Click an id.",
            "no traces: Tempo does not run, or nothing was sent in this time",
            [to(OVERVIEW)],
            24,
            8,
        ),
        "short",
        [queries.traces(RECENT)],
        source=queries.TEMPO,
    )
    column(panel, "traceDuration", unit="ms")
    return linked(panel, "traceID", links.to_trace(), displayName="Trace")
