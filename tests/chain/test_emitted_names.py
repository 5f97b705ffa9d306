"""Every name that a run emits is one that apps/telemetry/names.py knows."""

from apps.telemetry import names, steps
from tests.chain.conftest import MakeChain
from tests.fakes import refuse

KNOWN = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
CONVENTIONS = {"exception.type", "exception.message", "exception.stacktrace", "server.address", "logger.name"}
"""Names of the semantic conventions, and of the logging bridge, that need no entry of ours."""


def test_every_name_that_a_run_emits_is_known(make_chain: MakeChain) -> None:
    """Attributes, events and steps of healthy requests, bugs, refusals and ejections."""
    chain = make_chain()
    for fault in ("none", "service2:exception", "service1:error", "service2:slow"):
        chain.send("GET", headers={"X-Carousel-Fault": fault, "baggage": "user_agent.synthetic.type=test"})
    chain.script("service2", refuse)
    chain.send("POST")

    records = chain.records()
    assert {record["event"] for record in records if "event" in record} <= KNOWN
    assert {record["step"] for record in records if "step" in record} <= steps.BY_NAME.keys()
    assert {name for record in records for name in record["attributes"]} - CONVENTIONS <= KNOWN
    ours = {name for span in chain.spans() for name in span.attributes or {} if name.startswith("carousel.")}
    assert ours <= KNOWN


def test_every_metric_of_ours_is_known(make_chain: MakeChain) -> None:
    """And so are its labels, as far as they are ours."""
    chain = make_chain()
    chain.send()
    metrics, labels = set(), set()
    for telemetry in chain.telemetry.values():
        telemetry.meter_provider.force_flush()
        for family in telemetry.registry.collect():
            if family.name.startswith("carousel_"):
                metrics.add(family.name)
                labels |= {label for sample in family.samples for label in sample.labels}

    known = {value.replace(".", "_") for value in KNOWN}
    assert metrics <= {*known, "carousel_work_duration_seconds"}
    assert {label for label in labels if label.startswith("carousel_")} <= known
    assert not {"trace_id", "carousel_journey_id", "url_path"} & labels
