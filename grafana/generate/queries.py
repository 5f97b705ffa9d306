"""Queries of panels and the data sources they go to. The uids are those of grafana/provisioning/datasources/."""

from typing import Final

from grafana_foundation_sdk.builders import loki, prometheus, tempo
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.tempo import SearchTableType

PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="prometheus")
LOKI: Final = DataSourceRef(type_val="loki", uid="loki")
TEMPO: Final = DataSourceRef(type_val="tempo", uid="tempo")

Query = prometheus.Dataquery | loki.Dataquery | tempo.TempoQuery


def series(expression: str, legend: str, *, exemplars: bool = False) -> prometheus.Dataquery:
    """Return a question about the whole range; with *exemplars* each leads to its trace."""
    query = prometheus.Dataquery().expr(expression).range().legend_format(legend).datasource(PROMETHEUS)
    return query.exemplar(exemplars)


def now(expression: str, legend: str = "__auto") -> prometheus.Dataquery:
    """Return a question about the end of the range."""
    return prometheus.Dataquery().expr(expression).instant().legend_format(legend).datasource(PROMETHEUS)


def rows(expression: str) -> prometheus.Dataquery:
    """Return a question about the end of the range whose labels become columns."""
    return now(expression).format(PromQueryFormat.TABLE)


def records(expression: str, at_most: int = 500) -> loki.Dataquery:
    """Return a question for log records, *at_most* so many."""
    return loki.Dataquery().expr(expression).query_type("range").max_lines(at_most).datasource(LOKI)


def record_counts(expression: str, legend: str) -> loki.Dataquery:
    """Return a question for numbers of log records over the range."""
    return loki.Dataquery().expr(expression).query_type("range").legend_format(legend).datasource(LOKI)


def record_count(expression: str, legend: str = "") -> loki.Dataquery:
    """Return a question for numbers of log records at the end of the range."""
    return loki.Dataquery().expr(expression).query_type("instant").legend_format(legend).datasource(LOKI)


def one_trace(trace_id: str) -> tempo.TempoQuery:
    """Return a question for the trace *trace_id*: an id alone, asked as TraceQL, is looked up as such."""
    return tempo.TempoQuery().query_type("traceql").query(trace_id).datasource(TEMPO)


def traces(traceql: str, at_most: int = 20) -> tempo.TempoQuery:
    """Return a question for the traces that *traceql* finds, newest first."""
    query = tempo.TempoQuery().query_type("traceql").query(traceql).limit(at_most).datasource(TEMPO)
    return query.table_type(SearchTableType.TRACES)


def service_map() -> tempo.TempoQuery:
    """Return a question for who calls whom: made by Tempo's generator, read from Prometheus."""
    return tempo.TempoQuery().query_type("serviceMap").service_map_query("").datasource(TEMPO)
