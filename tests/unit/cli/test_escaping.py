"""Nothing that comes from telemetry acts on a terminal."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cli.escaping import json_line, plain

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\r\n\t\x00\u202egnp.exe\u2028\ufeff\U000e0041\ud800"


def test_what_a_terminal_would_act_on_is_spelled_out() -> None:
    """ESC, the 8-bit CSI, line ends, bidirectional and invisible marks."""
    assert "\\x1b]0;title\\x07\\x1b[2J\\x9b31m\\r\\n\\t\\x00\\u202egnp.exe\\u2028\\ufeff\\U000e0041\\ud800" == plain(
        HOSTILE
    )


@pytest.mark.parametrize("text", ["заказ принят", "注文", "naïve café", "a [bold]b[/bold] c"])
def test_other_scripts_and_markup_stay(text: str) -> None:
    """Readers of any language read their own."""
    assert text == plain(text)


@given(st.text(st.characters()))
def test_no_control_character_is_left(text: str) -> None:
    """Of any text at all."""
    assert [] == [one for one in plain(text) if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp")]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_says_the_same_in_one_safe_line(text: str) -> None:
    """What is unsafe is escaped as JSON escapes it, so nothing is lost."""
    line = json_line({"text": text})

    assert {"text": text} == json.loads(line)
    assert line == plain(line)
