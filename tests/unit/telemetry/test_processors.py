"""What happens to a record and a span between the SDK and the outbox."""

import io
import json
import threading
from typing import Any

import pytest
from opentelemetry import baggage, context
from opentelemetry.trace import SpanKind, Status, StatusCode, format_span_id

from apps.telemetry import names
from apps.telemetry.processors import StdoutEcho, new_boot_id
from tests.fakes import records_of, telemetry_of


def test_each_record_has_a_number_an_id_and_the_id_of_its_process() -> None:
    """The uid is the boot id followed by the number, so that both can be read from it."""
    telemetry = telemetry_of("gateway")
    for _ in range(3):
        telemetry.recorder.event("e", "text")

    records = records_of(telemetry)
    boot = records[0]["attributes"][names.BOOT_ID]
    assert [1, 2, 3] == [record["seq"] for record in records]
    assert [f"{boot}{n:016x}" for n in (1, 2, 3)] == [record["uid"] for record in records]


def test_each_start_of_a_process_has_its_own_boot_id() -> None:
    """Sixteen hexadecimal digits."""
    ids = {new_boot_id() for _ in range(1_000)}

    assert 1_000 == len(ids)
    assert {16} == {len(boot) for boot in ids}
    assert all(int(boot, 16) >= 0 for boot in ids)


def test_numbers_have_no_gap_and_ids_are_unique_whoever_emits() -> None:
    """Eight threads: the order of the numbers is the order in the outbox."""
    telemetry = telemetry_of("gateway")

    def emitter() -> None:
        for _ in range(500):
            telemetry.recorder.event("e", "text")

    threads = [threading.Thread(target=emitter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    records = records_of(telemetry)
    assert list(range(1, 4_001)) == [record["seq"] for record in records]
    assert 4_000 == len({record["uid"] for record in records})


def test_a_hole_in_the_numbers_shows_what_a_full_outbox_lost() -> None:
    """What is dropped has had its number."""
    telemetry = telemetry_of("gateway", capacity=2)
    for _ in range(4):
        telemetry.recorder.event("e", "text")

    assert [3, 4] == [record["seq"] for record in records_of(telemetry)]
    assert 2 == telemetry.records.dropped


def test_a_record_names_its_span_and_the_span_above() -> None:
    """parentId: which OTLP itself does not carry on a record."""
    telemetry = telemetry_of("gateway")
    start = telemetry.tracer.start_as_current_span
    with start("outer") as outer, start("inner") as inner:
        telemetry.recorder.event("e", "text")

    (record,) = records_of(telemetry)
    assert (format_span_id(inner.get_span_context().span_id), format_span_id(outer.get_span_context().span_id)) == (
        record["spanId"],
        record["parentId"],
    )


def test_a_record_outside_of_any_span_names_none() -> None:
    """Absent, not empty."""
    telemetry = telemetry_of("gateway")
    telemetry.recorder.event("e", "text")

    assert {"traceId", "spanId", "parentId"}.isdisjoint(records_of(telemetry)[0])


def test_each_record_is_echoed_as_it_will_be_stored() -> None:
    """Stamped and masked."""
    echoed: list[Any] = []
    telemetry = telemetry_of("gateway", echo=echoed.append)
    telemetry.recorder.event("e", "mail a@b.example")

    assert records_of(telemetry) == echoed
    assert "mail ****" == echoed[0]["message"]


def test_a_line_on_stdout_is_one_json_object() -> None:
    """Whatever is in it: line breaks, other alphabets, things that are no JSON."""
    stream = io.StringIO()

    StdoutEcho(stream)({"message": "two\nlines", "attributes": {"name": "заказ", "thing": {1}}})

    (line,) = stream.getvalue().splitlines()
    assert {"message": "two\nlines", "attributes": {"name": "заказ", "thing": "{1}"}} == json.loads(line)
    assert "заказ" in line


def test_a_text_that_is_no_unicode_is_still_a_line() -> None:
    """A lone surrogate cannot be written as UTF-8; it is escaped."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")

    StdoutEcho(stream)({"message": "half \udc80"})

    assert {"message": "half \udc80"} == json.loads(raw.getvalue())
    stream.close()


class Gone(io.StringIO):
    """A stdout that nobody reads any more."""

    def write(self, text: str) -> int:
        """Fail as a broken pipe does."""
        raise BrokenPipeError


def test_a_stdout_that_is_gone_fails_nobody() -> None:
    """The outbox has the record; a request must not break for want of an echo."""
    closed = io.StringIO()
    closed.close()
    for stream in (Gone(), closed):
        telemetry = telemetry_of("gateway", echo=StdoutEcho(stream))
        telemetry.recorder.event("e", "text")
        assert 1 == len(telemetry.records)


@pytest.mark.parametrize(
    ("kind", "marked"), [(SpanKind.INTERNAL, True), (SpanKind.CLIENT, True), (SpanKind.SERVER, False)]
)
def test_a_span_is_marked_with_the_journey_in_its_baggage_unless_a_client_may_have_sent_it(
    kind: SpanKind, marked: bool
) -> None:
    """A SERVER span's baggage came over the wire; its trail marks it."""
    telemetry = telemetry_of("gateway")
    carried = baggage.set_baggage(names.BAGGAGE_JOURNEY, "00f067aa0ba902b7", context.Context())
    carried = baggage.set_baggage(names.BAGGAGE_SYNTHETIC, "test", carried)
    telemetry.tracer.start_span("work", carried, kind).end()

    (span,) = telemetry.spans.oldest(1)
    expected = {names.JOURNEY_ID: "00f067aa0ba902b7", names.SYNTHETIC_TYPE: "test"} if marked else {}
    assert expected == dict(span.attributes or {})


def test_secrets_are_masked_wherever_a_span_holds_text() -> None:
    """In its attributes, its events and its status; an exception's message may repeat what a client sent."""
    telemetry = telemetry_of("gateway")
    span = telemetry.tracer.start_span("work", attributes={"url.query": "to=a@b.example"})
    span.record_exception(ValueError("no card 4111 1111 1111 1111"))
    span.set_status(Status(StatusCode.ERROR, "refused Bearer abcdefgh12345678"))
    span.end()

    (kept,) = telemetry.spans.oldest(1)

    assert "to=****" == (kept.attributes or {})["url.query"]
    assert "no card ****" == (kept.events[0].attributes or {})["exception.message"]
    assert "4111" not in str((kept.events[0].attributes or {})["exception.stacktrace"])
    assert "refused ****" == kept.status.description


def test_a_span_that_has_not_ended_is_not_in_the_outbox() -> None:
    """Never invented."""
    telemetry = telemetry_of("gateway")
    span = telemetry.tracer.start_span("work")
    assert 0 == len(telemetry.spans)

    span.end()

    assert 1 == len(telemetry.spans)
