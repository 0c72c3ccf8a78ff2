"""`rabit data merge`: a corpus with fewer classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rabit.app.display import Bar
from rabit.data.merge import merge_corpus


def data_merge_command(
    folder: Annotated[Path, typer.Argument(help="The corpus: images/, labels/ and classes.txt.")],
    classes: Annotated[
        Path,
        typer.Argument(
            help="Text file, a line NEW: OLD, OLD, … for each of the new classes; * stands for "
            "those that stay as they are, a number for an id without a class, as 255."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the merged corpus in the folder.")
    ] = False,
) -> None:
    """Write FOLDER with fewer classes: those in a line of CLASSES become one.

    Every class has to be named once, or left to a line *. Photographs keep their bytes.
    """
    with Bar("merging") as bar:
        merged = merge_corpus(folder, classes, out, overwrite, bar)
    ids = int((merged.table >= 0).sum())
    typer.echo(f"{ids} ids became {len(merged.classes)} classes: {out}")
