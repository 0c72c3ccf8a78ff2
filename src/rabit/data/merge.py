"""A corpus with fewer classes: label maps written anew, several classes becoming one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from PIL import Image

from rabit.data.images import MAX_CLASSES, read_classes, read_labels
from rabit.data.listing import Photograph, first_few, match_maps
from rabit.data.manifest import write_listed
from rabit.data.text import read_text

WHAT = "a corpus with merged classes"


@dataclass(frozen=True)
class Merge:
    """Which classes become one.

    Args:
        classes: names of the new classes, by id.
        table: the new id of every old one.
    """

    classes: tuple[str, ...]
    table: Int64[np.ndarray, " old"]


def read_merge(path: Path, classes: Sequence[str]) -> Merge:
    """Reads which classes become one: a line `new: old, old, …` for each new class, by id.

    Args:
        path: a UTF-8 text file.
        classes: names of the old classes, by id; each is named in one line.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is no such line, or a class is unknown, named twice or left out.
    """
    known = {name: index for index, name in enumerate(classes)}
    table = np.full(len(classes), -1, np.int64)
    names: list[str] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        name, colon, listed = (part.strip() for part in line.partition(":"))
        where = f"{path}: line {number}"
        if not colon or not name or not listed:
            raise ValueError(f"{where} is {line!r}, expected NEW: OLD, OLD, … (names of classes)")
        if name in names:
            raise ValueError(f"{where}: {name!r} has a line already; put its classes together")
        for old in (part.strip() for part in listed.split(",")):
            if old not in known:
                raise ValueError(f"{where}: no class {old!r}; there are {', '.join(classes)}")
            if table[known[old]] >= 0:
                raise ValueError(f"{where}: {old!r} is named a second time; name it once")
            table[known[old]] = len(names)
        names.append(name)
    missing = [name for name, index in known.items() if table[index] < 0]
    if missing:
        raise ValueError(f"{path}: {first_few(missing)} in no line; name every class once")
    return Merge(tuple(names), table)


def merge_corpus(
    folder: Path,
    merge: Path,
    out: Path,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Merge:
    """Writes a plain folder of photographs and label maps with fewer classes.

    Photographs keep their bytes; classes.txt names the new classes. Lists and other conditions of
    the folder are not copied.

    Args:
        folder: with images/, labels/ and classes.txt.
        merge: the file that `read_merge` reads.
        out: the folder to write, empty or missing unless `overwrite`.
        overwrite: whether to replace what an earlier call wrote there.
        progress: called with the number of maps written and their total.

    Returns:
        What was merged.

    Raises:
        FileNotFoundError: a file or folder is missing.
        ValueError: the folder or the file is not as described; it is named.
        OSError: the folder cannot be written; it is named.
    """
    merged = read_merge(merge, read_classes(folder / "classes.txt"))
    photographs = match_maps(folder / "images", folder / "labels")
    write = partial(_write, photographs, merged, progress)
    write_listed(out, WHAT, write, overwrite)
    return merged


def _write(
    photographs: Sequence[Photograph],
    merged: Merge,
    progress: Callable[[int, int], None] | None,
    folder: Path,
) -> None:
    """Writes the corpus to a new folder."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    text = "".join(f"{name}\n" for name in merged.classes)
    (folder / "classes.txt").write_text(text, encoding="utf-8", newline="\n")
    assert np.iinfo(np.uint16).max + 1 >= MAX_CLASSES
    dtype = np.uint8 if len(merged.classes) <= 256 else np.uint16
    for index, photograph in enumerate(photographs, start=1):
        ids = merged.table[read_labels(photograph.condition, len(merged.table))].astype(dtype)
        stem = photograph.image.stem
        Image.fromarray(ids).save(folder / "labels" / f"{stem}.png")
        shutil.copyfile(photograph.image, folder / "images" / photograph.image.name)
        if progress is not None:
            progress(index, len(photographs))
