"""What a person may ask of the load, and the one line that refuses the rest."""

from pathlib import Path

import pytest

from tests.load.settings import SettingError, Settings


def settings(**values):
    """Return the run that CAROUSEL_LOAD_… variables ask for."""
    plain = {"CAROUSEL_GATEWAY_URL", "CAROUSEL_GATEWAY_HOST", "CAROUSEL_PORT_OFFSET"}
    return Settings.from_env(
        {name if name in plain else f"CAROUSEL_LOAD_{name}": value for name, value in values.items()}
    )


def test_without_a_word_it_is_steady():
    """20 requests/s for a minute, one journey in twenty looked at, nothing unexpected and no hole allowed."""
    run = settings()

    assert (run.shape, run.rate, run.users, run.seconds, run.sample) == ("steady", 20.0, 20, 60.0, 20)
    assert (run.limits.fail_ratio, run.limits.p95_ms, run.limits.min_rate, run.limits.holes) == (0, None, 0, 0)
    assert (run.gateways, run.storage) == (("http://127.0.0.1:8080",), "http://127.0.0.1:8300")


def test_entities_are_read_as_the_gateway_reads_them():
    """Spaces and empty items are none of them."""
    assert Settings.from_env({"CAROUSEL_ENTITIES": "orders, payments,"}).entities == ("orders", "payments")


def test_an_empty_value_is_none():
    """`make` hands on what was not typed as nothing."""
    assert settings(RATE="", TIME="", SHAPE="", P95_MS="").rate == 20.0


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("7.5s", 7.5), ("0", 0)]
)
def test_a_time_is_written_as_people_do(text, seconds):
    """0 is for ever."""
    assert settings(TIME=text).seconds == seconds


def test_a_high_rate_gets_users_enough():
    """Else the rate could not be reached."""
    assert settings(RATE="100").users == 100
    assert settings(RATE="100", USERS="3").users == 3


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SHAPE", "cube", "one of steady, ramp, spike, chaos"),
        ("RATE", "fast", "a number from 0.001 to 5000"),
        ("RATE", "0", "a number from 0.001 to 5000"),
        ("RATE", "nan", "a number"),
        ("USERS", "0", "a whole number from 1 to 2000"),
        ("USERS", "2.5", "a whole number"),
        ("TIME", "soon", "a time as 90s, 5m or 1h30m"),
        ("TIME", "1s", "5s to 24h for steady"),
        ("TIME", "25h", "5s to 24h"),
        ("SEED", "-1", "a whole number"),
        ("FAIL_RATIO", "5%", "a number from 0 to 1"),
        ("P95_MS", "0", "a number from 0.001"),
        ("MIN_RATE", "2", "a number from 0 to 1"),
        ("HOLES", "few", "a whole number"),
        ("REPORT", "/nowhere/at/all.json", "a file in a folder that is there"),
    ],
)
def test_a_bad_value_is_named_with_what_is_expected(name, value, expected):
    """One line, as a person typed it."""
    with pytest.raises(SettingError) as caught:
        settings(**{name: value})
    words = str(caught.value)
    assert words.startswith(f"{name}={value!r}: expected ")
    assert expected in words
    assert "\n" not in words


@pytest.mark.parametrize("shape", ["ramp", "spike", "chaos"])
def test_only_steady_may_go_on_for_ever(shape):
    """A ramp needs to know how long it climbs, and chaos is bounded."""
    with pytest.raises(SettingError, match="only steady may go on for ever"):
        settings(SHAPE=shape, TIME="0")


@pytest.mark.parametrize(
    "url", ["http://example.com", "http://10.0.0.7:8080", "http://127.0.0.1:8080,http://example.com"]
)
def test_the_load_stays_on_this_machine(url):
    """Whoever aims it elsewhere by mistake is told."""
    with pytest.raises(SettingError, match="not on this machine"):
        settings(CAROUSEL_GATEWAY_URL=url)


def test_the_stacks_own_gateway_may_be_elsewhere():
    """Where its host is named on purpose."""
    run = settings(CAROUSEL_GATEWAY_URL="http://lab:8080/", CAROUSEL_GATEWAY_HOST="lab")
    assert run.gateways == ("http://lab:8080",)


def test_the_offset_moves_the_defaults():
    """As it moves every port."""
    assert settings(CAROUSEL_PORT_OFFSET="700").gateways == ("http://127.0.0.1:8780",)


def test_a_report_is_an_absolute_path(tmp_path):
    """Relative to where the command was typed."""
    assert settings(REPORT=str(tmp_path / "r.json")).report == tmp_path / "r.json"
    assert settings(REPORT="r.json").report == Path("r.json").absolute()
