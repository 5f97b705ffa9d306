"""The kinds of bugs there are, with words, parameters and limits, as the admin API of a replica shows them."""

from typing import Any

from apps.web.kinds import KINDS


def kinds() -> list[dict[str, Any]]:
    """Return a row a kind: ``kind``, ``parameters`` (name to default), ``limits`` (name to the most), ``words``."""
    return [kind.shape() for kind in KINDS]
