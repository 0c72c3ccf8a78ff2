"""Checks of what lies in a plain folder, and of the lists in it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rabit.data.checking.findings import Finding
from rabit.data.corpus import FEWEST_PICTURES
from rabit.data.images import IMAGE_SUFFIXES, LABEL_SUFFIXES, MAX_CLASSES, read_classes
from rabit.data.layouts.find import LAYOUTS
from rabit.data.layouts.folder import LISTED, FolderCondition
from rabit.data.layouts.split import read_split
from rabit.data.listing import (
    JOINT_ENDINGS,
    PAIR_COLUMNS,
    Photograph,
    can_be_listed,
    first_few,
    read_pairs,
    stem_of,
    unlisted,
)
from rabit.data.references import read_references
from rabit.data.text import read_rows, relative_name

# What may be meant for an id in front of a name.
_NUMBER = re.compile(r"[0-9]+\s*[\s:;,.)|=-]\s*\S")
_NOUNS = {"labels": "label map", "edges": "line drawing", "pose": "file of joints"}


@dataclass(frozen=True)
class Listed:
    """What a plain folder holds.

    Args:
        photographs: those with a condition.
        singles: photographs without one.
        pairs: the photographs and maps in the rows of pairs.csv that can be used.
        rows: how many rows these are.
        classes: the names of the classes; None where they are not known.
        findings: what is wrong with the names of files and with the lists.
    """

    photographs: tuple[Photograph, ...]
    singles: tuple[Path, ...]
    pairs: tuple[Photograph, ...]
    rows: int
    classes: tuple[str, ...] | None
    findings: tuple[Finding, ...]

    @property
    def class_count(self) -> int:
        """How many ids maps may have."""
        return MAX_CLASSES if self.classes is None else len(self.classes)


def list_folder(root: Path, condition: FolderCondition) -> Listed:
    """Lists a plain folder with one of the conditions, going on after whatever is wrong."""
    findings: list[Finding] = []
    classes = _list_classes(root, findings) if condition == "labels" else None
    rows, pairs = _list_pairs(root, findings) if condition == "labels" else (0, ())
    if pairs and not (root / "images").exists():
        findings += find_too_few(root, 0)
        return Listed((), (), pairs, rows, classes, tuple(findings))
    images = _by_stem(root / "images", IMAGE_SUFFIXES, findings)
    findings += find_too_few(root / "images", len(images))
    findings += _check_split(root, images)
    _check_references(root / "references.csv", images, findings)
    if condition == "canny":
        return Listed((), tuple(images.values()), (), 0, None, tuple(findings))
    found = _conditions(root / condition, condition, images, findings)
    matched = tuple(Photograph(images[stem], found[stem]) for stem in images if stem in found)
    singles = tuple(images[stem] for stem in images if stem not in found)
    return Listed(matched, singles, pairs, rows, classes, tuple(findings))


def find_nested(root: Path) -> Finding | None:
    """Says where the corpus is if it lies one folder deeper than a folder in no known layout."""
    try:
        folders = [inner for inner in sorted(root.iterdir()) if inner.is_dir()]
        readable = [inner for inner in folders if os.access(inner, os.R_OK | os.X_OK)]
        fits = [layout.fits for layout in LAYOUTS.values()]
        deeper = [str(inner) for inner in readable if any(fit(inner) for fit in fits)]
    except OSError:
        return None
    if not deeper:
        return None
    text = f"{root}: the corpus lies one folder deeper; give {first_few(deeper)}"
    return Finding("nested", (root,), text)


def find_too_few(folder: Path, count: int) -> list[Finding]:
    """Says that photographs are too few, if they are."""
    if count >= FEWEST_PICTURES:
        return []
    text = (
        f"{folder}: {count} photograph{'s' * (count != 1)} to train on, but training needs "
        f"{FEWEST_PICTURES} or more: one is held out, and two are each other's exemplar"
    )
    return [Finding("too-few", (folder,), text)]


def find_few_that_train(root: Path, train: Sequence[int]) -> list[Finding]:
    """Says that a layout leaves too few photographs to train on, if it does."""
    if len(train) > 1:
        return []
    text = (
        f"{root}: the layout has {len(train)} photograph to train on and holds the others out, but "
        "training needs 2 or more; move some to the side that trains"
    )
    return [Finding("too-few", (root,), text)]


def find_rowless(path: Path, names: list[str]) -> list[Finding]:
    """Says that a list of references has no row for some pictures, if there are any."""
    if not names:
        return []
    text = (
        f"{path}: no row for {first_few(names)}; write the list anew with rabit data pairs FOLDER "
        "--overwrite, or remove the file to have references computed from the conditions"
    )
    return [Finding("bad-references", (path,), text)]


def _list_classes(root: Path, findings: list[Finding]) -> tuple[str, ...] | None:
    path = root / "classes.txt"
    try:
        names = read_classes(path)
        findings += _numbered(path, names)
        return names
    except FileNotFoundError:
        text = f"{path}: no such file; write the names of the classes into it, one a line, by id"
    except (OSError, ValueError) as error:
        text = str(error)
    findings.append(Finding("bad-classes", (path,), text))
    return None


def _numbered(path: Path, names: Sequence[str]) -> list[Finding]:
    """Warns of names that begin with numbers which `read_classes` has not taken for ids."""
    found = [(i, name) for i, name in enumerate(names) if _NUMBER.match(name)]
    if 2 * len(found) <= len(names):
        return []
    index, name = found[-1]
    text = (
        f"{path}: most lines begin with a number, but they are not read as ids: {name!r} is the "
        f"name of id {index}; lines count from 0, so write the names alone, or the id before the "
        "name in every line (0 background) and no heading"
    )
    return [Finding("numbered-classes", (path,), text)]


def _by_stem(
    folder: Path, suffixes: frozenset[str], findings: list[Finding], lossless: bool = False
) -> dict[str, Path]:
    """The files of a folder by stem, in order; what else lies there becomes findings."""
    if not folder.is_dir():
        text = f"{folder}: no such folder; a corpus has it beside its other files"
        findings.append(Finding("missing-folder", (folder,), text))
        return {}
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.name.startswith("."):
            continue
        if not file.is_file() or file.suffix.lower() not in suffixes:
            if not (lossless and file.is_file() and file.suffix.lower() in IMAGE_SUFFIXES):
                findings.append(_stray(file, suffixes))
        elif not can_be_listed(file.name):
            findings.append(Finding("bad-name", (folder,), f"{folder}: {unlisted(file.name)}"))
        elif (stem := stem_of(file.name)) in files:
            other = files[stem]
            text = (
                f"{file}: has the stem of {other.name}, but stems tell which condition belongs to "
                "which photograph; rename or remove one of them"
            )
            findings.append(Finding("same-stem", (file, other), text))
        else:
            files[stem] = file
    return files


def _stray(file: Path, suffixes: frozenset[str]) -> Finding:
    if file.is_dir():
        text = f"{file}: a folder, whose files are not read; move them up to {file.parent}"
    elif not file.is_file():
        text = f"{file}: neither a file nor a folder, and not read; put a file in its place"
    else:
        text = f"{file}: not read, since it ends in none of {', '.join(sorted(suffixes))}"
    return Finding("stray", (file,), text)


def _conditions(
    folder: Path, condition: FolderCondition, images: dict[str, Path], findings: list[Finding]
) -> dict[str, Path]:
    """The files of the conditions by stem; those without a photograph are findings, as are
    photographs without one.
    """
    noun = _NOUNS[condition]
    if not folder.is_dir():
        found = _by_stem(folder, frozenset(), findings)
    elif condition == "pose":
        found = _joints(folder)
    else:
        lossless = condition == "labels"
        suffixes = LABEL_SUFFIXES if lossless else IMAGE_SUFFIXES
        found = _by_stem(folder, suffixes, findings, lossless)
    for stem in found:
        if stem not in images:
            text = (
                f"{found[stem]}: no photograph of this name; add it to images/, or remove the "
                f"{noun}"
            )
            findings.append(Finding("no-photograph", (found[stem],), text))
    if folder.is_dir():
        others = _others(folder, found) if condition != "pose" else {}
        for stem in images:
            if stem not in found:
                findings.append(_alone(images[stem], folder, condition, others.get(stem)))
    return found


def _joints(folder: Path) -> dict[str, Path]:
    """As `list_joints`, with the files that lack their second one."""
    found: dict[str, Path] = {}
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    for ending in reversed(JOINT_ENDINGS):
        for file in files:
            if file.name.endswith(ending) and not file.name.startswith("."):
                stem = file.name.removesuffix(ending)
                if ending == ".json" and f"{stem}.json".endswith(JOINT_ENDINGS[1]):
                    continue
                found[stem] = file
    return found


def _others(folder: Path, found: dict[str, Path]) -> dict[str, Path]:
    """Pictures in formats that maps cannot have, where there is no map of the stem."""
    return {
        file.stem: file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file() and file.stem not in found
    }


def _alone(image: Path, folder: Path, condition: FolderCondition, other: Path | None) -> Finding:
    """Says that a photograph has no condition, or one in a wrong format."""
    if other is not None:
        text = (
            f"{other}: a label map saved as {other.suffix[1:].upper()}, which may change ids; save "
            "it anew as PNG with one 8-bit channel, from the original ids, or turn a map of "
            "colours into ids with rabit data colours --nearest"
        )
        return Finding("lossy-map", (other,), text)
    if condition == "pose":
        wanted = " or ".join(f"{image.stem}{ending}" for ending in JOINT_ENDINGS)
        kind = "no-joints"
    else:
        wanted, kind = f"{image.stem}.png", "no-map"
    text = f"{image}: no {_NOUNS[condition]}; add {wanted} to {folder}, or remove the photograph"
    return Finding(kind, (image,), text)


def _check_split(root: Path, images: dict[str, Path]) -> list[Finding]:
    """Finds what is wrong with train.txt and val.txt."""
    try:
        split = read_split(root, [image.name for image in images.values()], LISTED)
    except (OSError, ValueError) as error:
        return [Finding("bad-split", (root,), str(error))]
    return [] if split is None else find_few_that_train(root, split.train)


def _check_references(path: Path, images: dict[str, Path], findings: list[Finding]) -> None:
    """Finds rows of references.csv that name no photograph, and photographs without a row."""
    if not path.exists():
        return
    names = [image.name for image in images.values()]
    texts = _bad_references(path, {*names, *images})
    try:
        listed = read_references(path, names, partial=bool(texts))
    except (OSError, ValueError) as error:
        texts += [str(error)] if str(error) not in texts else []
    else:
        findings += find_rowless(path, [name for i, name in enumerate(names) if i not in listed])
    findings += [Finding("bad-references", (path,), text) for text in texts]


def _bad_references(path: Path, known: set[str]) -> list[str]:
    """Says for every row of references.csv what in it is no photograph."""
    texts = []
    try:
        for number, row in enumerate(read_rows(path)):
            if number == 0 and row.cells[0].lower() == "key":
                continue
            if len(row.cells) < 2:
                texts.append(f"{row.where}: {row.cells[0]!r} has no reference; expected key,ref1,…")
            absent = [cell for cell in row.cells if not _inside(cell, known)]
            if absent:
                texts.append(
                    f"{row.where}: there is no image {', '.join(map(repr, absent))}; correct or "
                    "remove the names, or write the list anew with rabit data pairs FOLDER "
                    "--overwrite"
                )
    except (OSError, ValueError) as error:
        texts.append(str(error))
    return texts


def _inside(cell: str, known: set[str]) -> bool:
    try:
        return relative_name(cell, "") in known
    except ValueError:
        return False


def _list_pairs(root: Path, findings: list[Finding]) -> tuple[int, tuple[Photograph, ...]]:
    """The rows of pairs.csv that can be used: how many, and their pictures, each once."""
    path = root / "pairs.csv"
    if not path.exists():
        return 0, ()
    try:
        pairs = read_pairs(root)
    except (OSError, ValueError) as error:
        texts = _bad_rows(root) or [str(error)]
        findings.extend(Finding("bad-pairs", (path,), text) for text in texts)
        return 0, ()
    pictures = [picture for pair in pairs for picture in (pair.truth, pair.exemplar)]
    return len(pairs), tuple(dict.fromkeys(pictures))


def _bad_rows(root: Path) -> list[str]:
    """Says for every row of pairs.csv which of its files are missing."""
    texts = []
    try:
        header, *rows = read_rows(root / "pairs.csv")
        columns = [cell.lower() for cell in header.cells]
        for row in rows:
            for column, cell in zip(columns, row.cells, strict=False):
                if column in PAIR_COLUMNS and not (root / relative_name(cell, row.where)).is_file():
                    texts.append(
                        f"{row.where}: {column} {cell} is no file in {root}; correct the name or "
                        "remove the row"
                    )
    except (OSError, ValueError) as error:
        texts.append(str(error))
    return texts
