"""The board Logs: search by text, service, node, step and severity."""

from grafana_foundation_sdk.builders import dashboard, timeseries

from grafana.generate import links, logql, palette, queries, variables
from grafana.generate.links import NODE, OVERVIEW, TRACE, to
from grafana.generate.logql import CHOSEN
from grafana.generate.panels import (
    About,
    AnyPanel,
    chart,
    coloured,
    coloured_by_app,
    leads_to_nodes,
    limits,
    number,
    records,
)

NOTHING = "nothing matches: widen the time or the choice above. Is Loki running? make status"


def board() -> dashboard.Dashboard:
    """Return the board."""
    made = dashboard.Dashboard(links.TITLES[links.LOGS]).uid(links.LOGS)
    made.description("Log records by text, service, node, step and severity")
    for variable in (variables.service(), variables.node()):
        made.with_variable(variable)
    made.with_variable(variables.step()).with_variable(variables.severity()).with_variable(variables.text())
    for panel in (*_numbers(), _severities(), _nodes(), _records()):
        made.with_panel(panel)
    return made


def _numbers() -> list[AnyPanel]:
    onward = [to(OVERVIEW), to(NODE)]
    errors = f'sum(count_over_time({CHOSEN} | severity_text=~"ERROR|FATAL" [$__range]))'
    traces = f'count(sum by (trace_id) (count_over_time({CHOSEN} | trace_id!="" [$__range])))'
    return [
        number(
            About("Records", "Records that match, in the time shown.", NOTHING, onward, 8, 3),
            "short",
            queries.record_count(f"sum(count_over_time({CHOSEN} [$__range]))"),
            source=queries.LOKI,
        ),
        number(
            About("Errors", "Matching records of severity ERROR or above.", "none", onward, 8, 3),
            "short",
            queries.record_count(errors),
            limits((1, palette.ERROR)),
            source=queries.LOKI,
        ),
        number(
            About("Traces", "Different traces among the matching records.", "none", [to(TRACE)], 8, 3),
            "short",
            queries.record_count(traces),
            source=queries.LOKI,
        ),
    ]


def _severities() -> timeseries.Panel:
    panel = chart(
        About("By severity", "Matching records in each interval, by severity.", NOTHING, [to(OVERVIEW)], 12, 6),
        "suffix: records",
        [queries.record_counts(logql.counted(CHOSEN, "severity_text"), "{{severity_text}}")],
        stacked=True,
        bars=True,
        source=queries.LOKI,
    )
    return coloured(panel, palette.SEVERITIES)


def _nodes() -> timeseries.Panel:
    panel = chart(
        About("By node", "Matching records in each interval, by node.", NOTHING, [to(NODE)], 12, 6),
        "suffix: records",
        [queries.record_counts(logql.counted(CHOSEN, "service_instance_id"), "{{service_instance_id}}")],
        stacked=True,
        bars=True,
        source=queries.LOKI,
    )
    return leads_to_nodes(coloured_by_app(panel, engines=True), "service_instance_id")


def _records() -> AnyPanel:
    about = About(
        "Records",
        "The newest records that match. Opened, a line leads to its trace and to its node.",
        NOTHING,
        [to(TRACE), to(OVERVIEW)],
        24,
        18,
    )
    return records(about, queries.records(CHOSEN))
