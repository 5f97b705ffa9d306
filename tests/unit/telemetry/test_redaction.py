"""What must not be stored is masked; what only looks like it is left alone."""

import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.telemetry import names
from apps.telemetry.redaction import GUARDED_KEYS, MASK, passes_luhn, redact, redacted_changes
from tests.fakes import records_of, telemetry_of

CARD = "4111111111111111"


def with_check_digit(digits: str) -> str:
    """Return *digits* with the digit that makes them a card number."""
    return next(digits + str(n) for n in range(10) if passes_luhn(f"{digits}{n}"))


@pytest.mark.parametrize(("text", "expected"), [
    (CARD, MASK),
    ("paid by 4111 1111 1111 1111.", f"paid by {MASK}."),
    ("paid by 4111-1111-1111-1111, thanks", f"paid by {MASK}, thanks"),
    ("amex 3782 822463 10005", f"amex {MASK}"),
    ("13 digits: 4222222222222", f"13 digits: {MASK}"),
    ("19 digits: 6304000000000000000", f"19 digits: {MASK}"),
    (f"card {CARD} 12/27 cvv 123", f"card {MASK} 12/27 cvv 123"),
    (f"on 2026-11-23 {CARD} 12 345", f"on 2026-11-23 {MASK} 12 345"),
    ("2026 4111 1111 1111 1111 12", f"2026 {MASK} 12"),
    (f"{CARD} 5500005555555559", f"{MASK} {MASK}"),
    ("mail a.user+tag@mail.example.com now", f"mail {MASK} now"),
    ("Authorization: Bearer abcdefgh.ijkl-mnop_qr==", f"Authorization: {MASK}"),
    ("bearer 0123456789abcdef", MASK),
    ("bot 123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1", f"bot {MASK}"),
    ("key AKIAIOSFODNN7EXAMPLE!", f"key {MASK}!"),
    (f"{CARD} and a@b.example", f"{MASK} and {MASK}"),
])  # fmt: skip
def test_a_planted_secret_is_masked_and_nothing_around_it(text: str, expected: str) -> None:
    """Cards, addresses, bearer tokens, bot tokens, access keys."""
    assert expected == redact(text)


@pytest.mark.parametrize("text", [
    "4111111111111112",
    "order 1234567890123456",
    "4111 1111 1111 1112",
    f"id{CARD}",
    f"{CARD}a",
    "00f067aa0ba902b7",
    "a@b",
    "user@localhost",
    "the bearer of news",
    "Bearer short",
    "AKIA too short",
    "12:34:56",
    "2026-11-23T11:52:59.123456789Z",
    "http://127.0.0.1:8101/work/orders",
    "",
])  # fmt: skip
def test_what_only_looks_like_a_secret_is_left_alone(text: str) -> None:
    """A number without a valid check digit is no card."""
    assert text == redact(text)


def test_a_text_without_secrets_is_the_same_object() -> None:
    """Nearly all are; they cost one look."""
    text = "request received"

    assert redact(text) is text


@given(st.from_regex(r"[1-9]\d{11,17}", fullmatch=True))
def test_a_number_is_masked_exactly_when_its_check_digit_is_right(digits: str) -> None:
    """ISO/IEC 7812-1, for 13 to 19 digits: one of ten last digits is right."""
    masked = [redact(f"card {digits}{n} end") == f"card {MASK} end" for n in range(10)]

    assert [passes_luhn(f"{digits}{n}") for n in range(10)] == masked
    assert 1 == sum(masked)


@given(st.text(), st.sampled_from([CARD, "a.b@c.example", "Bearer abcdefghijkl"]), st.text())
def test_a_secret_between_words_is_never_left(before: str, secret: str, after: str) -> None:
    """Whatever stands around it, as long as it stands by itself."""
    assert secret not in redact(f"{before} | {secret} | {after}")


@given(st.text(alphabet="0123456789 -", max_size=400))
def test_digits_without_end_cost_no_time_and_lose_no_text(text: str) -> None:
    """Only masks appear, everything else stays in its order."""
    rest = iter(text)
    assert all(letter in rest for letter in redact(text).replace(MASK, ""))


def test_values_of_every_shape_are_looked_through() -> None:
    """Lists and mappings too; numbers and flags cannot hold a text."""
    attributes: dict[str, Any] = {
        "text": f"card {CARD}", "list": ["a", CARD], "tuple": ("a", "b@c.example"), "mapping": {"card": CARD, "n": 1},
        "number": 4111111111111111, "flag": True, "none": None, "clean": ("a", "b"), "bytes": b"4111111111111111",
    }  # fmt: skip

    assert {
        "text": f"card {MASK}", "list": ["a", MASK], "tuple": ["a", MASK], "mapping": {"card": MASK, "n": 1},
    } == redacted_changes(attributes)  # fmt: skip


@pytest.mark.parametrize("key", GUARDED_KEYS)
def test_ids_are_never_read_for_secrets(key: str) -> None:
    """Half a percent of hexadecimal ids would pass for a card number."""
    assert {} == redacted_changes({key: CARD})


def test_a_hundred_thousand_records_keep_their_ids_and_lose_their_secrets() -> None:
    """Not one uid, journey or span id is changed; not one card, address or token is left."""
    telemetry = telemetry_of("gateway", capacity=100_000)
    journeys = [secrets.token_hex(8) for _ in range(100_000)]
    cards = [with_check_digit(f"4{number:014d}") for number in range(100)]
    for number, journey in enumerate(journeys):
        text = (f"card {cards[number % 100]}", f"mail u{number}@mail.example", f"Bearer token-{number:08d}", "order 7")
        telemetry.recorder.event("e", text[number % 4], {names.JOURNEY_ID: journey, "note": text[number % 4]})

    records = [entry.log_record for entry in telemetry.records.oldest(100_000)]
    fields = [record.attributes or {} for record in records]
    boot = str(fields[0][names.BOOT_ID])
    assert [f"{boot}{number:016x}" for number in range(1, 100_001)] == [found[names.UID] for found in fields]
    assert journeys == [found[names.JOURNEY_ID] for found in fields]
    masked = [f"card {MASK}", f"mail {MASK}", MASK, "order 7"] * 25_000
    assert masked == [record.body for record in records]
    assert masked == [found["note"] for found in fields]


def test_an_exceptions_message_and_stack_are_masked() -> None:
    """They end up in attributes, as everything else."""
    telemetry = telemetry_of("gateway")
    try:
        raise ValueError(f"cannot charge {CARD}")
    except ValueError as error:
        telemetry.recorder.event("e", "failed", exception=error)

    (record,) = records_of(telemetry)
    assert CARD not in str(record)
    assert f"cannot charge {MASK}" == record["attributes"]["exception.message"]


def test_a_spans_attributes_are_masked() -> None:
    """A client chooses its own query string."""
    telemetry = telemetry_of("gateway")
    with telemetry.tracer.start_as_current_span("GET", attributes={"url.query": f"card={CARD}", "n": 1}):
        pass

    (span,) = telemetry.spans.oldest(1)
    assert {"url.query": f"card={MASK}", "n": 1} == dict(span.attributes or {})
    assert ("GET", telemetry.tracer_provider.resource) == (span.name, span.resource)
