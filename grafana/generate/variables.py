"""The variables of the boards. Each chain hangs on the one before it: a service narrows the nodes to choose from."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from apps.telemetry.steps import BY_NAME
from grafana.generate.queries import PROMETHEUS

ANY: Final = ".+"
ANY_OR_NONE: Final = ".*"
SEVERITIES: Final = ("DEBUG", "INFO", "WARN", "ERROR", "FATAL")


def service() -> dashboard.QueryVariable:
    """Return `service`: every service that Prometheus scrapes, or all."""
    variable = dashboard.QueryVariable("service").label("Service").description("The service; all its nodes are one")
    variable.datasource(PROMETHEUS).query('label_values(up{job=~"carousel/.+"}, job)').regex("/^carousel\\/(.+)$/")
    variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    return variable.include_all(True).all_value(ANY).current(_all())


def node(default: str | None = None) -> dashboard.QueryVariable:
    """Return `node`, the nodes of the chosen service: one of them (*default* at first), or all without a default."""
    variable = dashboard.QueryVariable("node").label("Node").description("A running copy: service.instance.id")
    variable.datasource(PROMETHEUS).query('label_values(up{job=~"carousel/$service"}, instance)')
    variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    if default is None:
        return variable.include_all(True).all_value(ANY).current(_all())
    return variable.include_all(False).current(_only(default))


def trace_id() -> dashboard.TextBoxVariable:
    """Return `trace_id`, a text box."""
    variable = dashboard.TextBoxVariable("trace_id").label("Trace id").description("32 hexadecimal digits: X-Trace-Id")
    return variable.default_value("").current(_only(""))


def text() -> dashboard.TextBoxVariable:
    """Return `text`, a text box."""
    variable = (
        dashboard.TextBoxVariable("text")
        .label("Text")
        .description("Words of the message as they stand there; case does not matter, and no backquotes")
    )
    return variable.default_value("").current(_only(""))


def step() -> dashboard.CustomVariable:
    """Return `step`: one of the steps and variants that the code knows, or all."""
    names = [one.name for one in sorted(BY_NAME.values(), key=lambda one: (one.n, one.name))]
    return _choice("step", "Step", "carousel.step; all records, also those of no step, without a choice", names)


def severity() -> dashboard.CustomVariable:
    """Return `severity`, or all."""
    return _choice("severity", "Severity", "The severity of a record", SEVERITIES)


def _choice(name: str, label: str, says: str, values: Sequence[str]) -> dashboard.CustomVariable:
    variable = dashboard.CustomVariable(name).label(label).description(says).values(",".join(values))
    variable.options([_option("All", "$__all", True), *(_option(value, value, False) for value in values)])
    return variable.include_all(True).all_value(ANY_OR_NONE).current(_all())


def _option(text: str, value: str, selected: bool) -> VariableOption:
    return VariableOption(selected=selected, text=text, value=value)


def _all() -> VariableOption:
    return _option("All", "$__all", True)


def _only(value: str) -> VariableOption:
    return _option(value, value, True)
