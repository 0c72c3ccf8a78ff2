"""Coloured label maps, as many corpora have them, written anew as maps of class ids."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from PIL import Image

from rabit.data.decoding import decode_file, rgb_pixels
from rabit.data.images import IMAGE_SUFFIXES, check_class_names
from rabit.data.listing import match_maps
from rabit.data.manifest import write_listed
from rabit.data.merge import write_maps
from rabit.data.text import read_text

WHAT = "maps whose colours became ids"
FAR = 48
"""Colours that differ by more levels of 255 in a channel are hardly one."""

MANY = 0.01
"""The share of a map's pixels whose colours may be far from those of all classes."""

_COLOUR = re.compile(r"#([0-9a-f]{6})|([0-9]{1,3}) +([0-9]{1,3}) +([0-9]{1,3})", re.I)
# A line of CVAT's labelmap.txt: name:red,green,blue:parts:actions.
_LABELMAP = re.compile(r"(.+?):\s*([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3})\s*:[^:]*:[^:]*")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
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


@dataclass(frozen=True)
class Strays:
    """How far the colours of a map are from those of the classes.

    Args:
        path: of the map.
        pixels: how many it has.
        other: how many of them have a colour of no class.
        far: how many of them have one that differs by more than FAR.
        levels: how much the farthest colour differs from its nearest, in one channel; 0 to 255.
        farthest: that colour, as 65536 red + 256 green + blue.
        nearest: the name of the class with the nearest colour to it.
    """

    path: Path
    pixels: int
    other: int
    far: int
    levels: int
    farthest: int
    nearest: str

    @property
    def many(self) -> bool:
        """Whether more than the share MANY of the pixels are far."""
        return self.far > MANY * self.pixels


@dataclass(frozen=True)
class ColouredMap:
    """A coloured map that was read.

    Args:
        ids: (H, W) class ids.
        strays: how far its colours were.
    """

    ids: Int64[np.ndarray, "H W"]
    strays: Strays


@dataclass(frozen=True)
class Numbered:
    """A corpus whose colours became ids.

    Args:
        colours: which was which class.
        maps: how far the colours of each map were, at least one.
    """

    colours: Colours
    maps: tuple[Strays, ...]

    @property
    def other(self) -> float:
        """The share of all pixels that had a colour of no class."""
        return sum(each.other for each in self.maps) / sum(each.pixels for each in self.maps)

    @property
    def farthest(self) -> Strays:
        """The map with the farthest colour."""
        return max(self.maps, key=lambda each: each.levels)

    @property
    def doubtful(self) -> tuple[Strays, ...]:
        """Maps with many pixels that are far, those with most of them first."""
        found = [each for each in self.maps if each.many]
        return tuple(sorted(found, key=lambda each: -each.far / each.pixels))


def read_colours(path: Path) -> Colours:
    """Reads which colour is which class: a line `name: colour, colour, …` for each class, by id.

    Lines may also be those of CVAT's labelmap.txt, `name:red,green,blue::`. Lines that begin with #
    are comments.

    Args:
        path: a UTF-8 text file. A colour is #rrggbb, or red, green and blue from 0 to 255.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is no such line, or a class or colour has one already.
    """
    names: list[str] = []
    ids: dict[int, int] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{path}: line {number}"
        plain = _LABELMAP.sub(r"\1: \2 \3 \4", line.strip())
        name, colon, listed = (part.strip() for part in plain.partition(":"))
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


