"""``carousel completion``: what a shell needs to complete the command line."""

import click

from apps.cli import errors

VARIABLE = "_CAROUSEL_COMPLETE"
"""Set by the script when it asks; what click derives from the name of the program."""
SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the completion script for a shell.

    Commands, options, and names of the running stack: nodes, entities, steps, kinds of bugs. A stack that does not
    answer at once offers no names; nothing else happens.

    \b
    Examples:
      eval "$(carousel completion bash)"       in ~/.bashrc
      eval "$(carousel completion zsh)"        in ~/.zshrc, after compinit
      carousel completion fish > ~/.config/fish/completions/carousel.fish

    \b
    Exit codes: 0; 2 the shell is another one.
    """
    from click.shell_completion import BashComplete, get_completion_class

    # click asks the bash on the PATH for its version, which tells nothing of the shell that will read the script.
    BashComplete._check_version = staticmethod(lambda: None)  # type: ignore[method-assign]
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "carousel", VARIABLE).source())
    return errors.OK
