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

from rabit.data.images import MAX_CLASSES, check_class_names, read_classes, read_labels
from rabit.data.listing import Photograph, first_few, match_maps
from rabit.data.manifest import write_listed
from rabit.data.text import read_text

WHAT = "a corpus with merged classes"
REST = "*"
"""The line that stands for the classes that no line names."""
LISTS = ("train.txt", "val.txt", "references.csv")
"""Lists that name photographs alone, which stay as they are."""


@dataclass(frozen=True)
class Merge:
    """Which classes become one.

    Args:
        classes: names of the new classes, by id.
        table: the new id of every old one; -1 for ids that no map may have.
    """

    classes: tuple[str, ...]
    table: Int64[np.ndarray, " old"]


def read_merge(path: Path, classes: Sequence[str]) -> Merge:
    """Reads which classes become one: a line `new: old, old, …` for each new class, by id.

    An old class is a name, or the id of none, such as 255 for places without a label. A line `*`
    stands for the classes that no line names, each as it is.

    Args:
        path: a UTF-8 text file.
        classes: names of the old classes, by id; each is named in one line, but for a line `*`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is no such line, or a class is unknown, named twice or left out.
    """
    lines = [
        (where := f"{path}: line {number}", *_read_line(line.strip(), where, classes))
        for number, line in enumerate(read_text(path).split("\n"), start=1)
        if line.strip()
    ]
    named = {index for _, _, indices in lines for index in indices}
    names: list[str] = []
    table: dict[int, int] = {}
    for where, new, old in lines:
        groups = [(new, old)]
        if new == REST:
            groups = [(name, [i]) for i, name in enumerate(classes) if i not in named]
            named |= set(range(len(classes)))  # a second one stands for none
        for name, indices in groups:
            if name in names:
                raise ValueError(f"{where}: {name!r} has a line already; put its classes together")
            for index in indices:
                if index in table:
                    again = classes[index] if index < len(classes) else str(index)
                    raise ValueError(f"{where}: {again!r} is named a second time; name it once")
                table[index] = len(names)
            names.append(name)
    missing = [name for index, name in enumerate(classes) if index not in table]
    if missing:
        raise ValueError(
            f"{path}: {first_few(missing)} in no line; name every class once, or add a line * for "
            "those that stay as they are"
        )
    check_class_names(names, str(path))
    ids = np.full(max(table) + 1, -1, np.int64)
    ids[list(table)] = list(table.values())
    return Merge(tuple(names), ids)


def _read_line(line: str, where: str, classes: Sequence[str]) -> tuple[str, list[int]]:
    """The new class in a line `new: old, old, …` and the ids of the old; REST and none of `*`."""
    name, colon, listed = (part.strip() for part in line.partition(":"))
    if line == REST:
        return REST, []
    if not colon or not listed or name in ("", REST):
        raise ValueError(
            f"{where} is {line!r}, expected NEW: OLD, OLD, … (names of classes), or * for the rest"
        )
    known = {each: index for index, each in enumerate(classes)}
    found = []
    for old in (part.strip() for part in listed.split(",")):
        if old in known:
            found.append(known[old])
        elif old.isdecimal() and len(classes) <= int(old) < MAX_CLASSES:
            found.append(int(old))
        else:
            raise ValueError(
                f"{where}: no class {old!r}; there are {', '.join(classes)}, and ids of none from "
                f"{len(classes)} on"
            )
    return name, found


def merge_corpus(
    folder: Path,
    merge: Path,
    out: Path,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Merge:
    """Writes a plain folder of photographs and label maps with fewer classes.

    Photographs keep their bytes, lists by their names (LISTS) are copied, and classes.txt names the
    new classes. Other lists and conditions of the folder are left behind.

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
    ids = partial(_merged_ids, merged)
    write_listed(
        out, WHAT, partial(write_maps, photographs, merged.classes, ids, progress), overwrite
    )
    return merged


def _merged_ids(merged: Merge, path: Path) -> Int64[np.ndarray, "H W"]:
    """Reads a map and gives it the new ids."""
    ids: Int64[np.ndarray, "H W"] = merged.table[read_labels(path, len(merged.table))]
    if ids.min() < 0:
        unknown = np.unique(read_labels(path, MAX_CLASSES)[ids < 0])
        raise ValueError(
            f"{path}: ids {', '.join(map(str, unknown[:8]))} are in no line of what is merged; add "
            "them to one"
        )
    return ids


def write_maps(
    photographs: Sequence[Photograph],
    classes: Sequence[str],
    ids: Callable[[Path], Int64[np.ndarray, "H W"]],
    progress: Callable[[int, int], None] | None,
    folder: Path,
) -> None:
    """Writes a plain folder: photographs and LISTS as they are, and maps with other ids.

    Args:
        photographs: with their maps, at least one; of one folder.
        classes: names of the ids.
        ids: returns a map's new ids.
        progress: called with the number of maps written and their total.
        folder: a new folder.

    Raises:
        ValueError: a map cannot be read, or holds what has no id; it is named.
    """
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    root = photographs[0].image.parent.parent
    for listed in (root / name for name in LISTS):
        if listed.is_file():
            shutil.copyfile(listed, folder / listed.name)
    text = "".join(f"{name}\n" for name in classes)
    (folder / "classes.txt").write_text(text, encoding="utf-8", newline="\n")
    assert np.iinfo(np.uint16).max + 1 >= MAX_CLASSES
    dtype = np.uint8 if len(classes) <= 256 else np.uint16
    for index, photograph in enumerate(photographs, start=1):
        labels = Image.fromarray(ids(photograph.condition).astype(dtype))
        labels.save(folder / "labels" / f"{photograph.image.stem}.png")
        shutil.copyfile(photograph.image, folder / "images" / photograph.image.name)
        if progress is not None:
            progress(index, len(photographs))