def read_coloured_map(path: Path, colours: Colours, nearest: bool = False) -> ColouredMap:
    """Reads a coloured map.

    Args:
        path: the picture.
        colours: which is which class.
        nearest: whether a pixel of another colour gets the class of the nearest one, as it takes
            for maps that were saved as JPEG.

    Returns:
        Its class ids, and how far its colours were.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, has transparent places, or has a colour that is no class.
    """
    decoded = decode_file(path, "label map")
    if decoded.image.mode.startswith(("I", "F")):
        raise ValueError(
            f"{path}: a picture of mode {decoded.image.mode}, with numbers instead of colours; if "
            "they are class ids the map is one already"
        )
    _check_opaque(decoded.image, path)
    pixels = rgb_pixels(decoded, str(path)).astype(np.int64)
    found, places, counts = np.unique(
        pixels @ np.array([65536, 256, 1]), return_inverse=True, return_counts=True
    )
    index = np.searchsorted(colours.packed, found).clip(max=len(colours.packed) - 1)
    other = colours.packed[index] != found
    if other.any() and not nearest:
        strange = counts * other
        worst = np.argsort(-strange, kind="stable")[: min(4, int(other.sum()))]
        listed = ", ".join(f"#{int(found[i]):06x}" for i in worst)
        raise ValueError(
            f"{path}: {strange.sum() / places.size:.2%} of the pixels have colours of no class, "
            f"most often {listed}; list them, or take the nearest colours (--nearest)"
        )
    if other.any():
        index[other] = _nearest(found[other], colours.packed)
    ids: Int64[np.ndarray, "H W"] = colours.ids[index][places].reshape(pixels.shape[:2])
    return ColouredMap(ids, _strays(path, found, counts, index, colours))


def _strays(
    path: Path,
    found: Int64[np.ndarray, " n"],
    counts: Int64[np.ndarray, " n"],
    index: Int64[np.ndarray, " n"],
    colours: Colours,
) -> Strays:
    """Says how far the colours found in a map, each in so many pixels, are from those taken."""
    levels = np.abs(_parts(found) - _parts(colours.packed[index])).max(axis=1)
    worst = int(levels.argmax())
    return Strays(
        path=path,
        pixels=int(counts.sum()),
        other=int(counts[levels > 0].sum()),
        far=int(counts[levels > FAR].sum()),
        levels=int(levels[worst]),
        farthest=int(found[worst]),
        nearest=colours.classes[colours.ids[index[worst]]],
    )


def _check_opaque(image: Image.Image, path: Path) -> None:
    """Refuses transparent places, which have no colour and would be read as white."""
    if image.mode not in _ALPHA and "transparency" not in image.info:
        return
    share = (np.asarray(image.convert("RGBA").getchannel("A")) < 255).mean()
    if share > 0:
        raise ValueError(
            f"{path}: {share:.2%} of the pixels are transparent, expected a colour everywhere; "
            "fill them with the colour of their class and save the map without transparency"
        )


def _parts(packed: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, "n 3"]:
    """Red, green and blue of packed colours."""
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1)


def _nearest(
    found: Int64[np.ndarray, " n"], known: Int64[np.ndarray, " K"]
) -> Int64[np.ndarray, " n"]:
    """The place of the known colour nearest to each one found, by red, green and blue."""
    step = max(1, _AT_ONCE // len(known))
    pieces = (_parts(found[start : start + step]) for start in range(0, len(found), step))
    squares = (((piece[:, None] - _parts(known)) ** 2).sum(axis=2) for piece in pieces)
    return np.concatenate([each.argmin(axis=1) for each in squares])


def number_colours(
    folder: Path,
    colours: Path,
    out: Path,
    nearest: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Numbered:
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
        Which colour was which class, and how far the colours were.

    Raises:
        FileNotFoundError: a file or folder is missing.
        ValueError: the folder or the file is not as described; it is named.
        OSError: the folder cannot be written; it is named.
    """
    known = read_colours(colours)
    photographs = match_maps(
        folder / "images", folder / "labels", map_suffixes=IMAGE_SUFFIXES, noun="coloured map"
    )
    maps: list[Strays] = []

    def ids(path: Path) -> Int64[np.ndarray, "H W"]:
        read = read_coloured_map(path, known, nearest)
        maps.append(read.strays)
        return read.ids

    write_listed(
        out, WHAT, partial(write_maps, photographs, known.classes, ids, progress), overwrite
    )
    return Numbered(known, tuple(maps))
