"""Complaints that come back to their maker are made seldom."""

import logging

import pytest

from apps.storage.seldom import Seldom


def test_same_complaint_is_made_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """Another text is another complaint."""
    now = [0.0]
    seldom = Seldom(logging.getLogger("tests.seldom"), every_s=30, clock=lambda: now[0])
    for at, text in ((0, "full"), (1, "full"), (2, "locked"), (29, "full"), (31, "full")):
        now[0] = at
        seldom.error("commit failed", OSError(text), where="here")
    assert ["full", "locked", "full"] == [str(record.exc_info[1]) for record in caplog.records if record.exc_info]


def test_memory_of_complaints_is_bounded() -> None:
    """Texts with a number in them would else add up."""
    seldom = Seldom(logging.getLogger("tests.seldom.bounded"))
    for number in range(1000):
        seldom.error("odd", ValueError(str(number)))
    assert len(seldom._said_at) <= 256
