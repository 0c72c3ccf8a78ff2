"""Pictures read from shards."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path
from typing import ClassVar

from rabit.data.shards.index import SIDES, Shard, item_key, read_index
from rabit.data.shards.members import NamedPicture, decode_picture
from rabit.data.shards.tar import read_block
from rabit.data.source import Picture, ReferenceList, Source, TestPair


class ShardSource(Source):
    """A folder of shards, as `write_shards` makes them.

    Every picture is found at once through the index, so that samples are those of the layout that
    the shards were written from: the same references, partners, split and pairs.

    Args:
        root: the folder, with shards.json and the tar files.

    Raises:
        FileNotFoundError: shards.json or a tar file is missing.
        ValueError: shards.json cannot be used, or a tar file has another size than it says.
    """

    layout: ClassVar[str] = "shards"

    def __init__(self, root: str | Path) -> None:
        root = Path(root)
        self.index = read_index(root)
        index = self.index
        super().__init__(
            root, index.kind, index.channels, index.names, index.flips, index.split, index.partners
        )
        self.condition = index.condition
        for shard in (*index.pictures, *index.pairs):
            check_size(root / shard.file, shard)

    def load(self, index: int) -> Picture:
        """Reads a picture, see `Source.load`."""
        number, place = self._find(index)
        return self._read(self.index.pictures[number], place, item_key(index)).picture

    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the tar file that holds a picture."""
        return (self.root / self.index.pictures[self._find(index)[0]].file,)

    def references(self, train: bool) -> ReferenceList | None:
        """Returns the list that the layout had, see `Source.references`."""
        stored = self.index.train_references if train else self.index.test_references
        return ReferenceList(self.root / stored.file, stored.partial) if stored else None

    @property
    def pair_names(self) -> tuple[str, ...]:
        """Names of the test items with a ground truth."""
        return self.index.pair_names

    def load_pair(self, index: int) -> TestPair:
        """Reads a test item with a ground truth, see `Source.load_pair`."""
        if not 0 <= index < self.pair_count:
            raise IndexError(f"pair {index} of {self.pair_count}")
        number, item = divmod(index, self.index.per_shard)
        shard, first = self.index.pairs[number], len(SIDES) * item
        truth, exemplar = (
            self._read(shard, first + i, item_key(index, side)) for i, side in enumerate(SIDES)
        )
        return TestPair(self.pair_names[index], truth.picture, exemplar.picture)

    def _find(self, index: int) -> tuple[int, int]:
        """Returns the shard of a picture and its place in it."""
        if not 0 <= index < len(self):
            raise IndexError(f"picture {index} of {len(self)}")
        return divmod(index, self.index.per_shard)

    def _read(self, shard: Shard, place: int, key: str) -> NamedPicture:
        path = self.root / shard.file
        where = f"{path}: key {key}"
        offset, length, checksum = shard.places[place]
        with path.open("rb") as tar:
            tar.seek(offset)
            block = tar.read(length)
        try:
            if len(block) != length or zlib.crc32(block) != checksum:
                raise tarfile.ReadError("other bytes than were written")
            members = read_block(block)
        except tarfile.TarError as error:
            raise ValueError(
                f"{where} is damaged ({error}); copy the file again, or write the shards again "
                "with --resume"
            ) from error
        return decode_picture(members, where)


def check_size(path: Path, shard: Shard) -> None:
    """Checks that a tar file is there, and as large as it was written.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it has another size.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file, but shards.json names it; copy it again, or write the shards "
            "again with --resume"
        )
    size = path.stat().st_size
    if size != shard.bytes:
        raise ValueError(
            f"{path}: {size} bytes, but {shard.bytes} were written; copy it again, or write the "
            "shards again with --resume"
        )
