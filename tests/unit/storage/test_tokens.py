"""Tokens: what an inverted index is asked for. ASCII that no engine folds, and nobody can forge a filter by a word."""

import string

from hypothesis import given
from hypothesis import strategies as st

from apps.storage.decode import decode_again
from apps.storage.model import Log
from apps.storage.query import LogQuery
from apps.storage.tokens import groups_of, plain_word, tokens_of
from apps.storage.words import words
from tests.unit.storage.builders import TRACE, ALog, logs

PLAIN = set(string.ascii_lowercase + string.digits + "._:#-")


@given(message=st.text(max_size=60), node=st.text(max_size=20), step=st.text(max_size=20))
def test_every_token_is_plain_ascii(message: str, node: str, step: str) -> None:
    """So that quoting it in any engine's language needs no escapes."""
    log = logs(ALog(message, node=node, trace=TRACE, attributes={"carousel.step": step})).logs[0]
    asked = LogQuery(nodes=(node,), steps=(step,), words=log.words, trace_id=bytes.fromhex(TRACE), min_severity=1)
    tokens = [*tokens_of(log), *(token for group in groups_of(asked) for token in group)]
    assert set().union(*map(plain_word, tokens)) <= PLAIN


@given(st.text(max_size=40), st.text(max_size=40))
def test_words_are_told_apart_as_they_are(one: str, other: str) -> None:
    """Two words have one plain form only if they are one word."""
    for first in words(one):
        for second in words(other):
            assert (plain_word(first) == plain_word(second)) == (first == second)
            assert ":" not in plain_word(first)


def test_kept_log_is_found_by_what_it_was_found_by() -> None:
    """The search engine is fed from what the store has kept."""
    log = logs(ALog({"deep": ["Straße", 7]}, "01", trace=TRACE, severity=17, attributes={"carousel.step": "x.y"})).logs[
        0
    ]
    assert sorted(tokens_of(log)) == sorted(tokens_of(decode_again(Log(log.time, log.origin, log.raw))))
