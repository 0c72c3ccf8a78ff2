"""A corpus in a folder: images/, labels/ and classes.txt, with exemplars chosen as in the paper."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from rabit.data.batch import Sample
from rabit.data.images import read_classes, read_image, read_labels, to_tensor
from rabit.data.listing import Pair, Photograph, first_few, list_photographs, read_pairs
from rabit.data.references import Layout, rank_references, read_references
from rabit.data.transforms import View


@dataclass(frozen=True)
class ExemplarMix:
    """Where exemplars come from while training: the probabilities of three sources.

    Args:
        hard: the last reference of the image's list, the least like it.
        easy: the first reference, the most like it.
        itself: the image itself, in another view: a pseudo pair, whose truth has the exemplar's
            look. Without it nothing tells the network to keep the exemplar's style; without the
            others it learns to copy the exemplar.

    Raises:
        ValueError: a number is no probability, or the three do not sum to 1.
    """

    hard: float = 0.2
    easy: float = 0.5
    itself: float = 0.3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise ValueError(f"mix.{name} is {value}, expected a probability in [0, 1]")
        total = math.fsum(vars(self).values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"mix.hard, mix.easy and mix.itself sum to {total}, expected 1")

    @property
    def needs_references(self) -> bool:
        """Whether exemplars other than the image itself occur."""
        return self.hard > 0 or self.easy > 0


@dataclass(frozen=True)
class Split:
    """Which items train and which are held out, each in ascending order."""

    train: tuple[int, ...]
    test: tuple[int, ...]


def split_indices(count: int, holdout: float = 0.2, seed: int = 0) -> Split:
    """Splits items at random, the same way for the same numbers.

    Args:
        count: number of items, at least 2.
        holdout: share held out, in (0, 1); at least one item goes to each side.
        seed: of the choice, 0 or more.

    Returns:
        The two sides.

    Raises:
        ValueError: an argument is outside its range.
    """
    if count < 2:
        raise ValueError(f"count is {count}, expected at least 2 items to split")
    if not 0 < holdout < 1:
        raise ValueError(f"holdout is {holdout}, expected a share between 0 and 1")
    _require_seed(seed)
    held = min(max(round(count * holdout), 1), count - 1)
    order = np.random.default_rng(seed).permutation(count).tolist()
    return Split(train=tuple(sorted(order[held:])), test=tuple(sorted(order[:held])))


@dataclass(frozen=True)
class _Picture:
    """A photograph and its label map as read: (H, W, 3) and (H, W)."""

    image: UInt8[np.ndarray, "H W 3"]
    labels: Int64[np.ndarray, "H W"]

    def seen(self, view: View) -> tuple[Tensor, Tensor]:
        """The image (3, h, w) in [-1, 1] and the map (h, w) in one view."""
        labels = torch.from_numpy(view.labels(self.labels))
        return to_tensor(view.image(self.image)), labels


class Folder(Dataset[Sample]):
    """A folder with images/, labels/ and classes.txt as a data set.

    An image and its map have the same stem and size. Exemplars come from a reference list: from
    references.csv (`key,ref1,ref2,…`, names as in images/) where there is one, and otherwise from
    the likeness of the label maps, computed once here (`rank_references`).

    While training the truth and the exemplar are each seen in a crop and flip of their own, drawn
    from (seed, epoch, index), so that samples do not depend on the number of workers. References
    outside `indices` are not used, so that nothing held out is trained on. For tests pictures are
    seen whole and the exemplar is the first reference; a folder with pairs.csv yields its rows
    instead, whose truth has the exemplar's look.

    Args:
        root: the folder.
        size: height and width of the samples, in pixels.
        seed: of views and exemplars while training, 0 or more.
        train: whether to yield training samples, and otherwise test samples.
        mix: where exemplars come from while training.
        indices: which items to yield, in this order: images in the order of their names, or rows
            of pairs.csv; None for all.
        flip: whether training views may be flipped; False where classes name left and right.

    Raises:
        FileNotFoundError: a folder or classes.txt is missing.
        ValueError: the folder's content or an argument is not as described; the file is named.
    """

    def __init__(
        self,
        root: str | Path,
        size: tuple[int, int],
        seed: int = 0,
        train: bool = True,
        mix: ExemplarMix | None = None,
        indices: Sequence[int] | None = None,
        flip: bool = True,
    ) -> None:
        self._root = Path(root)
        if not self._root.is_dir():
            raise FileNotFoundError(f"{self._root}: no such folder; give the folder of a corpus")
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size is {size}, expected height and width in pixels, above 0")
        _require_seed(seed)
        self._size = (operator.index(size[0]), operator.index(size[1]))
        self._seed = seed
        self._train = train
        self._mix = ExemplarMix() if mix is None else mix
        self._flip = flip
        self._classes = read_classes(self._root / "classes.txt")
        self._pairs: tuple[Pair, ...] = ()
        self._photographs: tuple[Photograph, ...] = ()
        self._references: tuple[tuple[int, ...], ...] = ()
        self._epoch = 0
        if not train and (self._root / "pairs.csv").exists():
            self._pairs = read_pairs(self._root)
            self._chosen = _choose(indices, len(self._pairs), "rows of pairs.csv")
            return
        self._photographs = list_photographs(self._root)
        self._chosen = _choose(indices, len(self._photographs), "images")
        if not train or self._mix.needs_references:
            self._references = self._list_references()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their ids."""
        return self._classes

    def set_epoch(self, epoch: int) -> None:
        """Chooses the views and exemplars of an epoch, 0 or more.

        A worker process holds a copy: set the epoch before workers start, or within each of them.
        """
        if epoch < 0:
            raise ValueError(f"epoch is {epoch}, expected 0 or more")
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        """Reads one sample.

        Raises:
            IndexError: the index is outside [0, len).
            ValueError: one of its files cannot be used; it is named.
        """
        index = operator.index(index)
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} in a data set of {len(self)} samples")
        if self._pairs:
            pair = self._pairs[self._chosen[index]]
            return self._whole(pair.truth, pair.exemplar, paired=True)
        if self._train:
            return self._drawn(index)
        own, first = self._chosen[index], self._references[index][0]
        return self._whole(self._photographs[own], self._photographs[first], paired=own == first)

    def _whole(self, truth: Photograph, exemplar: Photograph, paired: bool) -> Sample:
        """A test sample: both pictures whole."""
        view = View.whole(self._size)
        return _sample(self._load(truth), view, self._load(exemplar), view, paired, truth)

    def _drawn(self, index: int) -> Sample:
        """A training sample: exemplar and views drawn from (seed, epoch, index)."""
        rng = np.random.default_rng((self._seed, self._epoch, index))
        own = other = self._chosen[index]
        source = rng.random()
        if source < self._mix.hard:
            other = self._references[index][-1]
        elif source < self._mix.hard + self._mix.easy:
            other = self._references[index][0]
        view = View.draw(self._size, rng, self._flip)
        exemplar_view = View.draw(self._size, rng, self._flip)
        truth = self._load(self._photographs[own])
        exemplar = truth if other == own else self._load(self._photographs[other])
        photograph = self._photographs[own]
        return _sample(truth, view, exemplar, exemplar_view, other == own, photograph)

    def _load(self, photograph: Photograph) -> _Picture:
        image = read_image(photograph.image)
        labels = read_labels(photograph.labels, len(self._classes))
        if image.shape[:2] != labels.shape:
            raise ValueError(
                f"{photograph.image} is {image.shape[1]}×{image.shape[0]} pixels, its map "
                f"{photograph.labels} {labels.shape[1]}×{labels.shape[0]}; make them the same size"
            )
        return _Picture(image, labels)

    def _list_references(self) -> tuple[tuple[int, ...], ...]:
        """The references of every chosen image, as indices of photographs, never none."""
        path = self._root / "references.csv"
        if not path.exists():
            return self._rank()
        listed = read_references(path, [p.image.name for p in self._photographs])
        missing = [self._photographs[i].image.name for i in self._chosen if i not in listed]
        if missing:
            raise ValueError(
                f"{path}: no row for {first_few(missing)}; add rows, or remove the file to have "
                "references computed from the label maps"
            )
        if not self._train:
            return tuple(listed[i] for i in self._chosen)
        allowed = set(self._chosen)
        kept = [tuple(r for r in listed[i] if r in allowed) for i in self._chosen]
        if all(kept):
            return tuple(kept)
        return tuple(own or ranked for own, ranked in zip(kept, self._rank(), strict=True))

    def _rank(self) -> tuple[tuple[int, ...], ...]:
        """References among the chosen images, from their label maps."""
        if len(self._chosen) < 2:
            raise ValueError(
                f"{self._root}: one image only, but an exemplar has to be another one; use 2 or "
                "more images"
            )
        count = len(self._classes)
        maps = (read_labels(self._photographs[i].labels, count) for i in self._chosen)
        ranked = rank_references([Layout.of(labels, count) for labels in maps])
        return tuple(tuple(self._chosen[i] for i in row) for row in ranked.tolist())


def _sample(
    truth: _Picture,
    view: View,
    exemplar: _Picture,
    exemplar_view: View,
    paired: bool,
    photograph: Photograph,
) -> Sample:
    truth_image, labels = truth.seen(view)
    exemplar_image, exemplar_labels = exemplar.seen(exemplar_view)
    return Sample(
        labels=labels,
        exemplar=exemplar_image,
        exemplar_labels=exemplar_labels,
        truth=truth_image,
        paired=paired,
        name=photograph.image.stem,
    )


def _choose(indices: Sequence[int] | None, count: int, kind: str) -> tuple[int, ...]:
    if indices is None:
        return tuple(range(count))
    chosen = tuple(operator.index(i) for i in indices)
    outside = [i for i in chosen if not 0 <= i < count]
    if not chosen or outside or len(set(chosen)) != len(chosen):
        problem = f"hold {outside[:3]}" if outside else "are none or repeat"
        raise ValueError(f"indices {problem}, expected distinct numbers of the {count} {kind}")
    return chosen


def _require_seed(seed: int) -> None:
    if seed < 0:
        raise ValueError(f"seed is {seed}, expected 0 or more")
