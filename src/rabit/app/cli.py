"""The command line: what all commands have in common; each is imported when it is asked for."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, cast

import typer

from rabit import __version__
from rabit.app.commands import ONE_PICTURE, PLACES, ImportedCommands
from rabit.app.errors import Commands


class RabitCommands(Commands):
    """The commands of `rabit`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast(Any, ImportedCommands(PLACES))


app = typer.Typer(
    name="rabit",
    cls=RabitCommands,
    help="Exemplar-based image translation and editing with bi-level alignment (RABIT).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Runs the command line.

    Commands that make one picture end without taking apart torch's million objects one by one, and
    without what others registered for the exit.
    """
    try:
        app()
    except SystemExit as end:
        if sys.argv[1:2] and sys.argv[1] in ONE_PICTURE and isinstance(end.code, int):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code)
        raise


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rabit {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Exemplar-based image translation and editing with bi-level alignment (RABIT)."""
