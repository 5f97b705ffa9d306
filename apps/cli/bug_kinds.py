"""The kinds of bugs there are, with words, parameters and limits, as the admin API of a replica shows them."""

from importlib import import_module
from typing import Any


def kinds() -> list[dict[str, Any]]:
    """Return a row a kind: ``kind``, ``parameters`` (name to default), ``limits`` (name to the most), ``words``."""
    try:
        table = import_module("apps.web.kinds").KINDS
    except ModuleNotFoundError:
        return _of_grammar()
    return [kind.shape() for kind in table]


def _of_grammar() -> list[dict[str, Any]]:
    """Return what the grammar of orders alone knows: names and parameters."""
    parameters = import_module("apps.web.faults").PARAMETERS
    return [{"kind": kind, "parameters": dict(known), "limits": {}, "words": ""} for kind, known in parameters.items()]
