"""How a panel looks. Each says what it shows, in which unit, what an empty one means, and where to go from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import common, dashboard, logs, nodegraph, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LogsSortOrder,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
)

from grafana.generate import links, palette
from grafana.generate.queries import LOKI, PROMETHEUS, TEMPO, Query

P = TypeVar("P", stat.Panel, timeseries.Panel, table.Panel, logs.Panel, nodegraph.Panel, dashboard.Panel)
AnyPanel = stat.Panel | timeseries.Panel | table.Panel | logs.Panel | nodegraph.Panel | dashboard.Panel


@dataclass(frozen=True)
class About:
    """What every panel has."""

    title: str
    says: str
    """What it shows and how to read it: the text behind the (i)."""
    empty: str
    """What it means when there is nothing to show."""
    onward: Sequence[dashboard.DashboardLink]
    """Where to look next."""
    wide: int = 8
    high: int = 7


def _frame(panel: P, about: About, source: DataSourceRef, queries: Sequence[Query]) -> P:
    panel.title(about.title).description(about.says).no_value(about.empty).links(list(about.onward))
    panel.span(about.wide).height(about.high).datasource(source)
    for letter, query in zip(ascii_uppercase, queries, strict=False):
        panel.with_target(query.ref_id(letter))
    return panel


def limits(*steps: tuple[float, str], start: str = palette.QUIET) -> dashboard.ThresholdsConfig:
    """Return thresholds: *start*, and from each value on its colour."""
    coloured = [Threshold(value=None, color=start), *(Threshold(value=value, color=colour) for value, colour in steps)]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(coloured)


def number(
    about: About,
    unit: str,
    query: Query,
    thresholds: dashboard.ThresholdsConfig | None = None,
    source: DataSourceRef = PROMETHEUS,
    decimals: int | None = None,
) -> stat.Panel:
    """Return one number, large, in the colour of its state."""
    panel = _frame(stat.Panel(), about, source, [query]).unit(unit).thresholds(thresholds or limits())
    if decimals is not None:
        panel.decimals(decimals)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return panel.color_mode(BigValueColorMode.VALUE).graph_mode(BigValueGraphMode.NONE)


def chart(
    about: About,
    unit: str,
    queries: Sequence[Query],
    *,
    stacked: bool = False,
    bars: bool = False,
    threshold: float | None = None,
    source: DataSourceRef = PROMETHEUS,
) -> timeseries.Panel:
    """Return a chart over time, from 0; *threshold* is drawn as a line."""
    panel = _frame(timeseries.Panel(), about, source, queries).unit(unit).min(0).show_points(VisibilityMode.NEVER)
    panel.line_width(1.5).fill_opacity(70 if bars else 25 if stacked else 0).axis_grid_show(False)
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel.legend(legend.show_legend(True).calcs([]))
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if bars:
        panel.draw_style(GraphDrawStyle.BARS)
    if threshold is not None:
        panel.thresholds(limits((threshold, palette.ERROR)))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    return panel


def listing(
    about: About,
    unit: str,
    queries: Sequence[Query],
    transformations: Sequence[DataTransformerConfig] = (),
    source: DataSourceRef = PROMETHEUS,
) -> table.Panel:
    """Return a table."""
    panel = _frame(table.Panel(), about, source, queries).unit(unit).show_header(True).filterable(False)
    return panel.transformations(list(transformations))


def records(about: About, query: Query, *, oldest_first: bool = False) -> logs.Panel:
    """Return log records, a line each; opened, a line shows everything of the record."""
    panel = _frame(logs.Panel(), about, LOKI, [query]).show_time(True).show_labels(False).show_common_labels(False)
    panel.sort_order(LogsSortOrder.ASCENDING if oldest_first else LogsSortOrder.DESCENDING)
    return panel.wrap_log_message(False).enable_log_details(True)


def waterfall(about: About, query: Query) -> dashboard.Panel:
    """Return the spans of one trace on their time axis. The SDK has no builder of this panel's own."""
    return _frame(dashboard.Panel().type("traces"), about, TEMPO, [query])


def graph(about: About, query: Query) -> nodegraph.Panel:
    """Return nodes and who calls whom."""
    return _frame(nodegraph.Panel(), about, TEMPO, [query])


def coloured_by_app(panel: P, engines: bool = False) -> P:
    """Give every series its app's colour: the app itself that colour, replicas shades of it."""
    for app, colour in palette.APPS.items():
        panel.override_by_name(app, palette.fixed(colour))
        panel.override_by_regexp(rf"/^{app}-.+$/", palette.shades(colour))
    if engines:
        for engine, colour in palette.ENGINES.items():
            panel.override_by_regexp(rf"/^{engine}(-.+)?$/", palette.fixed(colour))
    return panel


def coloured(panel: P, colours: Mapping[str, str]) -> P:
    """Give each series named in *colours* its colour."""
    for name, colour in colours.items():
        panel.override_by_name(name, palette.fixed(colour))
    return panel


def leads_to_nodes(panel: timeseries.Panel, label: str) -> timeseries.Panel:
    """Let every series lead to the node that its *label* names."""
    return panel.data_links([links.to_node(f"${{__field.labels.{label}}}")])


def column(panel: table.Panel, name: str, **properties: object) -> table.Panel:
    """Set *properties* (unit, links, displayName, width, decimals) of the column *name*."""
    ids = {"width": "custom.width", "hidden": "custom.hidden"}
    values = [DynamicConfigValue(id_val=ids.get(key, key), value=value) for key, value in properties.items()]
    return panel.override_by_name(name, values)


def linked(panel: table.Panel, name: str, link: dashboard.DashboardLink, **properties: object) -> table.Panel:
    """Let the values of the column *name* lead somewhere."""
    built = link.build()
    return column(panel, name, links=[{"title": built.title, "url": built.url, "targetBlank": False}], **properties)


def transformation(name: str, **options: object) -> DataTransformerConfig:
    """Return the transformation *name* with its options."""
    return DataTransformerConfig(id_val=name, options=options)


def row(title: str) -> dashboard.Row:
    """Return a heading between panels."""
    return dashboard.Row(title)
