"""The progress line: quiet at first, then names what is awaited and for how long."""

import io

import pytest

from deploy.native import progress as module
from deploy.native.progress import Progress, paint, seconds, wants_colour


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that tests move."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_says_nothing_of_a_short_wait(clock):
    """What takes less than two seconds is not worth a line."""
    progress = Progress(io.StringIO())
    progress.now("a", "storage")
    clock.now += 1.9
    assert progress.line() is None


def test_names_everything_awaited_and_for_how_long(clock):
    """Two things at once share the line."""
    progress = Progress(io.StringIO())
    progress.now("a", "the Collector")
    clock.now += 40
    progress.now("b", "the packages")
    clock.now += 3
    assert progress.line() == "waiting for the Collector (43 s), the packages (3.0 s)"


def test_changed_words_keep_the_clock(clock):
    """Who is late changes while one waits; since when one waits does not."""
    progress = Progress(io.StringIO())
    progress.now("ready", "gateway-1, storage-1")
    clock.now += 5
    progress.now("ready", "gateway-1")
    assert progress.line() == "waiting for gateway-1 (5.0 s)"


def test_what_is_done_is_no_longer_awaited(clock):
    """A finished wait leaves the line."""
    progress = Progress(io.StringIO())
    with progress.awaiting("storage"):
        clock.now += 5
    assert progress.line() is None


def test_plain_lines_in_a_pipe():
    """No escape sequence reaches a file."""
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.say("hello", "red")
    assert stream.getvalue() == "hello\n"


def test_no_color_is_respected_on_a_terminal(monkeypatch):
    """https://no-color.org: set and not empty."""
    monkeypatch.setenv("TERM", "xterm")
    assert wants_colour(Terminal(), {"NO_COLOR": "1", "TERM": "xterm"}) is False
    assert wants_colour(Terminal(), {"TERM": "xterm"}) is True
    assert wants_colour(io.StringIO(), {"TERM": "xterm"}) is False


@pytest.mark.parametrize(
    ("value", "words"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (42.4, "42 s"), (119.4, "119 s"), (185.2, "3 min 05 s")]
)
def test_lengths_of_time_as_people_read_them(value, words):
    """Tenths only where they tell something."""
    assert seconds(value) == words


def test_paint_without_colour_changes_nothing():
    """Colour is never the only carrier of meaning."""
    assert paint("x", "red", False) == "x"
    assert paint("x", "red", True) == "\x1b[31mx\x1b[0m"
