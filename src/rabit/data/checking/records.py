"""What a check has seen of a corpus, whatever its layout, and what all pictures tell together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from jaxtyping import Int64

from rabit.config import Kind
from rabit.data.checking.files import FileFacts, spell
from rabit.data.checking.findings import Finding
from rabit.data.checking.swaps import Outlined, find_swaps
from rabit.data.checking.turns import fits_as_stored
from rabit.data.listing import first_few
from rabit.data.source import Picture

T = TypeVar("T")

# So many of the pictures have one size, and there are so few, where other sizes are worth a word.
_USUAL = 0.95
_FEW = 20


class Run(Protocol):
    """Carries out many checks, several at a time."""

    def __call__(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """Returns the results of the tasks, in their order."""


@dataclass(frozen=True)
class Record:
    """A picture that was looked at.

    Args:
        name: of the picture.
        image: its photograph; of one in a tar file, its name after the tar file's.
        condition: the file of its condition, or the photograph where there is none.
        photo: what the photograph is like.
        facts: what its condition is like.
        load: reads both, whether they fit or not.
    """

    name: str
    image: Path
    condition: Path
    photo: FileFacts
    facts: FileFacts
    load: Callable[[], Picture]


@dataclass(frozen=True)
class Looked:
    """All that was looked at.

    Args:
        kind: of the conditions.
        channels: their names; of semantic maps the classes, empty where they are not known.
        records: the pictures.
        pairs: how many test items with a ground truth there are.
        findings: what is wrong.
    """

    kind: Kind
    channels: tuple[str, ...]
    records: tuple[Record, ...]
    pairs: int
    findings: tuple[Finding, ...]


def check_together(records: Sequence[Record], kind: Kind) -> list[Finding]:
    """Finds what only all pictures together tell: swaps, repetitions, sizes unlike the others'."""
    swapped = list(_swaps(records)) if kind == "semantic" else []
    known = {file for finding in swapped for file in finding.files}
    findings = [finding for record in records for finding in _unlike(record, known)]
    return [*swapped, *findings, *_duplicates(records), *_odd_sizes(records)]


def check_sizes(photo: FileFacts, facts: FileFacts, image: Path, condition: Path) -> list[Finding]:
    """Finds a photograph and a condition of different sizes, and says why where that is seen."""
    if photo.size is None or facts.size is None or photo.size == facts.size:
        return []
    sizes = f"{spell(photo.size)} pixels, but {condition} has {spell(facts.size)}"
    if photo.turned and facts.size == photo.size[::-1]:
        text = (
            f"{image}: turned upright by its camera's note (EXIF) it has {sizes}; turn the map "
            "too, or remove the note if the map is right"
        )
        return [Finding("rotated-photograph", (image, condition), text)]
    text = f"{image}: has {sizes}; make them the same size, or find out which belongs to which"
    return [Finding("size-mismatch", (image, condition), text)]


def count_pixels(
    records: Sequence[Record], classes: int
) -> tuple[Int64[np.ndarray, " C"], Int64[np.ndarray, " C"]]:
    """Returns how many pixels of all maps, and how many pictures, have each class."""
    pixels, pictures = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for record in records:
        counts = record.facts.pixels
        if counts is not None:
            pixels[: len(counts)] += counts
            pictures[: len(counts)] += counts > 0
    return pixels, pictures


def find_unused(root: Path, classes: Sequence[str], pictures: Sequence[int]) -> list[Finding]:
    """Finds the classes that no picture has."""
    unused = [name for name, count in zip(classes, pictures, strict=True) if not count]
    if not unused or len(unused) == len(classes):
        return []
    listed = ", ".join(unused[:8]) + (", …" if len(unused) > 8 else "")
    text = (
        f"{root}: {len(unused)} of {len(classes)} classes are in no map ({listed}); nothing is "
        "learned of them"
    )
    return [Finding("unused-class", (root,), text)]


def _unlike(record: Record, known: set[Path]) -> list[Finding]:
    if record.image in known:
        return []
    found = check_sizes(record.photo, record.facts, record.image, record.condition)
    return found or _turned(record)


def _turned(record: Record) -> list[Finding]:
    """Finds a photograph that is turned by its camera's note, unlike its map, by the outlines."""
    strengths, outlines = record.photo.drawing, record.facts.drawing
    if strengths is None or outlines is None:
        return []
    if not fits_as_stored(strengths, outlines, record.photo.orientation):
        return []
    text = (
        f"{record.image}: turned upright by its camera's note (EXIF) it fits {record.condition} "
        "far worse than as it is stored; turn the map too, or remove the note if the map is right"
    )
    return [Finding("rotated-photograph", (record.image, record.condition), text)]


def _swaps(records: Sequence[Record]) -> Iterator[Finding]:
    drawn: list[Outlined] = []
    chosen: list[Record] = []
    for record in records:
        photo, facts = record.photo, record.facts
        if photo.drawing is None or facts.drawing is None or not (photo.size and facts.size):
            continue
        chosen.append(record)
        drawn.append(Outlined(photo.drawing, facts.drawing, photo.size, facts.size))
    for first, second in find_swaps(drawn):
        one, other = chosen[first], chosen[second]
        text = (
            f"{one.image}: fits {other.condition} far better than its own map, and {other.image} "
            f"fits {one.condition}; look at both, and exchange the maps if they are swapped"
        )
        yield Finding("swapped-pair", (one.image, other.image), text)


def _duplicates(records: Sequence[Record]) -> Iterator[Finding]:
    same: dict[bytes, list[Path]] = defaultdict(list)
    for record in records:
        if record.photo.digest:
            same[record.photo.digest].append(record.image)
    for files in same.values():
        if len(files) > 1:
            others = first_few([file.name for file in files[1:]])
            text = f"{files[0]}: the same photograph as {others}; keep one of them"
            yield Finding("duplicate", tuple(files), text)


def _odd_sizes(records: Sequence[Record]) -> Iterator[Finding]:
    """Warns of the few photographs of other sizes where nearly all have one."""
    sized = [record for record in records if record.photo.size is not None]
    if len(sized) < _FEW:
        return
    usual, count = Counter(record.photo.size for record in sized).most_common(1)[0]
    if usual is None or count < _USUAL * len(sized):
        return
    for record in sized:
        size = record.photo.size
        if size is not None and size != usual:
            text = (
                f"{record.image}: has {spell(size)} pixels, nearly all others {spell(usual)}; "
                "check that it belongs here"
            )
            yield Finding("odd-size", (record.image,), text)
