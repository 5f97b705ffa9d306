"""The board Node: one running copy, by its service.instance.id."""

from grafana_foundation_sdk.builders import dashboard, table, timeseries

from grafana.generate import links, logql, palette, promql, queries, variables
from grafana.generate.links import LOGS, OVERVIEW, PIPELINE, TRACE, to
from grafana.generate.objectives import AVAILABILITY, LATENCY_WITHIN_S
from grafana.generate.panels import (
    About,
    AnyPanel,
    chart,
    coloured,
    column,
    limits,
    linked,
    listing,
    number,
    records,
    row,
)

HERE = 'instance="$node"'
LOGS_HERE = '{service_namespace="carousel",service_instance_id="$node"}'
NO_REQUESTS = "this node answered no request in this time"
NOT_SCRAPED = "Prometheus does not scrape this node"


def board() -> dashboard.Dashboard:
    """Return the board."""
    made = dashboard.Dashboard(links.TITLES[links.NODE]).uid(links.NODE)
    made.description("One node: rate, errors, duration, processor, memory, its share of its ring, and what it says")
    made.with_variable(variables.service()).with_variable(variables.node("service2-1"))
    for panel in (*_numbers(), *_requests(), *_process()):
        made.with_panel(panel)
    made.with_row(row("What it says"))
    for below in (_outbox(), _severities(), _logs(), _traces()):
        made.with_panel(below)
    return made


def _numbers() -> list[AnyPanel]:
    onward = [to(OVERVIEW), to(LOGS, "Its logs", node="$node")]
    return [
        number(
            About("Up", "Whether Prometheus could ask it just now.", NOT_SCRAPED, onward, 4, 4),
            "bool_yes_no",
            queries.now(f"max(up{{{HERE}}})"),
            limits((1, palette.QUIET), start=palette.ERROR),
        ),
        number(
            About("Requests", "Requests that it answers, per second.", NO_REQUESTS, onward, 4, 4),
            "reqps",
            queries.now(promql.requests(HERE)),
            decimals=1,
        ),
        number(
            About("Failed", "Share of its answers with a 5xx.", NO_REQUESTS, onward, 4, 4),
            "percentunit",
            queries.now(promql.failed_share(HERE)),
            limits((1 - AVAILABILITY, palette.ERROR)),
            decimals=1,
        ),
        number(
            About("95 % answered within", "The 95th percentile of its time to answer.", NO_REQUESTS, onward, 4, 4),
            "s",
            queries.now(promql.quantile(0.95, HERE)),
            limits((LATENCY_WITHIN_S, palette.SLOW)),
        ),
        number(
            About("Share of its ring", "Which part of the picks of its ring it gets.", "not in a ring", onward, 4, 4),
            "percentunit",
            queries.now(_ring_share()),
            decimals=1,
        ),
        number(
            About("Runs since", "Time since the process started.", NOT_SCRAPED, onward, 4, 4),
            "s",
            queries.now(f"time() - max(process_start_time_seconds{{{HERE}}})"),
        ),
    ]


def _ring_share() -> str:
    picks = "carousel_balancer_picks_total"
    mine = promql.rate(picks, 'carousel_peer="$node"', by="carousel_service")
    return f"{mine} / {promql.rate(picks, by='carousel_service')}"


