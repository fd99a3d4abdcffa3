"""The ``mtfs`` command: no arithmetic, only doors to the library."""

from __future__ import annotations

import warnings

import typer

from mtfs.cli import deciding, describing, explaining, learning, peopling, projecting
from mtfs.cli.doors import fail
from mtfs.vocabulary import MtfsError, PlanWarning

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="A council's medium-term financial strategy as a distribution.",
    pretty_exceptions_enable=False,
)
for _commands in (
    projecting.COMMANDS,
    explaining.COMMANDS,
    deciding.COMMANDS,
    peopling.COMMANDS,
    learning.COMMANDS,
    describing.COMMANDS,
):
    for _command in _commands:
        app.command()(_command)


def main() -> None:
    """Run the command; errors of the library are messages, not tracebacks."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", PlanWarning)
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            app()
        except MtfsError as error:
            fail(str(error))


def _show_warning(message: Warning | str, *_: object) -> None:
    typer.echo(f"warning: {message}", err=True)
