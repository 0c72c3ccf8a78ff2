"""`rabit data scenes`: writes a generated corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rabit.app.display import Bar
from rabit.app.options import parse_size
from rabit.data.generated import LAYOUTS, write_layout
from rabit.data.scenes import write_scenes

PLAIN = "folder"


def data_scenes_command(
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    count: Annotated[int, typer.Option(help="Number of photographs.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of all of them.")] = 0,
    size: Annotated[str, typer.Option(help="Pixels: one number, or HEIGHTxWIDTH.")] = "128",
    layout: Annotated[
        str,
        typer.Option(
            help=f"{PLAIN}: street scenes with label maps, and pairs with their truth. "
            "ade20k: street scenes with ADE20K's ids. celebahq, celebahq-edge: portraits with "
            "masks of their parts. deepfashion: standing persons with their joints, in several "
            "views."
        ),
    ] = PLAIN,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the generated corpus in the folder.")
    ] = False,
) -> None:
    """Write a generated corpus: a plain folder of street scenes, or a public layout."""
    if layout not in (PLAIN, *LAYOUTS):
        expected = ", ".join((PLAIN, *LAYOUTS))
        raise ValueError(f"--layout {layout}: expected one of {expected}")
    pixels = parse_size(size)
    with Bar("scenes" if layout == PLAIN else layout) as bar:
        if layout == PLAIN:
            write_scenes(out, count, seed, pixels, overwrite=overwrite, progress=bar)
        else:
            write_layout(out, layout, count, seed, pixels, overwrite=overwrite, progress=bar)
    typer.echo(f"{count} {'scenes' if layout == PLAIN else 'photographs'}: {out}")
