"""``carousel nodes``: who is in the rings, and who was heard of."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from apps.cli import errors
from apps.cli.addresses import Address, read_admin_token
from apps.cli.commands.options import addresses, gateway_option, json_option, storage_option

if TYPE_CHECKING:
    from apps.cli.addresses import Addresses


@click.command("nodes")
@json_option
@gateway_option
@storage_option
def command(as_json: bool, gateway: str | None, storage: str | None) -> int:
    """Show the nodes: their place in the rings, and what arrived from them.

    The gateway knows the first, storage the second. With one of the two out of reach it shows what the other knows
    and says so, and the exit code stays 0; with both out of reach it is 3.
    """
    places = addresses(gateway=gateway, storage=storage)
    rings, no_rings = _try(places.gateway, "/admin/rings", _token(places))
    stored, no_stored = _try(places.storage, "/api/v1/nodes", None)
    failures = [
        (address, error)
        for address, error in ((places.gateway, no_rings), (places.storage, no_stored))
        if error is not None
    ]
    if rings is None and stored is None:
        _raise_both(failures)
    if as_json:
        from apps.cli import census, jsonlines

        jsonlines.write(
            {
                "nodes": census.as_json(rings, stored),
                "unavailable": [
                    {"part": address.part, "address": address.url, "reason": str(error)} for address, error in failures
                ],
            }
        )
    else:
        _show(rings, stored)
        for address, error in failures:
            without = "state and picks" if address.part == "gateway" else "logs, spans and last seen"
            hint = f"\n  {error.hint}" if error.hint else ""
            click.echo(f"carousel: without {without}: {error}{hint}", err=True)
    return errors.OK


def _token(places: "Addresses") -> str | None:
    return read_admin_token(places.run_dir)


def _try(address: Address, path: str, token: str | None) -> tuple[dict[str, Any] | None, errors.CliError | None]:
    """Return what is at *path*, or why there is nothing."""
    from apps.cli.api import Api

    try:
        with Api(address, token=token) as api:
            return api.get(path), None
    except errors.Refused as error:
        if error.status == 401:
            error.hint = "the admin token is read from secrets/admin in the run directory; CAROUSEL_RUN_DIR names that"
        return None, error
    except errors.Unreachable as error:
        return None, error


def _raise_both(failures: list[tuple[Address, errors.CliError]]) -> None:
    worst = max((error for _, error in failures), key=lambda error: error.exit_code)
    both = ", nor ".join(str(error).removeprefix("cannot reach ") for _, error in failures)
    are_alike = all(isinstance(error, errors.Unreachable) for _, error in failures)
    message = f"cannot reach {both}" if are_alike else "; ".join(str(error) for _, error in failures)
    raise type(worst)(message, worst.hint)


def _show(rings: dict[str, Any] | None, stored: dict[str, Any] | None) -> None:
    from apps.cli import census, nodes_view, theme
    from apps.cli.screen import stdout

    screen = stdout()
    nodes = census.join(rings, stored)
    table = nodes_view.draw(nodes, datetime.now(UTC), knows_ring=rings is not None, knows_storage=stored is not None)
    screen.show(theme.cut(one, screen.limit) for one in table)
    summary = nodes_view.rings_line(nodes)
    if summary.plain:
        screen.show(["", summary])
