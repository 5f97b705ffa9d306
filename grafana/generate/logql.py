"""Questions to Loki, as the boards ask them.

Labels are service_namespace, service_name, service_instance_id; everything else of a record is structured metadata,
with underscores for dots. Loki keeps no EventName: steps are found by carousel_step.
"""

from typing import Final

ALL: Final = '{service_namespace="carousel"}'
OF_TRACE: Final = f'{ALL} | trace_id=`${{trace_id:raw}}` | trace_id!=""'
"""The records of one trace; none while no id is given (a record without a trace has the id "")."""
STEPS_OF_TRACE: Final = f'{OF_TRACE} | carousel_step!=""'
CHOSEN: Final = (
    '{service_namespace="carousel",service_name=~"$service",service_instance_id=~"$node"}'
    # Regular expressions match the whole value; the backquotes keep what the person types from ending the string.
    ' | severity_text=~"$severity" | carousel_step=~"$step" |~ `(?i)${text:regex}`'
)
"""The records that the variables of the board Logs choose."""


def counted(records: str, by: str, window: str = "$__auto") -> str:
    """Return how many of *records* there are in each *window*, by labels."""
    return f"sum by ({by}) (count_over_time({records} [{window}]))"
