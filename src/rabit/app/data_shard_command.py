"""`rabit data shard`: a folder of pictures as a few large tar files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rabit.app.corpus_arguments import ConditionKind, Layout
from rabit.app.display import Bar
from rabit.app.errors import note
from rabit.data.layouts.find import find_layout, open_source
from rabit.data.shards.index import PAIRS, PICTURES
from rabit.data.shards.writer import NOTES, write_shards


def data_shard_command(
    folder: Annotated[Path, typer.Argument(help="The folder of the corpus.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    per_shard: Annotated[int, typer.Option(help="Pictures in a tar file.")] = 1000,
    layout: Layout = None,
    condition: ConditionKind = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on in a folder that was begun; damaged tar files are written again.",
        ),
    ] = False,
) -> None:
    """Write the pictures of FOLDER as shards: tar files, which a file system finds sooner.

    The result trains as FOLDER does, with the same samples. Photographs keep their bytes; the tar
    files are those of the webdataset library. Plain files need no shards: they help from some
    100,000 pictures on, or on a network's file system.
    """
    layout = layout or find_layout(folder, condition)
    source = open_source(folder, layout, condition)
    try:
        with Bar("writing shards") as bar:
            index = write_shards(source, layout, out, per_shard, resume, bar)
    except KeyboardInterrupt:
        if (out / NOTES).exists():
            note(f"the shards that are finished stay in {out}; --resume goes on")
        raise
    for series, count in ((PICTURES, len(index.names)), (PAIRS, len(index.pair_names))):
        shards = index.pictures if series == PICTURES else index.pairs
        if count:
            size = sum(shard.bytes for shard in shards) / 2**20
            typer.echo(f"{series}: {count} in {len(shards)} tar files, {size:.1f} MiB")
    typer.echo(f"shards: {out}")
