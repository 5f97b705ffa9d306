"""A log record as one line: time, severity letter, node, step, message, facts; the query's words marked. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.text import Text

from apps.cli import theme
from apps.cli.quantities import clock, milliseconds, parse_time
from apps.cli.shape import Object, child, number, text, whole
from apps.telemetry import names, steps

_NODE_WIDTH: Final = 10
_STEP_WIDTH: Final = max(len(name) for name in steps.BY_NAME)
_WORD: Final = re.compile(r"[^\W_]+")
_SEVERITY: Final = {"WARN": theme.SLOW, "ERROR": theme.ERROR, "FATAL": theme.ERROR}


@dataclass(frozen=True, slots=True)
class Record:
    """What a line shows of a log record. *at* is None where the record's time is none."""

    at: datetime | None
    time: str
    severity: str
    node: str
    app: str
    step: str
    message: str
    facts: tuple[str, ...] = ()


def decode(shape: Object) -> Record:
    """Return what a line shows of a record's JSON."""
    http, attributes = child(shape, "http"), child(shape, "attributes")
    time = text(shape, "time")
    facts: list[str] = []
    if bug := text(attributes, names.BUG):
        facts.append(f"bug {bug}")
    if status := whole(http, "status"):
        facts.append(str(status))
    duration = number(http, "durationMs")
    if duration is None:
        duration = number(shape, "durationMs")
    if duration is not None:
        facts.append(f"{milliseconds(duration)} ms")
    if error_type := text(attributes, names.ERROR_TYPE):
        facts.append(error_type)
    if peer := text(http, "peer"):
        facts.append(peer)
    if kind := text(attributes, "exception.type"):
        facts.append(f"{kind}: {text(attributes, 'exception.message')}")
    return Record(
        parse_time(time),
        time or "-",
        text(shape, "severity", "UNSPECIFIED"),
        text(shape, "nodeId", "-"),
        text(shape, "app"),
        text(shape, "step"),
        text(shape, "message"),
        tuple(facts),
    )


def words_of(query: str) -> re.Pattern[str] | None:
    """Return a pattern of the words in *query*, as whole words in any case; None if it has none."""
    words = sorted(set(_WORD.findall(query)), key=len, reverse=True)
    if not words:
        return None
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, words))})(?![^\W_])", re.IGNORECASE)


def draw(record: Record, *, width: int | None, marked: re.Pattern[str] | None = None, whole_time: bool = False) -> Text:
    """Return *record* as one line.

    Where it does not fit, a message that only repeats what its step is called gives way to the facts.

    Args:
        record: what to show.
        width: columns to cut it at; None leaves it whole.
        marked: words to mark.
        whole_time: the record's own time with its date, as for a file, not the time of day alone.
    """
    shown = _line(record, record.message, whole_time)
    if width is not None and shown.cell_len > width and _says_no_more_than_its_step(record):
        shown = _line(record, "", whole_time)
    if marked is not None:
        shown.highlight_regex(marked, theme.MARKED)
    return theme.cut(shown, width)


def _says_no_more_than_its_step(record: Record) -> bool:
    known = steps.BY_NAME.get(record.step)
    return known is not None and known.text == record.message


def _line(record: Record, message: str, whole_time: bool) -> Text:
    alarm = _SEVERITY.get(record.severity, "")
    return theme.line(
        (record.time if whole_time else clock(record.at), theme.DIM),
        " ",
        (record.severity[:1], alarm or theme.DIM),
        " ",
        (theme.padded(record.node, _NODE_WIDTH), _colour(record)),
        " ",
        # A record without a step has that column's room for its message.
        theme.fit(record.step, _STEP_WIDTH) + " " if record.step else "",
        (message, alarm),
        "  " if message and record.facts else "",
        (" ".join(record.facts), alarm or theme.DIM),
    )


def _colour(record: Record) -> str:
    return theme.app_style(record.app)


def day_line(moment: datetime) -> Text:
    """Return the line that stands above the records of a day."""
    return theme.line((f"{moment:%Y-%m-%d} UTC", theme.DIM))


def is_other_day(before: datetime | None, moment: datetime | None) -> bool:
    """Tell whether *moment* is of another day than the record before it."""
    return moment is not None and (before is None or before.date() != moment.date())
