"""``carousel send``: requests to the gateway, and where each of them went."""

import time
from typing import TYPE_CHECKING

import click

from apps.cli import completing, errors
from apps.cli.commands.options import addresses, gateway_option, json_option

if TYPE_CHECKING:
    from apps.cli.api import Api
    from apps.cli.sending import Order
    from apps.cli.tally import Tally

ANSWER_S = 60.0
"""Longer than any deadline of the gateway, so that it is the gateway who gives up."""


@click.command("send")
@click.argument("entity", shell_complete=completing.entities)
@click.option(
    "-n", "--count", type=click.IntRange(1), help="Requests to send; 1, or with --rate until Ctrl-C, if not given."
)
@click.option(
    "--rate", type=click.FloatRange(0.01, 2000), metavar="R", help="Requests a second; else one after the other."
)
@click.option("--method", type=click.Choice(["POST", "GET"], case_sensitive=False), default="POST", show_default=True)
@click.option(
    "--fault",
    metavar="SPEC",
    shell_complete=completing.faults,
    help="A bug for these requests: service2:slow;ms=3000, service2-1:error, none.",
)
@click.option("--data", metavar="JSON", help="Body of the request.")
@json_option
@gateway_option
def command(
    entity: str,
    count: int | None,
    rate: float | None,
    method: str,
    fault: str | None,
    data: str | None,
    as_json: bool,
    gateway: str | None,
) -> int:
    """Send requests and show where each of them went.

    ENTITY is what the request is about: orders, payments or deliveries, unless the stack was set up for others.

    The exit code is 1 when a request failed. With a --fault (other than none) an answer of 5xx is what was asked for
    and counts as no failure of the command; no answer at all, or a 4xx, does.

    \b
    Examples:
      carousel send orders
      carousel send orders -n 100 --fault none
      carousel send payments --rate 20
      carousel send orders --fault 'service2:slow;ms=3000'

    \b
    Exit codes: 0 every request was answered well; 1 not every one; 2 the command line is
    wrong; 3 the gateway cannot be reached; 130 Ctrl-C before -n requests.
    """
    from apps.cli.api import Api
    from apps.cli.sending import AT_ONCE

    order = _order(entity, count, rate, method.upper(), fault, data)
    address = addresses(gateway=gateway).gateway
    with Api(address, answer_s=ANSWER_S, connections=AT_ONCE) as api:
        return _run(api, order, as_json)


def _order(
    entity: str, count: int | None, rate: float | None, method: str, fault: str | None, data: str | None
) -> "Order":
    from urllib.parse import quote

    from apps.cli.sending import Order, data_body
    from apps.web.faults import FaultError, parse_header

    if data is not None and method == "GET":
        raise errors.Misused("--data goes with --method POST: a GET has no body")
    try:
        body = data_body(data) if data is not None else b"{}" if method == "POST" else None
    except ValueError as error:
        raise errors.Misused(f"--data is not JSON: {error}") from error
    try:
        parse_header(fault or "")
    except FaultError as error:
        raise errors.Misused(f"--fault {fault}: {error}") from error
    if fault and not fault.isascii():
        raise errors.Misused("--fault holds a character that no header field can carry")
    number = count if count is not None or rate is not None else 1
    return Order(quote(entity, safe=""), method, body, (fault or "").strip(), number, rate)


def _run(api: "Api", order: "Order", as_json: bool) -> int:
    from apps.cli import jsonlines, send_view
    from apps.cli.api import unreachable
    from apps.cli.sending import result_shape, send
    from apps.cli.tally import Tally

    if as_json:
        show_json = jsonlines.write
        screen = None
    else:
        from apps.cli.screen import stdout

        screen = stdout()
    tally, began, was_stopped = Tally(), time.monotonic(), False
    try:
        for answered in send(api, order):
            if answered.was_refused and not any(tally.statuses[status] for status in tally.statuses if status):
                raise unreachable(api.address, answered.detail)
            tally.add(answered)
            if screen is None:
                show_json(result_shape(answered))
            else:
                screen.show([send_view.head()] if tally.requests == 1 else [])
                screen.show([send_view.row(answered)])
    except KeyboardInterrupt:
        was_stopped = True
    spent_s = time.monotonic() - began
    is_expected = order.asks_for_fault
    code = _code(tally, is_expected)
    if screen is None:
        show_json(tally.shape(spent_s, ok=code == errors.OK))
    elif tally.requests:
        screen.show([""])
        if tally.requests > 1 or tally.failures:
            screen.show(send_view.summary(tally, spent_s, expected=is_expected and code == errors.OK))
        advice = send_view.advice(tally)
        screen.show([advice] if advice is not None else [])
    # Where no number was given, Ctrl-C is how the command is meant to end.
    return errors.INTERRUPTED if was_stopped and order.count is not None else code


def _code(tally: "Tally", is_fault_asked: bool) -> int:
    asked = sum(count for status, count in tally.statuses.items() if status >= 500) if is_fault_asked else 0
    return errors.OK if tally.failures <= asked else errors.FAILED
