"""What folders of a corpus hold: which condition belongs to which photograph."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path, PurePosixPath

from rabit.data.images import IMAGE_SUFFIXES, LABEL_SUFFIXES
from rabit.data.source import ReferenceList, Split
from rabit.data.text import read_rows, relative_name, require_file

PAIR_COLUMNS = ("condition", "exemplar", "exemplar_condition", "truth")

JOINT_ENDINGS = ("_candidate.txt", "_keypoints.json", ".json")
"""What the names of files of joints end in after the photograph's stem, the preferred first."""


@dataclass(frozen=True)
class Photograph:
    """A photograph and the file of its condition: two files of one stem, or two cells of a row."""

    image: Path
    condition: Path


@dataclass(frozen=True)
class Pair:
    """A test item with a ground truth: what is wanted, and the exemplar that shows its look.

    Args:
        truth: the condition's label map and the photograph that a perfect translation gives.
        exemplar: the exemplar and its label map.
    """

    truth: Photograph
    exemplar: Photograph


def stem_of(name: str) -> str:
    """Returns a file's name without its ending, as one spelling of Unicode.

    Some systems write an accented letter as one character and others as two; photographs and maps
    from both belong together.
    """
    return unicodedata.normalize("NFC", os.path.splitext(name)[0])


def can_be_listed(name: str) -> bool:
    """Whether a file's name can stand in a row of a text file: it is UTF-8 and without breaks."""
    return len(name.splitlines()) == 1 and name.encode("utf-8", "ignore").decode("utf-8") == name


def unlisted(name: str) -> str:
    """Says what is wrong with a name that cannot be listed, and what to do."""
    return (
        f"the name {name!r} is no UTF-8, or has a line break, so that no list of pictures can have "
        "it; rename the file"
    )


def list_files(folder: Path, suffixes: frozenset[str]) -> dict[str, Path]:
    """Finds the files of a folder by their stems.

    Hidden files and files of other endings are left out.

    Args:
        folder: the folder; it alone is listed, not the folders in it.
        suffixes: the endings to find, in lower case, with the dot; case does not matter.

    Returns:
        The files by stem, in the order of their names.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: two of the files have one stem, or a name cannot be written into lists.
    """
    files: dict[str, Path] = {}
    for name in _file_names(folder):
        if os.path.splitext(name)[1].lower() not in suffixes:
            continue
        if not can_be_listed(name):
            raise ValueError(f"{folder}: {unlisted(name)}")
        stem = stem_of(name)
        if stem in files:
            raise ValueError(
                f"{folder}: {files[stem].name} and {name} have one stem; rename one "
                "of them, since stems tell which map belongs to which image"
            )
        files[stem] = folder / name
    return files


def list_joints(folder: Path) -> dict[str, Path]:
    """Finds the files of joints in a folder by the stems of their photographs.

    Args:
        folder: with `stem_candidate.txt` (and `stem_subset.txt`), `stem_keypoints.json` or
            `stem.json`; where a stem has several, the first of these is taken.

    Returns:
        The files by stem, in the order of the stems.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: there is a `stem_candidate.txt` without its `stem_subset.txt`.
    """
    names = _file_names(folder)
    there = set(names)
    alone = [
        name
        for name in names
        if name.endswith(JOINT_ENDINGS[0])
        and f"{name.removesuffix(JOINT_ENDINGS[0])}_subset.txt" not in there
    ]
    if alone:
        raise ValueError(
            f"{folder}: {first_few(alone)} without the _subset.txt of the same photograph, which "
            "says who has which joints; add it, or remove the file"
        )
    found: dict[str, tuple[int, Path]] = {}
    for name in names:
        for rank, ending in enumerate(JOINT_ENDINGS):
            if name.endswith(ending):
                stem = unicodedata.normalize("NFC", name.removesuffix(ending))
                found[stem] = min(found.get(stem, (rank, folder / name)), (rank, folder / name))
                break
    return {stem: found[stem][1] for stem in sorted(found)}


def match_maps(
    images: Path,
    maps: Path,
    image_suffixes: frozenset[str] = IMAGE_SUFFIXES,
    map_suffixes: frozenset[str] = LABEL_SUFFIXES,
    noun: str = "label map",
) -> tuple[Photograph, ...]:
    """Finds the photographs of a folder with the maps of the same stem in another, or the same.

    Args:
        images: folder of the photographs.
        maps: folder of the maps.
        image_suffixes: endings of photographs, see `list_files`.
        map_suffixes: endings of maps.
        noun: what a map is, for errors.

    Returns:
        The photographs, in the order of their stems.

    Raises:
        FileNotFoundError: one of the two folders is missing.
        ValueError: there is no photograph, or photographs and maps do not match one to one.
    """
    wanted = f"a {noun} of the same name ending in {_spell(map_suffixes)}"
    photographs = list_images(images, image_suffixes)
    return match(photographs, images, list_files(maps, map_suffixes), maps, f"a {noun}", wanted)


