"""`rabit data colours`: coloured label maps become maps of class ids."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rabit.app.display import Bar
from rabit.data.colours import number_colours


def data_colours_command(
    folder: Annotated[Path, typer.Argument(help="The corpus: images/ and coloured labels/.")],
    colours: Annotated[
        Path,
        typer.Argument(
            help="Text file, a line NAME: COLOUR, COLOUR, … for each class; a colour is #804080 or "
            "128 64 128."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    nearest: Annotated[
        bool,
        typer.Option(
            "--nearest",
            help="Give pixels of other colours, as in JPEG files, the nearest one's id.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace such a corpus in the folder.")
    ] = False,
) -> None:
    """Write FOLDER with class ids in place of colours.

    Ids are given in the order of the lines. Photographs keep their bytes.
    """
    with Bar("maps") as bar:
        found = number_colours(folder, colours, out, nearest, overwrite, bar)
    typer.echo(f"{len(found.packed)} colours became {len(found.classes)} classes: {out}")