def _requests() -> list[timeseries.Panel]:
    by_status = promql.requests(HERE, by="http_response_status_code")
    rate = chart(
        About(
            "Requests by outcome",
            "Requests that it answered per second, by the class of their status.",
            NO_REQUESTS,
            [to(LOGS, "Its failures in the logs", node="$node", severity="ERROR")],
        ),
        "reqps",
        [queries.series(promql.status_class(by_status), "{{class}}")],
        stacked=True,
    )
    duration = chart(
        About(
            "Time to answer",
            "Percentiles of its time to answer. A dot is one request: it opens its trace.",
            NO_REQUESTS,
            [to(TRACE)],
        ),
        "s",
        [queries.series(promql.quantile(q, HERE), f"p{q * 100:g}", exemplars=q == 0.99) for q in (0.5, 0.95, 0.99)],
        threshold=LATENCY_WITHIN_S,
    )
    share = chart(
        About(
            "Share of its ring",
            "Which part of the picks of its ring it gets: with n healthy nodes each has 1/n.",
            "not in a ring: only nodes of service 1 and 2 are",
            [to(OVERVIEW, "The rings")],
        ),
        "percentunit",
        [queries.series(_ring_share(), "share of {{carousel_service}}")],
    )
    for service in ("service1", "service2"):
        share.override_by_name(f"share of {service}", palette.fixed(palette.APPS[service]))
    return [coloured(rate, palette.OUTCOMES), coloured(duration, palette.QUANTILES), share]


def _process() -> list[timeseries.Panel]:
    cpu = chart(
        About("CPU", "Processor time of the process, as a share of one core.", NOT_SCRAPED, [to(OVERVIEW)]),
        "percentunit",
        [queries.series(promql.rate("process_cpu_seconds_total", HERE), "of one core")],
    )
    memory = chart(
        About("Memory", "Resident memory of the process.", NOT_SCRAPED, [to(OVERVIEW)]),
        "bytes",
        [queries.series(f"max(process_resident_memory_bytes{{{HERE}}})", "resident")],
    )
    bugs = chart(
        About(
            "Bugs",
            "Bugs that showed in it, by kind.",
            "no bugs: only nodes of service 1 and 2 have any",
            [to(LOGS, "Its bugs in the logs", node="$node", text="bug")],
        ),
        "suffix: bugs/s",
        [queries.series(promql.rate("carousel_bugs_total", HERE, by="carousel_bug"), "{{carousel_bug}}")],
        stacked=True,
    )
    coloured(cpu, {"of one core": palette.QUIET})
    coloured(memory, {"resident": palette.QUIET})
    return [cpu, memory, coloured(bugs, palette.BUGS)]


def _outbox() -> timeseries.Panel:
    panel = chart(
        About(
            "Telemetry that waits",
            "Records in its outbox that the Collector has not taken yet.",
            "this node reports no outbox",
            [to(PIPELINE)],
            12,
        ),
        "suffix: records",
        [queries.series(f"sum by (signal) (carousel_outbox_records{{{HERE}}})", "{{signal}}")],
    )
    return coloured(panel, {"logs": palette.QUIET, "traces": palette.SLOW})


def _severities() -> timeseries.Panel:
    panel = chart(
        About(
            "Its records by severity",
            "How many log records it left in each interval.",
            "it said nothing in this time, or Loki does not run",
            [to(LOGS, node="$node")],
            12,
        ),
        "suffix: records",
        [queries.record_counts(logql.counted(LOGS_HERE, "severity_text"), "{{severity_text}}")],
        stacked=True,
        bars=True,
        source=queries.LOKI,
    )
    return coloured(panel, palette.SEVERITIES)


def _logs() -> AnyPanel:
    about = About(
        "Its logs",
        "Its newest records. Opened, a line leads to its trace.",
        "it said nothing in this time, or Loki does not run",
        [to(LOGS, node="$node")],
        24,
        10,
    )
    return records(about, queries.records(LOGS_HERE, 200))


def _traces() -> table.Panel:
    panel = listing(
        About(
            "Requests that failed in it",
            "Traces with a failed span of this node, newest first. Click an id.",
            "none failed in this time, or Tempo does not run",
            [to(TRACE)],
            24,
            8,
        ),
        "short",
        [queries.traces('{ resource.service.instance.id = "$node" && status = error }')],
        source=queries.TEMPO,
    )
    column(panel, "traceDuration", unit="ms")
    return linked(panel, "traceID", links.to_trace(), displayName="Trace")
