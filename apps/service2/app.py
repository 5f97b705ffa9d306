"""Makes a replica of service 2."""

from apps.service2.config import Service2Config
from apps.service2.routes import Service2, service2_blueprint
from apps.telemetry.setup import Telemetry
from apps.web.app import base_app
from apps.web.server import Service
from apps.web.work import Workshop


def create_service(config: Service2Config, telemetry: Telemetry, *, workshop: Workshop | None = None) -> Service:
    """Return a replica. *workshop* does its work; by default one that takes the time it should."""
    replica = config.replica
    workshop = workshop or Workshop(telemetry, generator=replica.generator("work"))
    app = base_app(__name__, replica.node, telemetry, forms=("application/json",))
    app.register_blueprint(service2_blueprint(Service2(config, telemetry.recorder, workshop, replica.plan())))
    return Service(app, telemetry.start, telemetry.stop)
