"""Requests in the terminal: one line each as it ends, and what they come to. Pure.

::

     what service1   service2   bug            ms trace
      200 service1-1 service2-2 slow        431.0 4bf92f3577b34da6a3ce929d0e0e4736
    ⊗ 502 service1-2 service2-1              28.4 0af7651916cd43dd8448eb211c80319c
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from rich.text import Text

from apps.cli import theme
from apps.cli.quantities import counted, milliseconds
from apps.cli.sending import Answered
from apps.cli.tally import Tally
from apps.web.kinds import is_mild

_NODE: Final = 10
_BUG: Final = 10
_MS: Final = 8
_LABEL: Final = 10


def head() -> Text:
    """Return the line above the requests."""
    columns = f"{'what':>5} {'service1':{_NODE}} {'service2':{_NODE}} {'bug':{_BUG}}{'ms':>{_MS}} trace"
    return theme.line((columns, theme.DIM))


def row(answered: Answered) -> Text:
    """Return the line of one request; never longer than 80 columns while names and numbers are of usual length."""
    status = str(answered.status) if answered.status else "none"
    mark = "" if answered.is_good else theme.ERROR_MARK
    return theme.line(
        (f"{mark} {status}".rjust(5), "" if answered.is_good else theme.ERROR),
        " ",
        (theme.padded(answered.service1 or "-", _NODE), theme.app_style(theme.app_of(answered.service1))),
        " ",
        (theme.padded(answered.service2 or "-", _NODE), theme.app_style(theme.app_of(answered.service2))),
        " ",
        (theme.padded(answered.bug or "-", _BUG), _bug_style(answered.bug)),
        theme.right(milliseconds(answered.duration_ms), _MS),
        " ",
        answered.trace_id or (answered.detail, theme.ERROR),
    )


def _bug_style(bug: str) -> str:
    return theme.DIM if not bug else theme.SLOW if is_mild(bug) else theme.ERROR


def summary(tally: Tally, spent_s: float, *, expected: bool) -> Iterator[Text]:
    """Yield the lines under the requests.

    Args:
        tally: what they come to.
        spent_s: seconds from the first request to the last answer.
        expected: whether failures are what was asked for.
    """
    if tally.requests == 1:
        yield from (theme.line((one.detail, theme.ERROR)) for one in tally.failed)
        return
    good = tally.requests - tally.failures
    rate = f", {tally.requests / spent_s:.1f} a second" if tally.requests > 1 and spent_s > 0 else ""
    title = theme.line(
        (f"{counted(tally.requests, 'request')}", theme.STRONG), f" in {spent_s:.1f} s{rate} · {good} answered well"
    )
    if tally.failures:
        title.append(" · ")
        title.append(f"{theme.ERROR_MARK} {tally.failures} failed", theme.ERROR)
        title.append(", as a fault was asked for" if expected else "")
    yield title
    p50, p95, most = tally.percentiles_ms()
    numbers = " · ".join(f"{name} {milliseconds(ms)}" for name, ms in (("p50", p50), ("p95", p95), ("max", most)))
    yield _labelled("ms", theme.line(numbers))
    for service, counts in (("service1", tally.service1), ("service2", tally.service2)):
        if counts:
            yield _labelled(service, _shares(counts, theme.app_style(service)))
    if tally.bugs:
        yield _labelled("bugs", _shares(tally.bugs, ""))
    yield from _failed(tally)
    if tally.slowest and tally.slowest[0].trace_id:
        slowest = tally.slowest[0]
        shown = theme.line(f"{milliseconds(slowest.duration_ms)} ms  {slowest.trace_id}")
        yield _labelled("slowest", shown)


def _labelled(label: str, shown: Text) -> Text:
    return theme.line("  ", (label.ljust(_LABEL), theme.DIM)).append_text(shown)


def _shares(counts: Counter[str], style: str) -> Text:
    shown = theme.line()
    for name, count in sorted(counts.items()):
        shown.append(" · " if shown.plain else "")
        shown.append(name, style or None)
        shown.append(f" {count}")
    return shown


def _failed(tally: Tally) -> Iterator[Text]:
    for n, one in enumerate(tally.failed):
        status = str(one.status) if one.status else "none"
        yield _labelled(
            "failed" if n == 0 else "",
            theme.line((f"{theme.ERROR_MARK} {status}", theme.ERROR), f"  {one.trace_id or '(no trace id)'}"),
        )
        yield _labelled("", theme.line((f"  {one.detail}", theme.DIM)))
    more = tally.failures - len(tally.failed)
    if more > 0:
        yield _labelled("", theme.line((f"and {more} more, like `carousel logs --state error --since 5m`", theme.DIM)))


def advice(tally: Tally) -> Text | None:
    """Return the line that says how to look at the request most worth a look; None if no trace id is known."""
    candidates = [*tally.failed, *tally.slowest]
    trace_id = next((one.trace_id for one in candidates if one.trace_id), "")
    if not trace_id:
        return None
    return theme.line(("look at it: ", theme.DIM), (f"carousel trace {trace_id}", theme.STRONG))
