"""`rabit data edits`: a set of edits of real photographs, with their ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from rabit.app.corpora import listed_pictures
from rabit.app.corpus_arguments import ConditionKind, EditsFit, Layout
from rabit.app.display import Bar
from rabit.app.errors import note
from rabit.app.options import parse_fit, parse_size
from rabit.data.edits import KINDS, EditKind, EditRules, ObjectRules, write_edits
from rabit.data.edits.files import SHEET
from rabit.data.layouts.find import open_source


def data_edits_command(
    folder: Annotated[Path, typer.Argument(help="The folder of a corpus with label maps.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    count: Annotated[int, typer.Option(help="Number of edits.")] = 150,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn at random.")] = 0,
    kinds: Annotated[
        str,
        typer.Option(help="move, remove, add: what the edits do to an object, in turn."),
    ] = ",".join(KINDS),
    classes: Annotated[
        str | None,
        typer.Option(
            help="Names of classes whose objects are edited, such as window,door. [default: those "
            "that do not fill a picture or reach two of its borders]",
            show_default=False,
        ),
    ] = None,
    smallest: Annotated[
        float, typer.Option(help="Smallest object, as a share of the picture.")
    ] = ObjectRules.least,
    largest: Annotated[
        float, typer.Option(help="Largest object, as a share of the picture.")
    ] = ObjectRules.most,
    size: Annotated[
        str | None,
        typer.Option(
            help="Pixels to bring pictures to first: one number, or HEIGHTxWIDTH. [default: each "
            "picture's own]",
            show_default=False,
        ),
    ] = None,
    fit: EditsFit = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            help="File with the pictures to edit, one a line, such as a run's held-out.txt. "
            "[default: all]",
            show_default=False,
        ),
    ] = None,
    layout: Layout = None,
    condition: ConditionKind = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the edits in the folder.")
    ] = False,
) -> None:
    """Write edits of objects in the pictures of FOLDER, each with its ground truth.

    The truth is always the photograph as it was taken. What is to be edited is made from it: an
    object is moved away (the edit moves it back), a copy is put in (the edit removes it), or it is
    taken out (the edit adds it). Moves shift by up to 15 % of the height and width, scale by 0.75
    to 1.33, rotate by up to 20 degrees and flip one time in two; a copy goes anywhere around the
    object. What a moved object leaves bare is filled from its surroundings.

    The folder gets images/, labels/, edited_labels/, truth/, masks/ (where something was altered),
    edits.csv (what was done), sheet.png, and classes.txt and pairs.csv for rabit evaluate --data.
    """
    source = open_source(folder, layout, condition)
    rules = EditRules(
        seed=seed,
        # The rules themselves refuse other words.
        kinds=cast("tuple[EditKind, ...]", _words(kinds)),
        classes=_words(classes or ""),
        objects=ObjectRules(least=smallest, most=largest),
        size=None if size is None else parse_size(size),
        fit="stretch" if fit is None else parse_fit(fit),
        pictures=() if held_out is None else listed_pictures(held_out, source),
    )
    with Bar("edits") as bar:
        written = write_edits(source, out, count, rules, overwrite=overwrite, progress=bar)
    total = sum(written.values())
    if total < count:
        note(f"{folder} has objects for {total} edits only, not {count}")
    spelled = ", ".join(f"{number} {kind}" for kind, number in written.items())
    typer.echo(f"{total} edits ({spelled}): {out}")
    typer.echo(f"sheet: {out / SHEET}")


def _words(text: str) -> tuple[str, ...]:
    """Reads a list of words between commas."""
    return tuple(word for part in text.split(",") if (word := part.strip()))
