"""``carousel logs``: log records that match, one line each."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from apps.cli import completing, errors
from apps.cli.commands.options import addresses, json_option, storage_option

if TYPE_CHECKING:
    from apps.cli.api import Api
    from apps.cli.screen import Screen

PAGE = 1000
"""The largest page that storage gives."""
DEFAULT_LIMIT = 100
FOLLOW_S = 1.0
"""Seconds between two questions of --follow."""


@click.command("logs")
@click.option("--trace", "trace_id", metavar="ID", help="Of this trace (32 hex digits, or a traceparent).")
@click.option(
    "--app",
    multiple=True,
    shell_complete=completing.apps,
    help="Of this app; may be given several times, as may --node and --step.",
)
@click.option("--node", multiple=True, shell_complete=completing.nodes, help="Of this node, like service2-1.")
@click.option("--severity", metavar="NAME", help="At least this severe: trace, debug, info, warn, error, fatal.")
@click.option("--state", type=click.Choice(["ok", "error"]), help="Only errors (ERROR and above), or only the others.")
@click.option("--step", multiple=True, shell_complete=completing.steps, help="Of this step, like service2.work.done.")
@click.option("--since", metavar="TIME", help="From this time on: 5m, 2h, or RFC 3339 like 2026-11-23T11:50:00Z.")
@click.option("--until", metavar="TIME", help="Before this time.")
@click.option("--text", "words", multiple=True, metavar="WORDS", help="With all these words, in any field.")
@click.option(
    "--limit", type=click.IntRange(0), default=DEFAULT_LIMIT, show_default=True, help="The most to show; 0 shows all."
)
@click.option(
    "--order",
    type=click.Choice(["asc", "desc"]),
    help="Oldest first (asc, the rule with --trace) or newest first (desc, the rule without).",
)
@click.option("-f", "--follow", is_flag=True, help="Then go on with what comes, until Ctrl-C.")
@json_option
@storage_option
def command(
    trace_id: str | None,
    app: tuple[str, ...],
    node: tuple[str, ...],
    severity: str | None,
    state: str | None,
    step: tuple[str, ...],
    since: str | None,
    until: str | None,
    words: tuple[str, ...],
    limit: int,
    order: str | None,
    follow: bool,
    as_json: bool,
    storage: str | None,
) -> int:
    """Search the log records.

    One line each: time, first letter of the severity, node, step, message, facts. Options that are given together
    must all match; of one that is given several times any value does.

    \b
    Examples:
      carousel logs --node service2-1 --since 5m --text timeout
      carousel logs --state error --since 1h --order asc
      carousel logs --trace 4bf92f3577b34da6a3ce929d0e0e4736 --json
      carousel logs --follow --severity warn

    \b
    Exit codes: 0 also when nothing matches; 1 storage refused; 2 the command line is
    wrong; 3 storage cannot be reached.
    """
    from apps.cli.api import Api
    from apps.cli.trace_id import parse

    if follow and (until or order):
        raise errors.Misused("--follow goes with neither --until nor --order: it shows what comes, as it comes")
    single = {
        "trace_id": parse(trace_id) if trace_id else None,
        "severity": severity,
        "state": state,
        "from": since,
        "to": until,
        "order": order or ("asc" if trace_id else "desc"),
    }
    several = {"app": app, "node": node, "step": step, "q": words}
    asked = [(name, value) for name, value in single.items() if value]
    asked += [(name, value) for name, values in several.items() for value in values]
    with Api(addresses(storage=storage).storage) as api:
        if follow:
            return _follow(api, asked, limit, as_json, " ".join(words))
        found = _Search(api, asked, limit)
        if as_json:
            from apps.cli import jsonlines

            for record in found:
                jsonlines.write(record)
        else:
            _show(found, " ".join(words))
    return errors.OK


class _Search:
    """The records that match, page by page, up to *limit* (0: all). *has_more* tells, afterwards, of others."""

    def __init__(self, api: "Api", asked: list[tuple[str, str]], limit: int) -> None:
        self._api = api
        self._asked = asked
        self.limit = limit
        self.count = 0
        self.has_more = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            size = min(PAGE, self.limit - self.count) if self.limit else PAGE
            page, cursor = self._page(size, cursor)
            for record in page:
                self.count += 1
                yield record
            self.has_more = cursor is not None
            if cursor is None or not page or (self.limit and self.count >= self.limit):
                return

    def _page(self, size: int, cursor: str | None) -> tuple[list[dict[str, Any]], str | None]:
        more = [("cursor", cursor)] if cursor else []
        try:
            answer = self._api.get("/api/v1/logs", [*self._asked, ("limit", str(size)), *more])
        except errors.Refused as error:
            if error.status == 400:
                raise errors.Misused(str(error).replace("storage answered 400: ", "")) from error
            raise
        records = answer.get("logs")
        following = answer.get("next")
        if not isinstance(records, list):
            raise errors.Refused("storage's answer holds no list of logs")
        return [one for one in records if isinstance(one, dict)], following if isinstance(following, str) else None


def _follow(api: "Api", asked: list[tuple[str, str]], limit: int, as_json: bool, query: str) -> int:
    """Show the newest records, oldest first, then what comes; a storage that is gone is waited for."""
    from apps.cli.tailing import Tail

    def search(after: str | None) -> Iterator[dict[str, Any]]:
        if after is None:
            first = [pair for pair in asked if pair[0] != "order"]
            yield from reversed(list(_Search(api, [*first, ("order", "desc")], limit)))
        else:
            rest = [pair for pair in asked if pair[0] not in ("order", "from")]
            yield from _Search(api, [*rest, ("order", "asc"), ("from", after)], 0)

    tail, lines, is_gone = Tail(search), _Lines(as_json, query), False
    try:
        while True:
            skipped = tail.skipped
            try:
                for record in tail.new():
                    lines.show(record)
                if is_gone:
                    click.echo("carousel: storage is back", err=True)
                is_gone = False
            except errors.Unreachable as error:
                if not lines.count:
                    raise
                if not is_gone:
                    click.echo(f"carousel: {error}; trying again", err=True)
                is_gone = True
            if tail.skipped > skipped:
                click.echo("carousel: more records than can be shown as they come; narrow the search", err=True)
            time.sleep(FOLLOW_S)
    except KeyboardInterrupt:
        return errors.OK


class _Lines:
    """Records as lines on standard output, or as JSON. *count* is how many there were."""

    def __init__(self, as_json: bool, query: str) -> None:
        self.count = 0
        self._before: datetime | None = None
        self._query = query
        self._screen: Screen | None = None
        if not as_json:
            from apps.cli.screen import stdout

            self._screen = stdout()

    def show(self, shape: dict[str, Any]) -> None:
        """Show one record, on a terminal with the day above the first of each."""
        self.count += 1
        if self._screen is None:
            from apps.cli import jsonlines

            jsonlines.write(shape)
            return
        from apps.cli import logline

        screen, record = self._screen, logline.decode(shape)
        if screen.is_terminal and logline.is_other_day(self._before, record.at) and record.at is not None:
            screen.show([logline.day_line(record.at)])
        self._before = record.at or self._before
        marked = logline.words_of(self._query)
        screen.show([logline.draw(record, width=screen.limit, marked=marked, whole_time=not screen.is_terminal)])


def _show(found: _Search, query: str) -> None:
    from apps.cli import theme
    from apps.cli.screen import stderr

    lines = _Lines(False, query)
    for shape in found:
        lines.show(shape)
    if not found.count:
        stderr().show(["No record matches. `carousel logs` alone shows the newest there are."])
    elif found.has_more:
        stderr().show([theme.line((f"{found.count} shown, more match: --limit raises it, 0 shows all.", theme.DIM))])
