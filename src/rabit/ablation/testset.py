"""What every row of an ablation is measured on: held-out pairs to translate, and edits."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Protocol

import torch

from rabit.config import Kind
from rabit.data.batch import PictureCondition, Sample
from rabit.data.corpus import SourceCorpus, make_sample
from rabit.data.edits.files import TABLE
from rabit.data.images import to_tensor
from rabit.data.scenes import CLASSES, Scenes
from rabit.data.scenes.edits import sample_edits
from rabit.data.source import Source
from rabit.data.transforms import View
from rabit.evaluation.showcase import HELD_OUT_SEED

EXEMPLARS = 3
"""Exemplars of a condition whose results are compared with each other (paper 4.2)."""


class Samples(Protocol):
    """Samples by their number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


@dataclass(frozen=True)
class Counts:
    """How many held-out samples are measured, at most.

    Args:
        pairs: pairs of a condition and an exemplar.
        diverse: of their conditions, those that are translated with EXEMPLARS exemplars.
        edits: edits.
    """

    pairs: int
    diverse: int
    edits: int


@dataclass(frozen=True)
class TestSet:
    """Held-out samples in three parts; pictures are read or drawn as they are asked for.

    Args:
        label: what they are, for reports.
        kind: of the conditions.
        classes: names of the conditions' channels.
        translation: pairs of a condition and an exemplar of another layout.
        diverse: EXEMPLARS samples of each of some conditions, one behind the other.
        manipulation: samples whose exemplar is the picture before an edit.
        edited: whether they are; where no edits are known the exemplar is the truth itself.
        names: of the pictures that are read; empty where they are drawn.
    """

    __test__ = False  # no class of tests

    label: str
    kind: Kind
    classes: tuple[str, ...]
    translation: Samples
    diverse: Samples
    manipulation: Samples
    edited: bool = True
    names: tuple[str, ...] = ()

    def parts(self) -> dict[str, Samples]:
        """The three parts by name."""
        return {name: getattr(self, name) for name in ("translation", "diverse", "manipulation")}

    def digest(self) -> str:
        """Returns a hash that changes with the samples: of names, numbers and some pictures."""
        digest = hashlib.sha256(repr((self.label, self.classes, self.names)).encode())
        for part in self.parts().values():
            digest.update(str(len(part)).encode())
            for sample in (part[0], part[len(part) - 1]):
                for tensor in (sample.condition.regions, sample.exemplar, sample.truth):
                    digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()


def file_name(part: str, index: int) -> str:
    """Returns what the files of a sample are called, without their ending."""
    return f"{part}-{index:05d}"


def every(samples: Samples) -> Iterator[Sample]:
    """Yields samples in order."""
    return (samples[index] for index in range(len(samples)))


def scenes_test_set(counts: Counts, size: tuple[int, int], seed: int = HELD_OUT_SEED) -> TestSet:
    """Draws held-out scenes, whose true translations and edits are known.

    Args:
        counts: how many.
        size: height and width.
        seed: of the scenes, one that no training uses.
    """
    pairs = Scenes(counts.pairs, size, seed)
    edits: list[Sample] = []
    number = 0
    while len(edits) < counts.edits:
        edits += _scene_edits(seed + number, size)
        number += 1
    return TestSet(
        label=f"generated scenes of seed {seed}, {size[0]}x{size[1]}",
        kind="semantic",
        classes=CLASSES,
        translation=pairs,
        diverse=_SceneExemplars(pairs, min(counts.diverse, counts.pairs)),
        manipulation=edits[: counts.edits],
    )


