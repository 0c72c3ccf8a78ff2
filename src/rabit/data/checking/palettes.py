"""Palette maps whose numbers mean other colours from file to file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from rabit.data.checking.findings import Finding
from rabit.data.listing import first_few

_ALIKE = 16
"""Colours of one number that differ by no more in any channel may be one, saved by two programs."""


@dataclass(frozen=True)
class Palette:
    """The colours of a palette map.

    Args:
        colours: of every number, as 65536 red + 256 green + blue.
        used: the numbers that pixels have, ascending; those without a colour are left out.
    """

    colours: tuple[int, ...]
    used: tuple[int, ...]

    @property
    def says(self) -> bool:
        """Whether its colours tell more than its numbers: those of grey maps say the same."""
        return any(self.colours[number] != 0x010101 * number for number in self.used)


def read_palette(image: Image.Image) -> Palette | None:
    """Reads the colours of a decoded map; None if it has no palette."""
    table = image.getpalette("RGB") if image.mode == "P" else None
    if not table:
        return None
    colours = np.array(table, np.int64).reshape(-1, 3) @ np.array([65536, 256, 1])
    used = np.flatnonzero(np.asarray(image.histogram()[: len(colours)]))
    return Palette(tuple(colours.tolist()), tuple(used.tolist()))


def find_mixed_palettes(palettes: Mapping[Path, Palette]) -> list[Finding]:
    """Finds that the numbers of palette maps mean other things from file to file.

    Programs that make a palette for each picture number the colours as they come. Maps agree if
    each number has one colour in all that use it, and each colour one number; what a palette has
    beside the numbers in use does not count, nor do palettes that are the grey of their numbers.

    Args:
        palettes: of the maps, by their files; the order does not matter.

    Returns:
        One finding about all maps that do not agree, or none.
    """
    telling = {path: palettes[path] for path in sorted(palettes) if palettes[path].says}
    clashes = sorted(chain(_renumbered(telling), _recoloured(telling)), key=lambda clash: clash[0])
    if not clashes:
        return []
    files = sorted({path for found, _ in clashes for path in found})
    _, what = clashes[0]
    text = (
        f"{what}; the numbers of palette maps mean other classes from file to file "
        f"({first_few([file.name for file in files])}): turn the colours into ids with rabit data "
        "colours, or, if the numbers are right, save all maps with one palette"
    )
    return [Finding("mixed-palettes", tuple(files), text)]


_Clash = tuple[list[Path], str]


def _renumbered(palettes: Mapping[Path, Palette]) -> Iterator[_Clash]:
    """Finds colours that are several numbers, but not within one palette."""
    by_colour: dict[int, dict[int, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path, palette in palettes.items():
        for number in palette.used:
            by_colour[palette.colours[number]][number].append(path)
    for colour, numbers in by_colour.items():
        if len(numbers) > 1 and not _repeats(palettes, colour, numbers):
            one, other = sorted(numbers.items(), key=lambda item: item[1])[:2]
            text = (
                f"{one[1][0]}: the colour #{colour:06x} has the number {one[0]}, but {other[0]} in "
                f"{other[1][0].name}"
            )
            yield sorted(chain.from_iterable(numbers.values())), text


def _repeats(
    palettes: Mapping[Path, Palette], colour: int, numbers: Mapping[int, list[Path]]
) -> bool:
    """Whether a palette that uses the colour gives it to all these numbers itself."""
    last = max(numbers)
    users = {palettes[path].colours for paths in numbers.values() for path in paths}
    return any(
        last < len(table) and all(table[number] == colour for number in numbers) for table in users
    )


def _recoloured(palettes: Mapping[Path, Palette]) -> Iterator[_Clash]:
    """Finds numbers that are several colours."""
    by_number: dict[int, dict[int, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path, palette in palettes.items():
        for number in palette.used:
            by_number[number][palette.colours[number]].append(path)
    for number, colours in by_number.items():
        if _apart(colours) > _ALIKE:
            one, *others = sorted(colours.items(), key=lambda item: item[1])
            other = max(others, key=lambda item: _apart((one[0], item[0])))
            text = (
                f"{one[1][0]}: the number {number} has the colour #{one[0]:06x}, but "
                f"#{other[0]:06x} in {other[1][0].name}"
            )
            yield sorted(chain.from_iterable(colours.values())), text


def _apart(colours: Collection[int]) -> int:
    """How far colours are apart in one channel, at most."""
    parts = np.array([(c >> 16, c >> 8 & 255, c & 255) for c in colours])
    return int(np.ptp(parts, axis=0).max())
