"""`rabit data colours`: coloured label maps become maps of class ids."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rabit.app.display import Bar
from rabit.app.errors import note
from rabit.data.colours import FAR, MANY, Numbered, number_colours


def data_colours_command(
    folder: Annotated[Path, typer.Argument(help="The corpus: images/ and coloured labels/.")],
    colours: Annotated[
        Path,
        typer.Argument(
            help="Text file, a line NAME: COLOUR, COLOUR, … for each class; a colour is #804080 or "
            "128 64 128. CVAT's labelmap.txt will do."
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

    Ids are given in the order of the lines. Photographs keep their bytes. With --nearest the
    farthest colour is named, and maps with many pixels that are far from all colours.
    """
    with Bar("maps") as bar:
        found = number_colours(folder, colours, out, nearest, overwrite, bar)
    known = found.colours
    typer.echo(f"{len(known.packed)} colours became {len(known.classes)} classes: {out}")
    if found.other:
        farthest = found.farthest
        typer.echo(
            f"{found.other:.2%} of the pixels had other colours and got the nearest one's class; "
            f"the farthest was #{farthest.farthest:06x} in {farthest.path}, {farthest.levels} "
            f"levels from {farthest.nearest}"
        )
    if found.doubtful:
        note(_doubt(found))


def _doubt(found: Numbered) -> str:
    """Says which maps have many pixels that are far from all colours."""
    worst, count = found.doubtful[0], len(found.doubtful)
    which = f"in {count} maps" if count > 1 else "in one map"
    return (
        f"{which} more than {MANY:.0%} of the pixels are more than {FAR} levels of 255 from the "
        f"colour of any class, most in {worst.path} ({worst.far / worst.pixels:.2%}): look at the "
        f"maps written; a colour may be missing in the list, or the maps be too coarse"
    )
