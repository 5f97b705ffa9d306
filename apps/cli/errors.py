"""What can go wrong for the command line, and the exit code of each.

::

    CliError             1   something was asked and did not come out well
    ├── Misused          2   the command line itself cannot be understood
    ├── Unreachable      3   a part of the stack does not answer at all
    └── Refused          1   a part of the stack answered, and the answer is an error
        └── NotFound     1   the answer is 404

Raised where known; `apps.cli.main` prints one line on stderr and ends with the code.
"""

OK = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3
INTERRUPTED = 130
BROKEN_PIPE = 141
"""What a shell shows for a program that SIGPIPE ended."""


class CliError(Exception):
    """Base of everything the command line raises on purpose. *hint* says what to do about it."""

    exit_code = FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Misused(CliError):
    """An option or an argument has a value that cannot be understood."""

    exit_code = USAGE


class Unreachable(CliError):
    """Nobody answers at an address."""

    exit_code = UNREACHABLE


class Refused(CliError):
    """A part of the stack answered with an error. *status* is the HTTP status, 0 where the answer was no JSON."""

    def __init__(self, message: str, hint: str = "", status: int = 0) -> None:
        super().__init__(message, hint)
        self.status = status


class NotFound(Refused):
    """There is no such thing at a part of the stack."""
