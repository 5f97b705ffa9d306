"""Makes a replica of service 2."""

from collections.abc import Callable

from apps.service2.config import Service2Config
from apps.service2.routes import Service2, service2_blueprint
from apps.telemetry.setup import Telemetry
from apps.web.app import base_app
from apps.web.bugs_api import BugsApi
from apps.web.havoc import Havoc
from apps.web.server import Service
from apps.web.work import Workshop


def create_service(
    config: Service2Config,
    telemetry: Telemetry,
    *,
    workshop: Workshop | None = None,
    die: Callable[[], None] | None = None,
) -> Service:
    """Return a replica.

    Args:
        config: the replica's settings.
        telemetry: gets the spans, the steps and the metrics.
        workshop: does the work; by default one that takes the time it should.
        die: ends the node as a crash does; None: the bug `crash` cannot show.
    """
    replica = config.replica
    havoc = Havoc(replica.node.threads, die=die, last_words=telemetry.flush)
    workshop = workshop or Workshop(telemetry, generator=replica.generator("work"), havoc=havoc)
    plan = replica.plan()
    bugs = BugsApi(replica.node, plan, telemetry.recorder, replica.admin_token)
    app = base_app(__name__, replica.node, telemetry, facts=bugs.facts, forms=("application/json",))
    app.register_blueprint(service2_blueprint(Service2(config, telemetry.recorder, workshop, plan)))
    app.register_blueprint(bugs.blueprint())

    def stop() -> None:
        workshop.stop()
        telemetry.stop()

    return Service(app, telemetry.start, stop, drain=workshop.stop)
