"""How text becomes words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.storage.words import MAX_WORD, MAX_WORDS, words, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (" \t\n!?—…", ()),
        ("Request sent to service2-1", ("request", "sent", "to", "service2", "1")),
        ("again AGAIN again", ("again",)),
        ("connection_reset", ("connection", "reset")),
        ("Ёлка ёж", ("елка", "еж")),
        ("Straße ﬁne", ("strasse", "fine")),
        ("cafe\u0301 café", ("café",)),
        ("ΣΊΣΥΦΟΣ", ("σίσυφοσ",)),
        ("İ", ("i̇",)),
        ("हिन्दी", ("हिन्दी",)),
        ("日本語 test", ("日", "本", "語", "test")),
        ("한국어 말", ("한국어", "말")),
        ("ｆｕｌｌ １２", ("full", "12")),
        ("مَرْحَبًا", ("مَرْحَبًا",)),
        ("a\0b", ("a", "b")),
        ("x" * 100, ("x" * MAX_WORD,)),
    ],
)
def test_text_is_divided_and_folded(text: str, expected: tuple[str, ...]) -> None:
    """One rule for every script and every back end."""
    assert expected == words(text)


@given(st.text())
def test_every_word_is_its_own_only_word(text: str) -> None:
    """What a record is indexed by can be asked for as it is."""
    for word in words(text):
        assert (word,) == words(word)


@given(st.text(max_size=MAX_WORD))
def test_case_never_matters(text: str) -> None:
    """Folding twice is folding once."""
    assert set(words(text)) == set(words(text.casefold()))


def test_record_has_a_bounded_number_of_words() -> None:
    """The first ones count; a hostile record cannot fill the index."""
    found = words_of([f"w{number}" for number in range(MAX_WORDS + 100)])
    assert (MAX_WORDS, True, False) == (len(found), "w0" in found, f"w{MAX_WORDS}" in found)
