"""Scenes written to a folder, as a corpus of photographs, label maps and pairs."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from rabit.data.scenes.canvas import CLASSES
from rabit.data.scenes.layout import check_size, sample_layout
from rabit.data.scenes.style import Style, render, sample_style
from rabit.writing import check_target, naming, replace_files, replaceable, workplace

_FOLDERS = ("images", "labels", "truth")
_COLUMNS = ("condition", "exemplar", "exemplar_condition", "truth")


def write_scenes(
    out: Path,
    count: int,
    seed: int,
    size: tuple[int, int] = (128, 128),
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes a corpus of scenes to a folder.

    `images/` and `labels/` hold `count` photographs, each of its own layout and style, with their
    label maps (8-bit, class ids). Row i of `pairs.csv` names the map of photograph i, another
    photograph as exemplar with its map, and the true translation in `truth/`. `classes.txt` names
    a class a line, its id being the line's number from 0.

    Nothing is left behind if writing fails, and what the folder held before stays as it was.

    Args:
        out: the folder; it must be empty or missing unless `overwrite`.
        count: number of photographs, at least 2.
        seed: of all of them, at least 0.
        size: height and width in pixels, each at least 64, together at most MAX_PIXELS.
        overwrite: whether to replace the scenes that an earlier call wrote there; other files
            stay.
        progress: called with the number of photographs written and their total.

    Raises:
        ValueError: a bad count, seed or size; the folder is not empty and `overwrite` is off; or
            a file stands in the way that is not an earlier call's.
        OSError: the folder cannot be written; it is named.
    """
    if count < 2:
        raise ValueError(
            f"count {count} of scenes, expected 2 or more: a pair takes another photograph as "
            "its exemplar"
        )
    if seed < 0:
        raise ValueError(f"seed {seed} of scenes, expected 0 or more; give another seed")
    check_size(size)
    stems = [f"{index:05d}" for index in range(count)]
    new = [Path("pairs.csv"), Path("classes.txt"), *(n for s in stems for n in _file_names(s))]
    old = replaceable(out, partial(_own_files, out), new, "generated scenes", overwrite)
    check_target(out, folder=True)
    with naming(out), workplace(out) as work:
        written = _write(work / "new", count, seed, size, progress)
        replace_files(out, old, written, work)


def _file_names(stem: str) -> tuple[Path, ...]:
    """Returns the files of one photograph, relative to the corpus' folder."""
    return tuple(Path(folder, f"{stem}.png") for folder in _FOLDERS)


def _own_files(out: Path) -> list[Path]:
    """Returns the files that an earlier call wrote, as its table of pairs tells them."""
    table = out / "pairs.csv"
    if not table.is_file():
        return []
    own = [Path("pairs.csv"), Path("classes.txt")]
    with table.open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        if tuple(reader.fieldnames or ()) != _COLUMNS:
            return []
        for row in reader:
            stem = re.fullmatch(r"labels/(\d{5,})\.png", row["condition"])
            if stem is None or row["truth"] != f"truth/{stem[1]}.png":
                return []
            own.extend(_file_names(stem[1]))
    return [name for name in own if (out / name).is_file()]


def _photograph(
    seed: int, index: int, size: tuple[int, int]
) -> tuple[UInt8[np.ndarray, "H W"], Style]:
    """Draws the layout and the style of one photograph."""
    rng = np.random.default_rng([seed, index, 1])  # the items of `Scenes` have two numbers
    return sample_layout(rng, size), sample_style(rng)


def _write(
    folder: Path,
    count: int,
    seed: int,
    size: tuple[int, int],
    progress: Callable[[int, int], None] | None,
) -> list[Path]:
    """Writes the corpus to a new folder and returns its files, relative to it."""
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True)
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    written = [Path("classes.txt")]
    partner = np.random.default_rng([seed, 0, 2])
    rows = []
    for index in range(count):
        other = (index + 1 + int(partner.integers(count - 1))) % count
        labels, style = _photograph(seed, index, size)
        _, other_style = _photograph(seed, other, size)
        stem, other_stem = f"{index:05d}", f"{other:05d}"
        Image.fromarray(render(labels, style)).save(folder / f"images/{stem}.png")
        Image.fromarray(labels).save(folder / f"labels/{stem}.png")
        Image.fromarray(render(labels, other_style)).save(folder / f"truth/{stem}.png")
        written.extend(_file_names(stem))
        rows.append(
            (
                f"labels/{stem}.png",
                f"images/{other_stem}.png",
                f"labels/{other_stem}.png",
                f"truth/{stem}.png",
            )
        )
        if progress is not None:
            progress(index + 1, count)
    with (folder / "pairs.csv").open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines, lineterminator="\n").writerows([_COLUMNS, *rows])
    return [*written, Path("pairs.csv")]