def folder_test_set(
    source: Source,
    counts: Counts,
    size: tuple[int, int],
    held_out: Sequence[str],
    edits: Source | None = None,
) -> TestSet:
    """Opens what a training on a folder has held out.

    Where the folder has pairs with a truth, those of held-out pictures are translated, or all pairs
    if none is. Otherwise every held-out picture's condition is, with its first reference as
    exemplar; then no truth is known, and figures that need one are left out.

    Args:
        source: the folder.
        counts: how many samples.
        size: height and width.
        held_out: names of the pictures that were not trained on.
        edits: a folder of edits with their truths, as `rabit data edits` writes it, of which those
            of pictures that were trained on are left out; None to have the held-out pictures
            translated with themselves as exemplars.

    Raises:
        ValueError: less than two pictures or edits are held out, or the folders' conditions differ.
    """
    names = set(held_out)
    held = [index for index, name in enumerate(source.names) if name in names]
    if len(held) < 2:
        raise ValueError(
            f"{source.root}: {len(held)} pictures are held out, but measuring takes 2 or more; "
            "train with a larger share held out"
        )
    chosen = held
    if source.pair_count:
        stems = {str(PurePosixPath(name).with_suffix("")) for name in names}
        rows = range(source.pair_count)
        chosen = [row for row in rows if source.pair_names[row] in stems] or list(rows)
    pairs = SourceCorpus(source, size, train=False, indices=chosen[: counts.pairs])
    other: Samples = _Itself(source, held[: counts.edits], size)
    if edits is not None:
        if edits.channels != source.channels or not edits.pair_count:
            raise ValueError(
                f"{edits.root}: expected pairs.csv and the classes of {source.root}; rabit data "
                "edits writes such a folder"
            )
        unseen = _unseen_edits(edits, set(source.names) - names)
        other = SourceCorpus(edits, size, train=False, indices=unseen[: counts.edits])
    return TestSet(
        label=f"{len(pairs)} held out of {source.root.name}, {size[0]}x{size[1]}",
        kind=source.kind,
        classes=source.channels,
        translation=pairs,
        diverse=_Exchanged(pairs, min(counts.diverse, len(pairs))),
        manipulation=other,
        edited=edits is not None,
        names=tuple(sorted(names)),
    )


def _unseen_edits(edits: Source, trained: set[str]) -> list[int]:
    """Returns the rows of a folder's edits that are of none of the pictures trained on."""
    path = edits.root / TABLE
    sources = [""] * edits.pair_count
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as lines:
            sources = [row["source"] for row in csv.DictReader(lines)]
    rows = [row for row, source in enumerate(sources) if source not in trained]
    if len(rows) < 2:
        raise ValueError(
            f"{edits.root}: {len(rows)} of {len(sources)} edits are of pictures that were not "
            "trained on, but measuring takes 2 or more; make more edits, or make them of pictures "
            "that are held out"
        )
    return rows


def _scene_edits(seed: int, size: tuple[int, int]) -> list[Sample]:
    """Returns edits of scenes: the photograph is the exemplar of its own edited map."""
    return [
        Sample(
            condition=PictureCondition(torch.from_numpy(edit.edited).long()),
            exemplar=to_tensor(edit.image),
            exemplar_condition=PictureCondition(torch.from_numpy(edit.labels).long()),
            truth=to_tensor(edit.truth),
            paired=True,
            name=f"edit-{seed}-{number}",
        )
        for number, edit in enumerate(sample_edits(seed, size))
    ]


class _SceneExemplars:
    """EXEMPLARS samples of each of the first scenes."""

    def __init__(self, scenes: Scenes, conditions: int) -> None:
        self.scenes = scenes
        self.conditions = conditions

    def __len__(self) -> int:
        return self.conditions * EXEMPLARS

    def __getitem__(self, index: int, /) -> Sample:
        scene, which = divmod(index, EXEMPLARS)
        own, drawn = self.scenes[scene], self.scenes.exemplars(scene, which + 1)[which]
        return replace(
            own,
            exemplar=to_tensor(drawn.image),
            exemplar_condition=PictureCondition(torch.from_numpy(drawn.labels).long()),
            truth=to_tensor(drawn.truth),
            name=f"{own.name}-{which}",
        )


class _Exchanged:
    """The first conditions with their own exemplar and those of the pairs that follow."""

    def __init__(self, pairs: SourceCorpus, conditions: int) -> None:
        self.pairs = pairs
        self.conditions = conditions

    def __len__(self) -> int:
        return self.conditions * EXEMPLARS

    def __getitem__(self, index: int, /) -> Sample:
        number, which = divmod(index, EXEMPLARS)
        own, other = self.pairs[number], self.pairs[(number + which) % len(self.pairs)]
        return replace(
            own,
            exemplar=other.exemplar,
            exemplar_condition=other.exemplar_condition,
            paired=own.paired and which == 0,
            name=f"{own.name}-{which}",
        )


class _Itself:
    """Pictures that are their own exemplars."""

    def __init__(self, source: Source, chosen: Sequence[int], size: tuple[int, int]) -> None:
        self.source = source
        self.chosen = chosen
        self.view = View.whole(size)

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int, /) -> Sample:
        picture, name = self.source.load(self.chosen[index]), self.source.names[self.chosen[index]]
        return make_sample(picture, self.view, picture, self.view, True, name)
