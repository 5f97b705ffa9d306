"""Asks every gateway of a stack the same, and keeps apart who answered and who did not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import click

from apps.cli import errors
from apps.cli.addresses import Address
from apps.cli.api import Api

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Asked(Generic[Answer]):
    """What the gateways answered, in their order; *failures* are those that did not."""

    answers: list[Answer] = field(default_factory=list)
    failures: list[tuple[Address, errors.CliError]] = field(default_factory=list)

    def unavailable(self) -> list[dict[str, Any]]:
        """Return the failures for ``--json``."""
        return [
            {"part": address.part, "address": address.url, "reason": str(error)} for address, error in self.failures
        ]

    def tell(self, what: str) -> None:
        """Say on standard error which gateways are missing from *what*."""
        for address, error in self.failures:
            hint = f"\n  {error.hint}" if error.hint else ""
            click.echo(f"carousel: {what} without the gateway at {address.url}: {error}{hint}", err=True)


def ask(addresses: Sequence[Address], token: str | None, call: Callable[[Api], Answer]) -> Asked[Answer]:
    """Return what *call* gives for each of the gateways.

    Raises:
        CliError: no gateway answered; it is the first one's error.
    """
    asked: Asked[Answer] = Asked()
    for address in addresses:
        try:
            with Api(address, token=token) as api:
                asked.answers.append(call(api))
        except errors.CliError as error:
            asked.failures.append((address, error))
    if not asked.answers:
        raise asked.failures[0][1]
    return asked
