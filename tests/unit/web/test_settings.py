"""Settings from an environment."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.web.settings import SettingError, Settings


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}])
def test_unset_and_empty_both_mean_the_default(environ: dict[str, str]) -> None:
    """A template that leaves a variable empty changes nothing."""
    settings = Settings(environ)

    assert ("d", True, 7, 1.5, ("a",), Path("p"), "x") == (
        settings.text("KEY", "d"),
        settings.flag("KEY", True),
        settings.whole("KEY", 7),
        settings.number("KEY", 1.5),
        settings.listed("KEY", ("a",)),
        settings.file("KEY", Path("p")),
        settings.parsed("KEY", "x", str, "anything"),
    )


@pytest.mark.parametrize(("word", "expected"), [
    ("1", True), ("true", True), ("YES", True), ("0", False), ("False", False), ("no", False),
])  # fmt: skip
def test_a_flag_is_yes_or_no(word: str, expected: bool) -> None:
    """In any case of letters."""
    assert expected is Settings({"KEY": word}).flag("KEY", not expected)


def test_a_list_has_no_empty_items() -> None:
    """Blanks around the commas are no part of it."""
    assert ("a", "b c") == Settings({"KEY": " a ,, b c,"}).listed("KEY", ())


@pytest.mark.parametrize("value", ["x", "1.5", "11", "-1", "1e1", "0x1"])
def test_a_number_outside_of_its_bounds_is_an_error_that_names_all(value: str) -> None:
    """Key, value and the form it must have."""
    with pytest.raises(SettingError) as error:
        Settings({"KEY": value}).whole("KEY", 5, at_least=0, at_most=10)

    assert f"KEY={value!r}: expected a whole number from 0 to 10" in str(error.value)
    assert "KEY" == error.value.key


@pytest.mark.parametrize("value", ["x", "nan", "inf", "-inf", "-0.1", "1.1"])
def test_a_fraction_outside_of_its_bounds_is_an_error(value: str) -> None:
    """What is no number is in no bounds."""
    with pytest.raises(SettingError, match="expected a number from 0 to 1"):
        Settings({"KEY": value}).number("KEY", 0.5, at_most=1)


@given(st.integers(0, 10))
def test_a_number_inside_its_bounds_is_itself(number: int) -> None:
    """Both ends included."""
    assert number == Settings({"KEY": str(number)}).whole("KEY", 5, at_least=0, at_most=10)


def test_the_parsers_own_reason_is_part_of_the_error() -> None:
    """A list says which of its items is wrong."""

    def parse(value: str) -> str:
        raise ValueError("'b' is not host:port")

    with pytest.raises(SettingError) as error:
        Settings({"KEY": "a:1,b"}).parsed("KEY", "", parse, "a list of host:port")

    assert "KEY='a:1,b': expected a list of host:port ('b' is not host:port)" == str(error.value)
