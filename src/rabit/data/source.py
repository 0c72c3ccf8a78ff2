"""What every layout on disk is read as: pictures with their conditions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import UInt8

from rabit.config import Kind
from rabit.data.batch import PictureCondition
from rabit.data.transforms import View


class Picture(Protocol):
    """A photograph and what its condition is made from, as read from its files."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the photograph in pixels."""

    def image(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        """Returns the photograph in a view."""

    def condition(self, view: View) -> PictureCondition:
        """Returns the condition in the same view."""


@dataclass(frozen=True)
class Split:
    """Which items train and which are held out, each in ascending order."""

    train: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True)
class ReferenceList:
    """A file that lists references.

    Args:
        path: rows `key,ref1,ref2,…`, best reference first.
        partial: whether rows of pictures that are not there are passed over, as in a public list
            beside a part of its corpus; otherwise they are errors.
    """

    path: Path
    partial: bool = False


@dataclass(frozen=True)
class TestPair:
    """A test item with a ground truth: the truth has the exemplar's look.

    Args:
        name: of the item.
        truth: the condition, and the photograph that a perfect translation gives.
        exemplar: the exemplar with its own condition.
    """

    __test__ = False  # no class of tests

    name: str
    truth: Picture
    exemplar: Picture


class Source(ABC):
    """The pictures of a folder in one of the public layouts.

    Opening one lists files and reads lists; pictures are read when they are asked for.

    Args:
        root: the folder.
        kind: of the conditions.
        channels: names of the conditions' channels; of semantic maps the classes, by id.
        names: of the pictures, each once, as the layout's lists of references spell them: file
            names, or paths with slashes.
        flips: whether training views may be mirrored.
        split: what the layout itself says is for training and for testing; None if nothing.
        partners: for each picture the others that show the same look in another pose; empty for a
            layout that says nothing of the sort.
    """

    condition: str | None = None
    """Which of a plain folder's conditions is read; None of other layouts."""

    def __init__(
        self,
        root: Path,
        kind: Kind,
        channels: Sequence[str],
        names: Sequence[str],
        flips: bool = True,
        split: Split | None = None,
        partners: Sequence[Sequence[int]] = (),
    ) -> None:
        self.root = root
        self.kind: Kind = kind
        self.channels = tuple(channels)
        self.names = tuple(names)
        self.flips = flips
        self.split = split
        self.partners = tuple(tuple(row) for row in partners)

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def load(self, index: int) -> Picture:
        """Reads a picture.

        Raises:
            FileNotFoundError: one of its files is missing.
            ValueError: one of its files cannot be used; it is named.
        """

    @abstractmethod
    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the files that a picture is read from, the photograph first."""

    def references(self, train: bool) -> ReferenceList | None:
        """Returns the list of references to use, None where there is none.

        Args:
            train: whether for training or for testing.
        """
        path = self.root / "references.csv"
        return ReferenceList(path) if path.exists() else None

    @property
    def pair_names(self) -> tuple[str, ...]:
        """Names of the layout's test items with a ground truth, in order."""
        return ()

    @property
    def pair_count(self) -> int:
        """How many test items with a ground truth the layout has."""
        return len(self.pair_names)

    def load_pair(self, index: int) -> TestPair:
        """Reads a test item with a ground truth, as `load`."""
        raise IndexError(f"pair {index} of {self.pair_count}")