def list_images(folder: Path, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> dict[str, Path]:
    """Finds the photographs of a folder, at least one, as `list_files`.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: there is no photograph in it, or two have one stem.
    """
    images = list_files(folder, suffixes)
    if not images:
        raise ValueError(f"{folder}: no images; expected {_spell(suffixes)} files")
    return images


def match(
    images: Mapping[str, Path],
    image_folder: Path,
    conditions: Mapping[str, Path],
    condition_folder: Path,
    noun: str,
    wanted: str,
) -> tuple[Photograph, ...]:
    """Puts photographs and conditions of the same stems together.

    Args:
        images: the photographs by stem.
        image_folder: where they lie, for errors.
        conditions: the files of the conditions by stem.
        condition_folder: where they lie, for errors.
        noun: what a condition is, with its article, for errors.
        wanted: the file to add where a condition is missing, for errors.

    Returns:
        The photographs, in the order of their stems.

    Raises:
        ValueError: they do not match one to one; the first files without a partner are named.
    """
    without_condition = [images[stem].name for stem in images if stem not in conditions]
    without_image = [conditions[stem].name for stem in conditions if stem not in images]
    if without_condition:
        longer = _longer_stem(without_condition[0], without_image)
        if longer:
            wanted = f"{wanted} (rename {longer}, if that is it)"
        raise ValueError(
            f"{image_folder}: {first_few(without_condition)} without {noun}; add {wanted} to "
            f"{condition_folder}, or remove the image"
        )
    if without_image:
        raise ValueError(
            f"{condition_folder}: {first_few(without_image)} without an image; add an image of the "
            f"same name to {image_folder}, or remove {noun.replace('a ', 'the ', 1)}"
        )
    return tuple(Photograph(images[stem], conditions[stem]) for stem in sorted(images))


def _longer_stem(image: str, conditions: Sequence[str]) -> str:
    """A condition whose name begins with an image's, as 1_mask.png with 1.jpg; empty if none."""
    stem = PurePosixPath(image).stem
    return next((name for name in conditions if name.startswith((f"{stem}_", f"{stem}-"))), "")


def join_split(
    training: Sequence[Photograph], testing: Sequence[Photograph]
) -> tuple[tuple[Photograph, ...], Split | None]:
    """Joins the photographs of two folders, one to train on and one to test with.

    Args:
        training: of the one folder, or none.
        testing: of the other, or none.

    Returns:
        All, in the order of their file names, and which of them train; None where there is only
        one of the folders, which then says nothing about who trains and who tests.

    Raises:
        ValueError: a name stands in both.
    """
    both = sorted({p.image.name for p in training} & {p.image.name for p in testing})
    if both:
        raise ValueError(
            f"{testing[0].image.parent}: {first_few(both)} in {training[0].image.parent} as well; "
            "no image may both train and test, remove one of the two"
        )
    photographs = tuple(sorted([*training, *testing], key=attrgetter("image.name")))
    if not training or not testing:
        return photographs, None
    held = set(testing)
    sides: tuple[list[int], list[int]] = ([], [])
    for index, photograph in enumerate(photographs):
        sides[photograph in held].append(index)
    return photographs, Split(train=tuple(sides[0]), test=tuple(sides[1]))


def find_references(root: Path, stems: Sequence[str], train: bool) -> ReferenceList | None:
    """Finds a corpus' public list of references, in its folder or beside it.

    Args:
        root: the corpus' folder.
        stems: of the list's file name, the preferred first; for testing `_test` follows.
        train: whether for training or for testing.

    Returns:
        The list, of whose rows those for pictures that are not there are passed over; None where
        there is no such file.
    """
    ending = ".txt" if train else "_test.txt"
    for stem in stems:
        for folder in (root, Path(os.path.abspath(root)).parent):
            if (folder / f"{stem}{ending}").is_file():
                return ReferenceList(folder / f"{stem}{ending}", partial=True)
    return None


def read_pairs(root: Path) -> tuple[Pair, ...]:
    """Reads root/pairs.csv: the columns condition, exemplar, exemplar_condition, truth.

    The cells are file names relative to the folder; the order of the columns is free, and further
    columns are left out.

    Args:
        root: the folder.

    Returns:
        The pairs, in the order of the rows.

    Raises:
        FileNotFoundError: there is no pairs.csv, or no file of a name in it.
        ValueError: the file is no such list, or a name leads out of the folder.
    """
    path = root / "pairs.csv"
    rows = read_rows(path)
    header = next(rows, None)
    columns = tuple(cell.lower() for cell in header.cells) if header else ()
    absent = [name for name in PAIR_COLUMNS if columns.count(name) != 1]
    if absent:
        raise ValueError(
            f"{path}: the first row has not once each of the columns {', '.join(absent)}; expected "
            f"{','.join(PAIR_COLUMNS)}"
        )
    pairs = []
    for row in rows:
        files = {}
        for name, cell in zip(columns, row.cells, strict=False):
            if name in PAIR_COLUMNS:
                files[name] = root / relative_name(cell, f"{row.where}: {name}")
                require_file(files[name], f"file named in {row.where}")
        empty = [name for name in PAIR_COLUMNS if name not in files]
        if empty:
            raise ValueError(f"{row.where}: no {', '.join(empty)}; fill all four columns")
        pairs.append(
            Pair(
                truth=Photograph(files["truth"], files["condition"]),
                exemplar=Photograph(files["exemplar"], files["exemplar_condition"]),
            )
        )
    if not pairs:
        raise ValueError(f"{path}: no rows below the header; add pairs or remove the file")
    return tuple(pairs)


def first_few(names: list[str], count: int = 3) -> str:
    """Spells the first few of many names, and says how many there are."""
    listed = ", ".join(names[:count])
    return listed if len(names) <= count else f"{listed}, … ({len(names)} files)"


def _file_names(folder: Path) -> list[str]:
    """Names of the files in a folder, in order, without hidden ones.

    A listing tells files from folders by itself: no file is asked for anything of its own, which
    would take seconds for a large corpus on a network drive.
    """
    if not folder.is_dir():
        alike = [p.name for p in folder.parent.glob("*") if p.name.lower() == folder.name.lower()]
        advice = f"rename {alike[0]}/ there" if alike else "check the corpus' path and its folders"
        raise FileNotFoundError(f"{folder}: no such folder; {advice}")
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_file())


def _spell(suffixes: frozenset[str]) -> str:
    return ", ".join(sorted(suffixes))
