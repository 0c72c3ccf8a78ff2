"""`rabit study make`: writes a study from folders of pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from rabit.app.arguments import Overwrite
from rabit.app.display import Bar
from rabit.app.errors import note
from rabit.evaluation.baselines import BASELINES
from rabit.evaluation.folder import RECORD, folder_name
from rabit.study.files import CROWD_PAGE, CROWD_TABLE, KEY, STUDY
from rabit.study.items import TABLE_COLUMNS
from rabit.study.make import make_study
from rabit.study.manifest import (
    DESIGNS,
    TRUTH,
    Manifest,
    make_manifest,
    picture_folders,
    read_manifest,
)
from rabit.study.questions import parse_questions
from rabit.study.reading import read_table


def study_make_command(
    out: Annotated[Path, typer.Argument(help="The folder to write.")],
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="JSON file with these settings, but for --pictures and --leave-out; options come "
            "before it."
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Folder with conditions/, exemplars/, maybe truth/, and one folder a method, as "
            "`rabit evaluate` writes it."
        ),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A method that is not compared; may be repeated."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FOLDER", help="A method and its pictures; may be repeated."),
    ] = None,
    conditions: Annotated[Path | None, typer.Option(help="Folder of the conditions.")] = None,
    exemplars: Annotated[Path | None, typer.Option(help="Folder of the exemplars.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Folder of true translations, for gold trials.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="CSV file instead of folders: columns item, condition, exemplar, maybe truth, and "
            "one a method."
        ),
    ] = None,
    match: Annotated[
        str | None,
        typer.Option(help="Only items of such names, as 'translation-*'. [default: all]"),
    ] = None,
    items: Annotated[
        int | None, typer.Option(help="Items, drawn by the seed. [default: up to 100]")
    ] = None,
    design: Annotated[
        str | None,
        typer.Option(help=f"{' or '.join(DESIGNS)}: all methods at once, or two. [default: k-way]"),
    ] = None,
    questions: Annotated[
        str | None,
        typer.Option(
            help="quality, style, or your own as id=What is asked?, separated by commas. "
            "[default: quality,style]"
        ),
    ] = None,
    raters: Annotated[
        int | None, typer.Option(help="Raters that the design is for. [default: 10]")
    ] = None,
    trials_per_rater: Annotated[
        int | None,
        typer.Option(help="Without gold and repeats. [default: one an item and question]"),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(help="Raters that judge the same two pictures, if pairwise. [default: 2]"),
    ] = None,
    gold: Annotated[
        int | None,
        typer.Option(help="Trials a rater with a known answer. [default: a quarter, up to 10]"),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(help="Trials that a rater sees twice. [default: as --gold]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all draws. [default: 0]")] = None,
    resize: Annotated[
        bool, typer.Option("--resize", help="Bring results of different sizes to one.")
    ] = False,
    picture_url: Annotated[
        str | None,
        typer.Option(help="Address of the pictures; writes the form for Mechanical Turk."),
    ] = None,
    trials_per_hit: Annotated[
        int | None, typer.Option(help="Trials on one form. [default: 10]")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a user study in OUT: trials for every rater, pictures under opaque names, and a key."""
    fields: dict[str, Any] = {
        "conditions": conditions,
        "exemplars": exemplars,
        "truth": truth,
        "table": table,
        "match": match,
        "items": items,
        "design": design,
        "raters": raters,
        "trials_per_rater": trials_per_rater,
        "overlap": overlap,
        "gold": gold,
        "repeats": repeats,
        "seed": seed,
        "resize": resize or None,
        "picture_url": picture_url,
        "trials_per_hit": trials_per_hit,
    }
    sources = Sources(manifest, pictures, method or [], leave_out or [])
    made_from = gather(sources, fields, questions)
    with Bar("pictures") as bar:
        made = make_study(made_from, out, overwrite, bar)
    for remark in made.notes:
        note(remark)
    total = made.main + made.gold + made.repeats
    names = [method.name for method in made_from.methods]
    trivial = sorted(set(names) & set(map(folder_name, BASELINES)))
    if trivial:
        note(
            f"{' and '.join(trivial)}: baselines of rabit evaluate, judged as methods here; "
            f"{' '.join(f'--leave-out {name}' for name in trivial)} leaves them out"
        )
    if pictures is not None:
        for name, found, expected in _unfinished(pictures):
            note(
                f"{pictures} is of an evaluation that was stopped: {name} has {found} of "
                f"{expected} pictures; rabit evaluate makes the others"
            )
    typer.echo(f"methods: {', '.join(names)}")
    typer.echo(f"items: {made.items}, sheets for raters: {made.sheets}")
    typer.echo(
        f"trials a rater: {total} ({made.main} that count, {made.gold} gold, "
        f"{made.repeats} repeated)"
    )
    typer.echo(f"study: {out / STUDY}")
    typer.echo(f"key: {out / KEY} (names the methods; keep it from raters)")
    if made_from.picture_url:
        typer.echo(f"for Mechanical Turk: {out / CROWD_PAGE}, {out / CROWD_TABLE}")


