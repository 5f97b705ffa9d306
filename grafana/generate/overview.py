"""The board Overview: is the client API well, are the rings whole, and if not, which node?"""

from grafana_foundation_sdk.builders import dashboard, table, timeseries

from grafana.generate import links, palette, promql, queries
from grafana.generate.links import LOGS, NODE, PIPELINE, TRACE, to
from grafana.generate.objectives import AVAILABILITY, LATENCY, LATENCY_WITHIN_S
from grafana.generate.panels import (
    About,
    AnyPanel,
    chart,
    coloured,
    coloured_by_app,
    column,
    graph,
    leads_to_nodes,
    limits,
    linked,
    listing,
    number,
    row,
    transformation,
)
from grafana.generate.promql import CLIENT_API, RANGE

NO_REQUESTS = "no requests: make load, or carousel send orders"
NO_TEMPO = "no traces: Tempo does not run, or nothing was sent in this time"
FAILED_TRACES = '{ resource.service.name = "gateway" && kind = server && name =~ ".+ /api/.+" && status = error }'


def board() -> dashboard.Dashboard:
    """Return the board."""
    made = dashboard.Dashboard(links.TITLES[links.OVERVIEW]).uid(links.OVERVIEW)
    made.description("Rate, errors and duration of the client API, its objectives, and the two rings of replicas")
    for panel in (*_numbers(), *_requests(), *_rings()):
        made.with_panel(panel)
    made.with_row(row("Nodes and traces"))
    for below in (_nodes(), _failed_traces(), _map(), _ejections()):
        made.with_panel(below)
    return made


def _numbers() -> list[AnyPanel]:
    onward = [to(NODE), to(LOGS)]
    availability = f"1 - ({promql.failed_share(CLIENT_API, window=RANGE)})"
    in_time = promql.within(LATENCY_WITHIN_S, CLIENT_API, RANGE)
    down = limits((AVAILABILITY, palette.QUIET), start=palette.ERROR)
    return [
        number(
            About("Requests", "Client requests per second, now.", NO_REQUESTS, onward, 4, 4),
            "reqps",
            queries.now(promql.requests(CLIENT_API)),
            decimals=1,
        ),
        number(
            About("Failed", "Share of client requests answered with a 5xx, now.", NO_REQUESTS, onward, 4, 4),
            "percentunit",
            queries.now(promql.failed_share(CLIENT_API)),
            limits((1 - AVAILABILITY, palette.ERROR)),
            decimals=1,
        ),
        number(
            About("95 % answered within", "The 95th percentile of the time to answer, now.", NO_REQUESTS, onward, 4, 4),
            "s",
            queries.now(promql.quantile(0.95, CLIENT_API)),
            limits((LATENCY_WITHIN_S, palette.SLOW)),
        ),
        number(
            About(
                "Availability",
                f"Share of client requests in the time shown that were not answered with a 5xx. "
                f"Objective: {AVAILABILITY:.0%}.",
                NO_REQUESTS,
                onward,
                4,
                4,
            ),
            "percentunit",
            queries.now(availability),
            down,
            decimals=2,
        ),
        number(
            About(
                "Error budget left",
                f"How much of the {1 - AVAILABILITY:.0%} that may fail is left in the time shown. "
                "Below zero the objective is missed.",
                NO_REQUESTS,
                onward,
                4,
                4,
            ),
            "percentunit",
            queries.now(promql.budget_left(availability, AVAILABILITY)),
            limits((0, palette.SLOW), (0.25, palette.QUIET), start=palette.ERROR),
            decimals=0,
        ),
        number(
            About(
                f"Within {LATENCY_WITHIN_S:g} s",
                f"Share of client requests in the time shown that were answered within {LATENCY_WITHIN_S:g} s. "
                f"Objective: {LATENCY:.0%}.",
                NO_REQUESTS,
                onward,
                4,
                4,
            ),
            "percentunit",
            queries.now(in_time),
            limits((LATENCY, palette.QUIET), start=palette.SLOW),
            decimals=2,
        ),
    ]


def _requests() -> list[timeseries.Panel]:
    by_status = promql.requests(CLIENT_API, by="http_response_status_code")
    rate = chart(
        About(
            "Requests by outcome",
            "Client requests per second by the class of their status. 502: a replica answered badly; 503: no healthy "
            "replica, or too many requests inside; 504: the deadline passed.",
            NO_REQUESTS,
            [to(LOGS, "Failures in the logs", severity="ERROR"), to(NODE)],
        ),
        "reqps",
        [queries.series(promql.status_class(by_status), "{{class}}")],
        stacked=True,
    )
    duration = chart(
        About(
            "Time to answer",
            "Percentiles of the time from a client's request to its answer. A dot is one request: it opens its trace.",
            NO_REQUESTS,
            [to(TRACE), to(NODE)],
        ),
        "s",
        [
            queries.series(promql.quantile(q, CLIENT_API), f"p{q * 100:g}", exemplars=q == 0.99)
            for q in (0.5, 0.95, 0.99)
        ],
        threshold=LATENCY_WITHIN_S,
    )
    failing = chart(
        About(
            "Failed share by service",
            "Share of the requests that each service answered with a 5xx. Service 2 first: the others hand its failure "
            "on. The line is what the objective lets fail.",
            NO_REQUESTS,
            [to(NODE), to(LOGS, "Failures in the logs", severity="ERROR")],
        ),
        "percentunit",
        [
            queries.series(
                promql.failed_share('job=~"carousel/(gateway|service.)"', by="service_name"), "{{service_name}}"
            )
        ],
        threshold=1 - AVAILABILITY,
    )
    return [coloured(rate, palette.OUTCOMES), coloured(duration, palette.QUANTILES), coloured_by_app(failing)]


