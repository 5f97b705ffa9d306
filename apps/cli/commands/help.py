"""``carousel help``: the help of a command."""

import click
from click.shell_completion import CompletionItem

from apps.cli import errors


def _names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    group = ctx.find_root().command
    known = group.list_commands(ctx) if isinstance(group, click.Group) else []
    return [CompletionItem(name) for name in known if name.startswith(incomplete)]


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND]...", shell_complete=_names)
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> int:
    """Show the help of a command, or of all.

    The same as `carousel COMMAND --help`.

    \b
    Examples:
      carousel help ring
      carousel help bugs set

    \b
    Exit codes: 0; 2 there is no such command.
    """
    root = ctx.find_root()
    found: click.Command = root.command
    context = root
    for word in words:
        inner = found.get_command(context, word) if isinstance(found, click.Group) else None
        if inner is None:
            raise errors.Misused(f"there is no command {' '.join(words)!r}", "`carousel --help` lists the commands")
        found, context = inner, click.Context(inner, info_name=word, parent=context)
    click.echo(found.get_help(context))
    return errors.OK
