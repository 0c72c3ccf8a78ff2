"""What the layouts of CelebA-HQ share: numbered photographs, masks of parts, and splits."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from rabit.data.decoding import decode_file, id_pixels
from rabit.data.faces import FACE_CLASSES
from rabit.data.listing import first_few
from rabit.data.source import Split
from rabit.data.text import read_text

PHOTOGRAPHS = "CelebA-HQ-img"
ANNOTATIONS = "CelebAMask-HQ-mask-anno"

# How many numbers share a folder of part masks.
_FOLDER = 2000
# Names of parts in file names, where they are not those of FACE_CLASSES.
_ON_DISK = {"glasses": "eye_g", "earring": "ear_r", "necklace": "neck_l"}
_NUMBER = re.compile(r"[0-9]{1,9}")
_PARTS = "|".join(_ON_DISK.get(name, name) for name in FACE_CLASSES[1:])
_MASK = re.compile(rf"([0-9]{{5,9}})_(?:{_PARTS})\.png")


def list_numbered(folder: Path, suffixes: frozenset[str]) -> dict[str, int]:
    """Lists the photographs of a folder, which have numbers for names.

    Hidden files and files with other endings are left out.

    Args:
        folder: where they lie.
        suffixes: of photographs, in lower case.

    Returns:
        The number of each by its file name, in the order of the names.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: there is no photograph, one has no number for a name, or two have the same.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected one of numbered photographs")
    numbers: dict[str, int] = {}
    taken: dict[int, str] = {}
    for name in sorted(os.listdir(folder)):
        stem, suffix = os.path.splitext(name)
        if name.startswith(".") or suffix.lower() not in suffixes:
            continue
        if not _NUMBER.fullmatch(stem):
            raise ValueError(
                f"{folder / name}: not a number; photographs here are called 0{suffix}, "
                f"1{suffix}, …: rename or remove it"
            )
        number = int(stem)
        if number in taken:
            raise ValueError(
                f"{folder}: {taken[number]} and {name} have one number; remove one of them"
            )
        taken[number] = name
        numbers[name] = number
    if not numbers:
        raise ValueError(f"{folder}: no numbered photographs; expected files such as 0.jpg")
    return numbers


def part_path(annotations: Path, number: int, name: str) -> Path:
    """Returns where the mask of a part of FACE_CLASSES lies, if the face has that part."""
    folder = annotations / str(number // _FOLDER)
    return folder / f"{number:05d}_{_ON_DISK.get(name, name)}.png"


def part_paths(annotations: Path, number: int) -> dict[str, Path]:
    """Returns the masks that a face has, by the name of the part, in the order of the ids.

    Raises:
        FileNotFoundError: it has none.
    """
    paths = {name: part_path(annotations, number, name) for name in FACE_CLASSES[1:]}
    there = {name: path for name, path in paths.items() if path.exists()}
    if not there:
        raise FileNotFoundError(
            f"{paths['skin']}: no such file, nor a mask of any other part; add the masks"
        )
    return there


def require_parts(annotations: Path, photographs: Iterable[tuple[str, int]]) -> None:
    """Checks that each photograph has a part mask.

    Args:
        annotations: the folder of the masks' folders 0, 1, ….
        photographs: names and numbers.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: photographs without any mask; the first are named.
    """
    if not annotations.is_dir():
        raise FileNotFoundError(f"{annotations}: no such folder; expected the parts' masks in it")
    there: dict[int, set[int]] = {}
    bare = []
    for name, number in photographs:
        folder = number // _FOLDER
        if folder not in there:
            there[folder] = _numbers_with_masks(annotations / str(folder))
        if number not in there[folder]:
            bare.append(name)
    if bare:
        raise ValueError(
            f"{annotations}: no masks of {first_few(bare)}; add them, as for 123.jpg "
            "0/00123_skin.png, or remove the photograph"
        )


def _numbers_with_masks(folder: Path) -> set[int]:
    """Numbers of the faces with a mask in a folder; none where there is no such folder."""
    if not folder.is_dir():
        return set()
    return {int(match[1]) for name in os.listdir(folder) if (match := _MASK.fullmatch(name))}


def read_mask(path: Path) -> Bool[np.ndarray, "H W"]:
    """Reads the mask of a part: true where a pixel is above half of the brightest.

    So 0 and 255, 0 and 1, and masks with smoothed borders are read alike; all 0 is no part.

    Args:
        path: grey, RGB of equal channels, palette or of 1 bit.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no mask.
    """
    values = id_pixels(decode_file(path, "mask of a part"), str(path))
    return values > values.max() // 2


def read_parts(paths: dict[str, Path]) -> Int64[np.ndarray, "H W"]:
    """Reads the masks of a face.

    Args:
        paths: of at least one mask, by the name of the part.

    Returns:
        (H, W), bit i set where the pixel is in the part of id i of FACE_CLASSES.

    Raises:
        ValueError: a file is no mask, or of another size than the first; it is named.
    """
    masks = {name: read_mask(path) for name, path in paths.items()}
    first = next(iter(paths))
    parts = np.zeros(masks[first].shape, dtype=np.int64)
    for name, mask in masks.items():
        require_shape(mask, paths[name], parts, paths[first])
        np.bitwise_or(parts, 1 << FACE_CLASSES.index(name), out=parts, where=mask)
    return parts


def require_shape(mask: np.ndarray, path: Path, other: np.ndarray, beside: Path) -> None:
    """Checks that a mask has the size of another file of the same face.

    Raises:
        ValueError: it has not; both files are named.
    """
    if mask.shape != other.shape:
        raise ValueError(
            f"{path} is {mask.shape[1]}×{mask.shape[0]} pixels, {beside.name} beside it "
            f"{other.shape[1]}×{other.shape[0]}; make all masks of a face the same size"
        )


def read_split(root: Path, numbers: Sequence[int]) -> Split | None:
    """Reads train.txt and val.txt: one number a line.

    Where there is one of them only, the other side is everything else. Numbers of photographs that
    are not there are passed over, as in a part of the corpus.

    Args:
        root: the corpus' folder.
        numbers: of the photographs, in their order.

    Returns:
        The split, None where there is neither file.

    Raises:
        ValueError: a file is no such list or names no photograph that is there, or the two share a
            photograph.
    """
    files = (root / "train.txt", root / "val.txt")
    index = {number: i for i, number in enumerate(numbers)}
    train, test = (_read_numbers(path, index) if path.exists() else None for path in files)
    if train is None and test is None:
        return None
    everything = set(index.values())
    if train is None:
        train = everything - (test or set())
    elif test is None:
        test = everything - train
    elif train & test:
        shared = sorted(str(numbers[i]) for i in train & test)
        raise ValueError(
            f"{files[1]}: {first_few(shared)} also in train.txt; what is trained on cannot test"
        )
    return Split(train=tuple(sorted(train)), test=tuple(sorted(test or ())))


def _read_numbers(path: Path, index: dict[int, int]) -> set[int]:
    """Indices of the photographs that a file lists."""
    found = set()
    for line, text in enumerate(read_text(path).split("\n"), start=1):
        stem = os.path.splitext(text.strip())[0]
        if not stem:
            continue
        if not _NUMBER.fullmatch(stem):
            raise ValueError(
                f"{path}: line {line} is {text.strip()!r}, expected a photograph's number"
            )
        if int(stem) in index:
            found.add(index[int(stem)])
    if not found:
        raise ValueError(
            f"{path}: none of its photographs is there; correct the list or remove the file"
        )
    return found
