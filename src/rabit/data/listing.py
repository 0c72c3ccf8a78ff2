"""What a folder of images and label maps holds: which map belongs to which image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rabit.data.images import IMAGE_SUFFIXES, LABEL_SUFFIXES
from rabit.data.text import read_rows, relative_name, require_file

PAIR_COLUMNS = ("condition", "exemplar", "exemplar_condition", "truth")


@dataclass(frozen=True)
class Photograph:
    """A photograph and its label map: two files of one stem, or two cells of a row."""

    image: Path
    labels: Path


@dataclass(frozen=True)
class Pair:
    """A test item with a ground truth: what is wanted, and the exemplar that shows its look.

    Args:
        truth: the condition's label map and the photograph that a perfect translation gives.
        exemplar: the exemplar and its label map.
    """

    truth: Photograph
    exemplar: Photograph


def list_photographs(root: Path) -> tuple[Photograph, ...]:
    """Finds the photographs in root/images with the label maps of the same stem in root/labels.

    Hidden files and files that are no images by their ending are left out.

    Args:
        root: the folder.

    Returns:
        The photographs, in the order of their names.

    Raises:
        FileNotFoundError: one of the two folders is missing.
        ValueError: there is no image, or images and maps do not match one to one.
    """
    images = _by_stem(root / "images", IMAGE_SUFFIXES)
    maps = _by_stem(root / "labels", LABEL_SUFFIXES)
    if not images:
        raise ValueError(f"{root / 'images'}: no images; expected {_spell(IMAGE_SUFFIXES)} files")
    without_map = [images[stem].name for stem in images if stem not in maps]
    without_image = [maps[stem].name for stem in maps if stem not in images]
    if without_map:
        raise ValueError(
            f"{root / 'images'}: {first_few(without_map)} without a label map; add a map of the "
            f"same name ending in {_spell(LABEL_SUFFIXES)} to {root / 'labels'}, or remove the "
            "image"
        )
    if without_image:
        raise ValueError(
            f"{root / 'labels'}: {first_few(without_image)} without an image; add an image of the "
            f"same name to {root / 'images'}, or remove the map"
        )
    return tuple(Photograph(images[stem], maps[stem]) for stem in sorted(images))


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


def _by_stem(folder: Path, suffixes: frozenset[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder}: no such folder; a corpus has images/, labels/ and classes.txt"
        )
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.name.startswith(".") or file.suffix.lower() not in suffixes or not file.is_file():
            continue
        if file.stem in files:
            raise ValueError(
                f"{folder}: {files[file.stem].name} and {file.name} have one stem; rename one "
                "of them, since stems tell which map belongs to which image"
            )
        files[file.stem] = file
    return files


def _spell(suffixes: frozenset[str]) -> str:
    return ", ".join(sorted(suffixes))
