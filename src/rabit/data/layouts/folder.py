"""A plain folder: images/, labels/ and classes.txt."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from rabit.data.images import read_classes
from rabit.data.listing import Pair, Photograph, list_photographs, read_pairs
from rabit.data.semantic import SemanticPicture, read_semantic
from rabit.data.source import Source, TestPair


class FolderSource(Source):
    """A folder with images/, labels/ and classes.txt.

    An image and its map have the same stem and size. Lists of references are read from
    references.csv (`key,ref1,ref2,…`, names as in images/), pairs with a ground truth from
    pairs.csv (`read_pairs`).

    Args:
        root: the folder.
        flips: whether training views may be mirrored; False where classes name left and right.

    Raises:
        FileNotFoundError: a folder or classes.txt is missing.
        ValueError: the folder's content is not as described; the file is named.
    """

    def __init__(self, root: str | Path, flips: bool = True) -> None:
        root = Path(root)
        if not root.is_dir():
            raise FileNotFoundError(f"{root}: no such folder; give the folder of a corpus")
        classes = read_classes(root / "classes.txt")
        only_pairs = (root / "pairs.csv").exists() and not (root / "images").exists()
        self._photographs = () if only_pairs else list_photographs(root)
        names = [photograph.image.name for photograph in self._photographs]
        super().__init__(root, "semantic", classes, names, flips)

    def load(self, index: int) -> SemanticPicture:
        """Reads a picture, see `Source.load`."""
        return self._read(self._photographs[index])

    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the photograph and its map."""
        return (self._photographs[index].image, self._photographs[index].labels)

    @cached_property
    def _pairs(self) -> tuple[Pair, ...]:
        return read_pairs(self.root) if (self.root / "pairs.csv").exists() else ()

    @property
    def pair_count(self) -> int:
        """How many rows pairs.csv has."""
        return len(self._pairs)

    def load_pair(self, index: int) -> TestPair:
        """Reads a row of pairs.csv, see `Source.load_pair`."""
        pair = self._pairs[index]
        truth, exemplar = self._read(pair.truth), self._read(pair.exemplar)
        return TestPair(pair.truth.image.stem, truth, exemplar)

    def _read(self, photograph: Photograph) -> SemanticPicture:
        return read_semantic(photograph.image, photograph.labels, len(self.channels))
