"""What a folder of shards says of itself: shards.json."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rabit.config import Kind
from rabit.data.source import Split
from rabit.data.text import read_text, relative_name
from rabit.fields import from_dict, to_dict

INDEX = "shards.json"
VERSION = 1
MAX_PER_SHARD = 10**9
PICTURES = "pictures"
PAIRS = "pairs"
SIDES = ("truth", "exemplar")
"""The pictures of a test item with a ground truth, in the order in which they are stored."""


@dataclass(frozen=True)
class Shard:
    """A tar file of pictures, as webdataset reads it.

    Args:
        file: its name.
        bytes: its size.
        sha256: of its bytes.
        places: for each picture the offset of its first member, the length of all its members with
            their headers, both in bytes, and the CRC-32 of these.
    """

    file: str
    bytes: int
    sha256: str
    places: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        for offset, length, _ in self.places:
            if offset < 0 or length < 1 or offset + length > self.bytes:
                raise ValueError(
                    f"{length} bytes from byte {offset} on are not in the {self.bytes} of "
                    f"{self.file}"
                )


@dataclass(frozen=True)
class StoredList:
    """A list of references beside the shards, see `ReferenceList`."""

    file: str
    partial: bool

    def __post_init__(self) -> None:
        if Path(self.file).name != self.file or self.file in ("", ".."):
            raise ValueError(f"file is {self.file!r}, expected a file name without a folder")


@dataclass(frozen=True)
class ShardIndex:
    """What the shards of a folder hold.

    Args:
        version: of the format.
        layout: that the pictures were read from.
        kind: of the conditions.
        channels: their names.
        flips: whether training views may be mirrored.
        per_shard: pictures, or test items, a shard; the last may hold fewer.
        names: of the pictures, each its own; file names relative to some folder.
        split: what the layout says is for training and for testing.
        partners: for each picture those of the same look; empty if the layout says nothing of it.
        train_references: the list of references for training.
        test_references: the list of references for testing.
        pair_names: of the test items with a ground truth.
        pictures: the shards of the pictures, in order.
        pairs: the shards of the test items, in order.
        condition: which of a plain folder's conditions they hold; None of other layouts.
    """

    version: int
    layout: str
    kind: Kind
    channels: tuple[str, ...]
    flips: bool
    per_shard: int
    names: tuple[str, ...]
    split: Split | None
    partners: tuple[tuple[int, ...], ...]
    train_references: StoredList | None
    test_references: StoredList | None
    pair_names: tuple[str, ...]
    pictures: tuple[Shard, ...] = ()
    pairs: tuple[Shard, ...] = ()
    condition: str | None = None

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"version is {self.version}, this program reads {VERSION}")
        if not 1 <= self.per_shard <= MAX_PER_SHARD:
            raise ValueError(f"per_shard is {self.per_shard}, expected 1 to {MAX_PER_SHARD}")
        split = self.split or Split((), ())
        _check_names("names", self.names, unique=True)
        _check_names("pair_names", self.pair_names, unique=False)
        _check_once("split", (*split.train, *split.test))
        named = {*split.train, *split.test, *(other for row in self.partners for other in row)}
        if any(not 0 <= i < len(self.names) for i in named):
            raise ValueError(f"a number in split or partners is none of {len(self.names)} pictures")
        if self.partners and len(self.partners) != len(self.names):
            raise ValueError(
                f"{len(self.partners)} rows of partners for {len(self.names)} pictures"
            )

    def planned(self, series: str) -> tuple[tuple[str, range], ...]:
        """Returns the shards that there have to be: file names, and which items each holds.

        Args:
            series: PICTURES or PAIRS.
        """
        count = len(self.names if series == PICTURES else self.pair_names)
        starts = range(0, count, self.per_shard)
        return tuple(
            (f"{series}-{number:06d}.tar", range(start, min(start + self.per_shard, count)))
            for number, start in enumerate(starts)
        )

    def header(self) -> ShardIndex:
        """Returns the same without shards."""
        return dataclasses.replace(self, pictures=(), pairs=())


def _check_names(field: str, names: tuple[str, ...], unique: bool) -> None:
    """Checks that names stay in their folder and, if so wanted, are each another file's."""
    plain = tuple(relative_name(name, f"{field}[{i}]") for i, name in enumerate(names))
    if unique:
        _check_once(field, plain)


def _check_once(field: str, values: tuple[int, ...] | tuple[str, ...]) -> None:
    """Checks that no value stands in a field twice."""
    if len(set(values)) < len(values):
        value, count = Counter(values).most_common(1)[0]
        raise ValueError(f"{value!r} is {count} times in {field}, expected once")


def index_bytes(index: ShardIndex) -> bytes:
    """Returns an index as one line of JSON."""
    return (json.dumps(to_dict(index), sort_keys=True) + "\n").encode()


def read_index(root: Path) -> ShardIndex:
    """Reads the index of a folder of shards.

    Args:
        root: the folder.

    Raises:
        FileNotFoundError: there is no shards.json.
        ValueError: it is no index of shards; the field is named.
    """
    path = root / INDEX
    index = parse_index(read_text(path), str(path))
    for series, shards, sides in ((PICTURES, index.pictures, 1), (PAIRS, index.pairs, len(SIDES))):
        planned = [(name, len(items) * sides) for name, items in index.planned(series)]
        if planned != [(shard.file, len(shard.places)) for shard in shards]:
            raise ValueError(
                f"{path}: its {series} are not in shards of {index.per_shard}; write the shards "
                "again"
            )
    return index


def parse_index(text: str, where: str) -> ShardIndex:
    """Reads an index, with or without shards, from JSON.

    Args:
        text: the JSON.
        where: what to call it in errors.

    Raises:
        ValueError: it is none; the field is named.
    """
    try:
        data = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{where}: no JSON ({error}); write the shards again") from error
    try:
        return from_dict(ShardIndex, data, where)
    except (RecursionError, TypeError) as error:
        raise ValueError(
            f"{where}: no index of shards ({error}); write the shards again"
        ) from error


def item_key(item: int, side: str = "") -> str:
    """Returns the key of a picture's members in its tar file.

    Args:
        item: number of the picture, or of the test item.
        side: one of SIDES for a picture of a test item.
    """
    return f"{item:09d}-{side}" if side else f"{item:09d}"
