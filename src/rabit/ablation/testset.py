"""What every row of an ablation is measured on: held-out pairs to translate, and edits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import torch
from torch.utils.data import Dataset

from rabit.config import Kind
from rabit.data.batch import PictureCondition, Sample
from rabit.data.corpus import SourceCorpus
from rabit.data.images import to_tensor
from rabit.data.listing import first_few
from rabit.data.scenes import CLASSES, Scenes
from rabit.data.scenes.edits import sample_edits
from rabit.data.source import Source
from rabit.evaluation.showcase import HELD_OUT_SEED

EXEMPLARS = 3
"""Exemplars of each condition whose results are compared with each other (paper 4.2)."""


@dataclass(frozen=True)
class TestCounts:
    """How much is measured.

    Args:
        pairs: pairs that are translated, at least 2.
        diverse: of their conditions, those that are translated with EXEMPLARS exemplars.
        edits: edits, at least 2.
    """

    __test__ = False  # no class of tests

    pairs: int
    diverse: int
    edits: int


@dataclass(frozen=True)
class TestSet:
    """Held-out samples in three parts, each read as it is asked for.

    Args:
        label: what they are, for reports.
        kind: of the conditions.
        classes: names of the conditions' channels.
        size: height and width of the samples.
        translation: pairs of a condition and an exemplar of another layout.
        diverse: EXEMPLARS samples of each of some conditions, one behind the other.
        manipulation: samples whose exemplar is the picture before an edit; where no edits are
            known, the picture itself.
        edits: whether they are edits.
    """

    __test__ = False  # no class of tests

    label: str
    kind: Kind
    classes: tuple[str, ...]
    size: tuple[int, int]
    translation: Dataset[Sample]
    diverse: Dataset[Sample]
    manipulation: Dataset[Sample]
    edits: bool = True

    def samples(self) -> Iterator[tuple[str, Sample]]:
        """Yields every sample, under a name that is a file's."""
        for part in ("translation", "diverse", "manipulation"):
            for index, sample in enumerate(items(getattr(self, part))):
                yield f"{part}-{index:05d}", sample

    def digest(self) -> str:
        """Returns what changes with the samples: a hash of their names and of some pixels."""
        digest = hashlib.sha256(repr((self.label, self.size, self.classes)).encode())
        for part in (self.translation, self.diverse, self.manipulation):
            digest.update(str(length(part)).encode())
            for index in {0, length(part) - 1}:
                sample = part[index]
                for tensor in (sample.condition.regions, sample.exemplar, sample.truth):
                    digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()


class _Listed(Dataset[Sample]):
    """Samples that a function makes by their number."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count


class _SceneExemplars(_Listed):
    """EXEMPLARS samples of each scene."""

    def __init__(self, scenes: Scenes, count: int) -> None:
        super().__init__(count * EXEMPLARS)
        self.scenes = scenes

    def __getitem__(self, index: int) -> Sample:
        number, which = divmod(index, EXEMPLARS)
        own = self.scenes[number]
        drawn = self.scenes.exemplars(number, which + 1)[which]
        return replace(
            own,
            exemplar=to_tensor(drawn.image),
            exemplar_condition=PictureCondition(torch.from_numpy(drawn.labels).long()),
            truth=to_tensor(drawn.truth),
            name=f"{own.name}-{which}",
        )


class _SceneEdits(_Listed):
    """Edits of scenes, four of each seed."""

    def __init__(self, count: int, size: tuple[int, int], seed: int) -> None:
        drawn, number = [], 0
        while len(drawn) < count:
            drawn += [
                (seed + number, kind) for kind in range(len(sample_edits(seed + number, size)))
            ]
            number += 1
        super().__init__(count)
        self.size = size
        self.drawn = drawn