@dataclass(frozen=True)
class Sources:
    """Where the pictures of methods are said to be.

    Args:
        manifest: a JSON file.
        pictures: a folder with a sub-folder a method.
        methods: NAME=FOLDER each.
        leave_out: names of methods that are not compared.
    """

    manifest: Path | None
    pictures: Path | None
    methods: list[str]
    leave_out: list[str]


def gather(sources: Sources, fields: dict[str, Any], questions: str | None) -> Manifest:
    """Puts the manifest file, the folder of pictures and options together, the latter first.

    Args:
        sources: of the methods.
        fields: of the manifest, as options give them; None for what is not given.
        questions: as the option gives them.

    Raises:
        FileNotFoundError: a file or folder is missing.
        ValueError: a field or an option is wrong; it is named.
    """
    data: dict[str, Any] = {} if sources.manifest is None else read_manifest(sources.manifest)
    if sources.pictures is not None:
        data |= picture_folders(sources.pictures)
    table = fields.get("table")
    if sources.methods:
        data["methods"] = [_method(text) for text in sources.methods]
    elif table is not None and "methods" not in data:
        data["methods"] = [{"name": name} for name in _table_methods(table)]
    data |= {
        name: str(value) if isinstance(value, Path) else value
        for name, value in fields.items()
        if value is not None
    }
    if questions is not None:
        data["questions"] = [vars(question) for question in parse_questions(questions)]
    if "methods" not in data:
        raise ValueError("give the methods: --pictures, --method, --table or --manifest")
    where = "study" if sources.manifest is None else str(sources.manifest)
    return _without(make_manifest(data, where), sources.leave_out)


def _unfinished(pictures: Path) -> list[tuple[str, int, int]]:
    """Returns the methods of an evaluation that lack pictures, with how many of how many they have.

    Args:
        pictures: a folder of pictures; of no evaluation if there is no record of one beside it.
    """
    try:
        record = json.loads((pictures.parent / RECORD).read_text(encoding="utf-8"))
        expected = sum(record["samples"].values())
        counts = {name: len([*(pictures / name).glob("*.png")]) for name in record["methods"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [(name, found, expected) for name, found in counts.items() if found < expected]


def _without(manifest: Manifest, names: list[str]) -> Manifest:
    """Drops methods by their names."""
    known = [method.name for method in manifest.methods]
    for name in names:
        if name not in known:
            raise ValueError(f"--leave-out {name}: no such method; there are {', '.join(known)}")
    kept = tuple(method for method in manifest.methods if method.name not in names)
    return replace(manifest, methods=kept)


def _method(text: str) -> dict[str, str]:
    name, equals, folder = text.partition("=")
    if not equals or not name or not folder:
        raise ValueError(f"--method {text}: expected NAME=FOLDER")
    return {"name": name, "folder": folder}


def _table_methods(table: Path) -> list[str]:
    """The columns of a table that are methods.

    Raises:
        ValueError: there are less than two, or it is no table.
    """
    columns = read_table(table).columns
    methods = [name for name in columns if name not in (*TABLE_COLUMNS, TRUTH)]
    if len(methods) < 2:
        raise ValueError(
            f"{table}: found the columns {', '.join(columns) or 'none'}; expected "
            f"{', '.join(TABLE_COLUMNS)}, maybe {TRUTH}, and two or more that are methods"
        )
    return methods
