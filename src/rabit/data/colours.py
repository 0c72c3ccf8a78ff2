"""Coloured label maps, as many corpora have them, written anew as maps of class ids."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from rabit.data.decoding import decode_file, rgb_pixels
from rabit.data.images import IMAGE_SUFFIXES, check_class_names
from rabit.data.listing import match_maps
from rabit.data.manifest import write_listed
from rabit.data.merge import write_maps
from rabit.data.text import read_text

WHAT = "maps whose colours became ids"
_COLOUR = re.compile(r"#([0-9a-f]{6})|([0-9]{1,3}) +([0-9]{1,3}) +([0-9]{1,3})", re.I)
# Distances of colours that are held at once.
_AT_ONCE = 2**20


@dataclass(frozen=True)
class Colours:
    """Which colour is which class.

    Args:
        classes: their names, by id.
        packed: each colour as 65536 red + 256 green + blue, in ascending order.
        ids: the class of each colour.
    """

    classes: tuple[str, ...]
    packed: Int64[np.ndarray, " K"]
    ids: Int64[np.ndarray, " K"]


def read_colours(path: Path) -> Colours:
    """Reads which colour is which class: a line `name: colour, colour, …` for each class, by id.

    Args:
        path: a UTF-8 text file. A colour is #rrggbb, or red, green and blue from 0 to 255.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is no such line, or a class or colour has one already.
    """
    names: list[str] = []
    ids: dict[int, int] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        name, colon, listed = (part.strip() for part in line.partition(":"))
        if not colon or not name or not listed:
            raise ValueError(f"{where} is {line!r}, expected NAME: COLOUR, COLOUR, …")
        if name in names:
            raise ValueError(f"{where}: {name!r} has a line already; put its colours together")
        for text in (part.strip() for part in listed.split(",")):
            colour = _packed(text, where)
            if colour in ids:
                owner = [*names, name][ids[colour]]
                raise ValueError(f"{where}: {text} is the colour of {owner!r} already")
            ids[colour] = len(names)
        names.append(name)
    check_class_names(names, str(path))
    packed = np.array(sorted(ids), np.int64)
    return Colours(tuple(names), packed, np.array([ids[int(each)] for each in packed], np.int64))


def _packed(text: str, where: str) -> int:
    found = _COLOUR.fullmatch(text)
    if found is not None and found[1]:
        return int(found[1], 16)
    parts = [] if found is None else [int(part) for part in found.groups()[1:]]
    if not parts or max(parts) > 255:
        raise ValueError(
            f"{where}: {text!r} is no colour; expected #rrggbb, or red, green and blue from 0 to "
            "255 as in 128 64 128"
        )
    return (parts[0] << 16) + (parts[1] << 8) + parts[2]


def read_coloured_map(
    path: Path, colours: Colours, nearest: bool = False
) -> Int64[np.ndarray, "H W"]:
    """Reads a coloured map.

    Args:
        path: the picture.
        colours: which is which class.
        nearest: whether a pixel of another colour gets the class of the nearest one, as it takes
            for maps that were saved as JPEG.

    Returns:
        (H, W) class ids.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, or has a colour that is no class.
    """
    decoded = decode_file(path, "label map")
    if decoded.image.mode.startswith(("I", "F")):
        raise ValueError(
            f"{path}: a picture of mode {decoded.image.mode}, with numbers instead of colours; if "
            "they are class ids the map is one already"
        )
    pixels = rgb_pixels(decoded, str(path)).astype(np.int64)
    found, places = np.unique(pixels @ np.array([65536, 256, 1]), return_inverse=True)
    index = np.searchsorted(colours.packed, found).clip(max=len(colours.packed) - 1)
    other = colours.packed[index] != found
    if other.any() and not nearest:
        counts = np.bincount(places.ravel(), minlength=len(found)) * other
        worst = np.argsort(-counts, kind="stable")[: min(4, int(other.sum()))]
        listed = ", ".join(f"#{int(found[i]):06x}" for i in worst)
        raise ValueError(
            f"{path}: {counts.sum() / places.size:.2%} of the pixels have colours of no class, "
            f"most often {listed}; list them, or take the nearest colours (--nearest)"
        )
    if other.any():
        index[other] = _nearest(found[other], colours.packed)
    ids: Int64[np.ndarray, "H W"] = colours.ids[index][places].reshape(pixels.shape[:2])
    return ids


def _nearest(
    found: Int64[np.ndarray, " n"], known: Int64[np.ndarray, " K"]
) -> Int64[np.ndarray, " n"]:
    """The place of the known colour nearest to each one found, by red, green and blue."""

    def parts(packed: Int64[np.ndarray, " m"]) -> Int64[np.ndarray, "m 3"]:
        return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1)

    step = max(1, _AT_ONCE // len(known))
    pieces = (parts(found[start : start + step]) for start in range(0, len(found), step))
    squares = (((piece[:, None] - parts(known)) ** 2).sum(axis=2) for piece in pieces)
    return np.concatenate([each.argmin(axis=1) for each in squares])


def number_colours(
    folder: Path,
    colours: Path,
    out: Path,
    nearest: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Colours:
    """Writes a plain folder of photographs and label maps from one with coloured maps.

    Photographs keep their bytes, and lists by their names (`merge.LISTS`) are copied.

    Args:
        folder: with images/ and labels/, pictures of the same names.
        colours: the file that `read_colours` reads.
        out: the folder to write, empty or missing unless `overwrite`.
        nearest: see `read_coloured_map`.
        overwrite: whether to replace what an earlier call wrote there.
        progress: called with the number of maps written and their total.

    Returns:
        Which colour was which class.

    Raises:
        FileNotFoundError: a file or folder is missing.
        ValueError: the folder or the file is not as described; it is named.
        OSError: the folder cannot be written; it is named.
    """
    known = read_colours(colours)
    photographs = match_maps(
        folder / "images", folder / "labels", map_suffixes=IMAGE_SUFFIXES, noun="coloured map"
    )
    ids = partial(read_coloured_map, colours=known, nearest=nearest)
    write_listed(
        out, WHAT, partial(write_maps, photographs, known.classes, ids, progress), overwrite
    )
    return known
