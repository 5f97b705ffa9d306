"""What every app is made of: a Flask object with guards, problem details, health routes and telemetry."""

from collections.abc import Sequence

from flask import Flask

from apps.telemetry.setup import Telemetry
from apps.web.guards import FORMS, guard_forms, guard_hosts
from apps.web.health import Check, Facts, health_blueprint
from apps.web.node import NodeConfig
from apps.web.problem import answer_problems


def base_app(
    name: str,
    config: NodeConfig,
    telemetry: Telemetry,
    *,
    checks: Sequence[Check] = (),
    facts: Facts = dict,
    forms: Sequence[str] = FORMS,
) -> Flask:
    """Return a Flask app that answers health, refuses foreign requests and is traced; it has no routes of its own."""
    app = Flask(name, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    answer_problems(app)
    telemetry.instrument(app)
    guard_hosts(app, config.allowed_hosts)
    guard_forms(app, forms)
    app.register_blueprint(health_blueprint(config.service, config.node, telemetry.registry, checks, facts))
    return app
