"""Makes a replica of service 1."""

from collections.abc import Callable

import requests

from apps.service1.config import Service1Config
from apps.service1.gateway_client import GatewayClient
from apps.service1.routes import Service1, service1_blueprint
from apps.telemetry.setup import Telemetry
from apps.web.app import base_app
from apps.web.bugs_api import BugsApi
from apps.web.client import new_session
from apps.web.havoc import Havoc
from apps.web.server import Service
from apps.web.work import Workshop


def create_service(
    config: Service1Config,
    telemetry: Telemetry,
    *,
    session: requests.Session | None = None,
    workshop: Workshop | None = None,
    die: Callable[[], None] | None = None,
) -> Service:
    """Return a replica.

    Args:
        config: the replica's settings.
        telemetry: gets the spans, the steps and the metrics.
        session: reaches the gateways; by default one with a connection for each thread.
        workshop: does the work; by default one that takes the time it should.
        die: ends the node as a crash does; None: the bug `crash` cannot show.
    """
    replica = config.replica
    havoc = Havoc(replica.node.threads, die=die, last_words=telemetry.flush)
    workshop = workshop or Workshop(telemetry, generator=replica.generator("work"), havoc=havoc)
    plan = replica.plan()
    bugs = BugsApi(replica.node, plan, telemetry.recorder, replica.admin_token)
    session = session or new_session(replica.node.threads)
    client = GatewayClient(config.gateway_urls, config.service_token, replica.node.node, session)
    app = base_app(__name__, replica.node, telemetry, facts=bugs.facts, forms=("application/json",))
    app.register_blueprint(service1_blueprint(Service1(config, telemetry.recorder, workshop, plan, client)))
    app.register_blueprint(bugs.blueprint())

    def start() -> None:
        telemetry.instrument_client()
        telemetry.start()

    def stop() -> None:
        workshop.stop()
        telemetry.stop()

    return Service(app, start, stop, drain=workshop.stop)
