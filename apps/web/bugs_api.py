"""``/admin/bugs`` of a replica: which bugs happen by themselves, changed while it runs."""

import json
from typing import Any

from flask import Blueprint, Response, jsonify, request

from apps.telemetry import names
from apps.telemetry.trail import Recorder
from apps.web import headers
from apps.web.faults import FaultError, FaultPlan, Rates, format_rates, parse_rates
from apps.web.guards import bears, unauthorized
from apps.web.kinds import KINDS
from apps.web.node import NodeConfig
from apps.web.problem import problem

MAX_BODY_BYTES = 64 * 1024
_EXPECTED = 'expected {"rates": "kind=probability;parameter=value,…"}, as in {"rates": "slow=0.1;ms=400"}'


_NO_TOKEN = "CAROUSEL_ADMIN_TOKEN_FILE names the file that it reads one from when it starts."


class BugsApi:
    """What a replica answers to questions for its bugs, and to orders for others.

    Args:
        node: who this node is.
        plan: decides which bug a request meets.
        recorder: gets the event of each change.
        token: the admin's; empty: nobody may ask, which is told with a 403.
    """

    def __init__(self, node: NodeConfig, plan: FaultPlan, recorder: Recorder, token: str) -> None:
        self._node = node
        self._plan = plan
        self._recorder = recorder
        self._token = token

    def facts(self) -> dict[str, object]:
        """Return what ``/readyz`` tells of the bugs: their rates in canonical form."""
        return {"bugs": format_rates(self._plan.rates)}

    def blueprint(self) -> Blueprint:
        """Return the routes. Each asks for the admin's token."""
        blueprint = Blueprint("bugs", __name__, url_prefix="/admin/bugs")

        @blueprint.before_request
        def guard() -> Response | None:
            if not self._token:
                return problem(403, "This node has no admin token, so nobody can give it orders. " + _NO_TOKEN)
            return None if bears(self._token) else unauthorized()

        @blueprint.get("")
        def show() -> Response:
            return jsonify(self.shape())

        @blueprint.put("")
        def replace() -> Response:
            request.max_content_length = MAX_BODY_BYTES
            try:
                rates = _read(request.get_data())
            except FaultError as error:
                return problem(400, f"{error}.")
            self._replace(rates)
            return jsonify(self.shape())

        @blueprint.delete("")
        def reset() -> Response:
            self._replace(None)
            return jsonify(self.shape())

        return blueprint

    def shape(self) -> dict[str, Any]:
        """Return the bugs of this node, and the table of all kinds there are."""
        return {
            "node": self._node.node,
            "service": self._node.service,
            "rates": format_rates(self._plan.rates),
            "source": "admin" if self._plan.is_ordered else "environment",
            "kinds": [kind.shape() for kind in KINDS],
        }

    def _replace(self, rates: Rates | None) -> None:
        before = format_rates(self._plan.replace(rates))
        now = format_rates(self._plan.rates)
        self._recorder.event(
            names.BUGS_SET,
            f"bugs set to {now or 'none'}",
            {
                names.BUG_RATES: now,
                names.BUG_RATES_BEFORE: before,
                names.PEER: request.headers.get(headers.NODE, "client")[:64],
                names.CLIENT_ADDRESS: request.remote_addr or "",
            },
        )


def _read(body: bytes) -> Rates:
    """Return the rates in a body.

    Raises:
        FaultError: it is not of the expected form, or orders what there is not.
    """
    try:
        shape = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FaultError(f"the body is not JSON ({error}); {_EXPECTED}") from error
    if not isinstance(shape, dict) or set(shape) != {"rates"} or not isinstance(shape["rates"], str):
        raise FaultError(f"the body is of another form; {_EXPECTED}")
    return parse_rates(shape["rates"])
