"""Scenes written to a folder, as a corpus of photographs, label maps and pairs."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from rabit.data.manifest import write_listed
from rabit.data.scenes.canvas import CLASSES
from rabit.data.scenes.layout import check_size, sample_layout
from rabit.data.scenes.style import Style, render, sample_style

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
    a class a line, its id being the line's number from 0. `generated.txt` lists all files.

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
        ValueError: a bad count, seed or size; the folder is not empty and `overwrite` is off or it
            holds no scenes; or a file stands in the way that is not an earlier call's.
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
    write = partial(_write, count=count, seed=seed, size=size, progress=progress)
    write_listed(out, "generated pictures", write, overwrite, new)


def _file_names(stem: str) -> tuple[Path, ...]:
    """Returns the files of one photograph, relative to the corpus' folder."""
    return tuple(Path(folder, f"{stem}.png") for folder in _FOLDERS)


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
) -> None:
    """Writes the corpus to a new folder."""
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True)
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
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