def _rings() -> list[timeseries.Panel]:
    nodes = chart(
        About(
            "Nodes in the rings",
            "Members of each ring by state: linked ones are picked, those on probation too, ejected ones are tried "
            "again later, joining ones have not said that they are ready.",
            "no ring: the gateway does not report",
            [to(LOGS, "What the gateway says of them", service="gateway", text="ring"), to(NODE)],
        ),
        "none",
        [
            queries.series(
                "sum by (carousel_service, carousel_state) (carousel_ring_nodes)",
                "{{carousel_service}} {{carousel_state}}",
            )
        ],
    )
    picks = chart(
        About(
            "Picks by node",
            "How often each ring's hand points at a node, per second. With a steady set of nodes the lines of a ring "
            "lie on each other.",
            NO_REQUESTS,
            [to(NODE)],
        ),
        "suffix: picks/s",
        [queries.series(promql.rate("carousel_balancer_picks_total", by="carousel_peer"), "{{carousel_peer}}")],
    )
    bugs = chart(
        About(
            "Bugs",
            "Bugs of service 1 and 2 that showed, by kind. The demo makes service 2 misbehave in about one request of "
            "twenty.",
            "no bug has shown",
            [to(LOGS, "Bugs in the logs", step="service2.work.bug"), to(NODE, service="service2", node="service2-1")],
        ),
        "suffix: bugs/s",
        [queries.series(promql.rate("carousel_bugs_total", by="carousel_bug"), "{{carousel_bug}}")],
        stacked=True,
    )
    for service in ("service1", "service2"):
        colour = palette.APPS[service]
        nodes.override_by_regexp(f"/^{service} (linked|probation)$/", palette.shades(colour))
    nodes.override_by_regexp("/ ejected$/", palette.fixed(palette.ERROR))
    nodes.override_by_regexp("/ joining$/", palette.fixed(palette.SLOW))
    return [nodes, leads_to_nodes(coloured_by_app(picks), "carousel_peer"), coloured(bugs, palette.BUGS)]


def _nodes() -> table.Panel:
    apps = 'job=~"carousel/.+"'
    columns = [
        ("Requests", "reqps", promql.requests(apps, by="instance")),
        ("Failed", "percentunit", promql.failed_share(apps, by="instance")),
        ("p95", "s", promql.quantile(0.95, apps, by="instance")),
        ("CPU", "percentunit", promql.rate("process_cpu_seconds_total", apps, by="instance")),
        ("Memory", "bytes", f"sum by (instance) (process_resident_memory_bytes{{{apps}}})"),
        ("Up", "bool_yes_no", f"max by (instance) (up{{{apps}}})"),
    ]
    panel = listing(
        About(
            "Nodes",
            "Every node with its rate, errors, duration and process. CPU is a share of one core. Click a node.",
            "no node: Prometheus scrapes nothing",
            [to(NODE)],
            24,
            8,
        ),
        "short",
        [queries.rows(expression) for _, _, expression in columns],
        [
            transformation("joinByField", byField="instance", mode="outer"),
            transformation("filterFieldsByName", include={"pattern": "^(instance|Value.*)$"}),
        ],
    )
    for letter, (title, unit, _) in zip("ABCDEF", columns, strict=True):
        column(panel, f"Value #{letter}", displayName=title, unit=unit)
    return linked(panel, "instance", links.to_node("${__value.raw}"), displayName="Node")


def _failed_traces() -> table.Panel:
    panel = listing(
        About(
            "Failed requests",
            "Traces of client requests that ended in a 5xx, newest first. Click an id.",
            NO_TEMPO,
            [to(TRACE)],
            16,
            9,
        ),
        "short",
        [queries.traces(FAILED_TRACES)],
        source=queries.TEMPO,
    )
    column(panel, "traceDuration", unit="ms")
    return linked(panel, "traceID", links.to_trace(), displayName="Trace")


def _map() -> AnyPanel:
    about = About(
        "Who calls whom",
        "The services and their calls, with rate and time to answer, made from spans. The client outside is `user`.",
        NO_TEMPO,
        [to(NODE), to(TRACE)],
        8,
        9,
    )
    return graph(about, queries.service_map())


def _ejections() -> timeseries.Panel:
    panel = chart(
        About(
            "Ejections",
            "Nodes taken out of a ring, by ring and reason: `failures` in a row, a `refused` connection, `not_ready`.",
            "no node was taken out",
            [to(LOGS, "Ejections in the logs", service="gateway", text="ejected"), to(PIPELINE)],
            24,
            6,
        ),
        "suffix: ejections",
        [
            queries.series(
                "sum by (carousel_service, carousel_reason) "
                f"(increase(carousel_balancer_ejections_total[{promql.RATE}]))",
                "{{carousel_service}} {{carousel_reason}}",
            )
        ],
        bars=True,
        stacked=True,
    )
    for service in ("service1", "service2"):
        panel.override_by_regexp(f"/^{service} /", palette.shades(palette.APPS[service]))
    return panel
