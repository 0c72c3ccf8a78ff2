"""Edits written to a folder: pictures, maps, masks, tables of them and a sheet to look at."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from rabit.data.edits.compose import ObjectEdit
from rabit.data.edits.series import CorpusEdit, EditRules, check_semantic, corpus_edits
from rabit.data.images import save_png
from rabit.data.listing import PAIR_COLUMNS
from rabit.data.manifest import write_listed
from rabit.data.pictures import grid, palette
from rabit.data.source import Source

TABLE = "edits.csv"
SHEET = "sheet.png"
FOLDERS = ("images", "labels", "edited_labels", "truth", "masks")
COLUMNS = (
    *("image", "condition", "edited_condition", "truth", "mask", "kind", "class", "source"),
    *("top", "left", "bottom", "right", "share", "center_y", "center_x", "shift_y", "shift_x"),
    *("scale", "degrees", "flip", "seed"),
)
"""Of edits.csv. The box and the share are the object's in the truth. The last but one describe the
`Affine` that took the object, or its copy, from the truth to the image: the edit is its inverse.
They are empty where the object was taken out."""

_TABLES = (TABLE, "pairs.csv", "classes.txt", SHEET)
_SHOWN = 12
_THUMBNAIL = 160
_CAPTION = 14


def write_edits(
    source: Source,
    out: Path,
    count: int,
    rules: EditRules,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Writes edits of a corpus to a folder that evaluation reads.

    `images/` and `labels/` hold what is to be edited, `edited_labels/` the maps after the edit,
    `truth/` the photographs that perfect edits give (see `ObjectEdit` for which of them are real),
    `masks/` 255 where photograph or map were altered. `pairs.csv` names them as evaluation reads
    them: the condition is the edited map, the exemplar the photograph to edit. `edits.csv` tells
    what was done (`COLUMNS`), `classes.txt` names the classes, `sheet.png` shows the first edits,
    and `generated.txt` lists all files.

    Nothing is left behind if writing fails, and what the folder held before stays as it was.

    Args:
        source: the corpus, with semantic maps.
        out: the folder; it must be empty or missing unless `overwrite`.
        count: of the edits, 1 or more; fewer are written where the corpus has no more.
        rules: which edits to make.
        overwrite: whether to replace the edits that an earlier call wrote there; other files stay.
        progress: called with the number of edits written and their total.

    Returns:
        How many edits of each kind were written.

    Raises:
        ValueError: the count is below 1, the corpus has no objects to edit or is not semantic, the
            folder is not empty and `overwrite` is off or it holds no edits, or a file stands in
            the way.
        OSError: the folder cannot be written; it is named.
    """
    if count < 1:
        raise ValueError(f"count {count} of edits, expected 1 or more")
    check_semantic(source, rules.classes)
    names = [_file_names(f"{number:05d}").values() for number in range(count)]
    expected = [*map(Path, _TABLES), *(name for each in names for name in each)]
    write = partial(_write, source=source, count=count, rules=rules, progress=progress)
    kinds = write_listed(out, "edits", write, overwrite, expected)
    return {kind: kinds.count(kind) for kind in rules.kinds}


def _file_names(stem: str) -> dict[str, Path]:
    """Returns the files of one edit, relative to the folder, by the folder each is in."""
    return {folder: Path(folder, f"{stem}.png") for folder in FOLDERS}


def _write(
    folder: Path,
    source: Source,
    count: int,
    rules: EditRules,
    progress: Callable[[int, int], None] | None,
) -> list[str]:
    """Writes edits to a new folder and returns the kind of each."""
    folder.mkdir(parents=True)
    rows, pairs, shown = [], [], []
    colours = palette(len(source.channels))
    for number, made in enumerate(islice(corpus_edits(source, rules), count)):
        files = _file_names(f"{number:05d}")
        _save(folder, files, made.edit)
        name = source.channels[made.edit.item.class_id]
        rows.append(_row(files, made, name, rules.seed))
        chosen = (files[key] for key in ("edited_labels", "images", "labels", "truth"))
        pairs.append([path.as_posix() for path in chosen])
        if number < _SHOWN:
            shown.append(_thumbnails(made.edit, colours, f"{number:05d} {made.edit.kind} {name}"))
        if progress is not None:
            progress(number + 1, count)
    if not rows:
        raise ValueError(
            f"{source.root}: no object to edit in {len(set(rules.pictures)) or len(source)} "
            "pictures; name --classes, or allow "
            "smaller and larger objects"
        )
    for table, lines in ((TABLE, [COLUMNS, *rows]), ("pairs.csv", [PAIR_COLUMNS, *pairs])):
        with (folder / table).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows(lines)
    (folder / "classes.txt").write_text("\n".join(source.channels) + "\n", encoding="utf-8")
    save_png(folder / SHEET, grid(shown, ("photograph", "map", "edited map", "truth", "altered")))
    return [row[COLUMNS.index("kind")] for row in rows]


def _save(folder: Path, files: dict[str, Path], edit: ObjectEdit) -> None:
    """Writes the pictures and maps of an edit."""
    save_png(folder / files["images"], edit.image)
    save_png(folder / files["labels"], edit.labels)
    save_png(folder / files["edited_labels"], edit.edited)
    save_png(folder / files["truth"], edit.truth)
    save_png(folder / files["masks"], np.where(edit.changed, 255, 0))


def _row(files: dict[str, Path], made: CorpusEdit, name: str, seed: int) -> list[str]:
    """Returns the row of edits.csv for an edit."""
    edit = made.edit
    names = [files[key].as_posix() for key in FOLDERS]
    share = float(edit.item.mask.mean())
    affine: Sequence[object] = [""] * 7
    if edit.affine is not None:
        centre, shift = edit.affine.centre, edit.affine.shift
        affine = (*centre, *shift, edit.affine.scale, edit.affine.degrees, int(edit.affine.flip))
    cells = (*names, edit.kind, name, made.source, *edit.item.box, f"{share:.5f}", *affine, seed)
    return [str(cell) for cell in cells]


def _thumbnails(
    edit: ObjectEdit, colours: UInt8[np.ndarray, "C 3"], caption: str
) -> list[UInt8[np.ndarray, "h w 3"]]:
    """Returns small pictures of an edit, the first with a caption below."""
    altered = np.where(edit.changed[..., None], edit.image, edit.image // 4 + 160)
    pictures = (edit.image, colours[edit.labels], colours[edit.edited], edit.truth, altered)
    thumbnails = []
    for number, pixels in enumerate(pictures):
        sheet = Image.new("RGB", (_THUMBNAIL, _THUMBNAIL + _CAPTION), "white")
        small = Image.fromarray(pixels.astype(np.uint8))
        small.thumbnail((_THUMBNAIL, _THUMBNAIL))
        sheet.paste(small, (0, 0))
        if number == 0:
            ImageDraw.Draw(sheet).text((0, _THUMBNAIL), caption, fill="black")
        thumbnails.append(np.asarray(sheet))
    return thumbnails
