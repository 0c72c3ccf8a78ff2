"""What methods are measured on: held-out conditions with several exemplars each, and edits."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

import torch

from rabit.config import Fit, Kind
from rabit.data.batch import PictureCondition, Sample
from rabit.data.corpus import SourceCorpus
from rabit.data.edits.files import TABLE
from rabit.data.images import to_tensor
from rabit.data.scenes import CLASSES, Scenes
from rabit.data.scenes.edits import sample_edits
from rabit.data.source import Source
from rabit.evaluation.exemplars import Edited, Exchanged, Itself, SceneExemplars
from rabit.evaluation.showcase import HELD_OUT_SEED

EXEMPLARS = 3
"""Exemplars that every condition is translated with (paper 4.2)."""

PARTS = ("translation", "manipulation")


class Samples(Protocol):
    """Samples by their number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


@dataclass(frozen=True)
class Counts:
    """How many held-out samples are measured, at most.

    Args:
        conditions: that are translated, each with `exemplars` exemplars.
        edits: that are made.
        exemplars: of a condition.

    Raises:
        ValueError: there are less than two conditions or edits, or no exemplar.
    """

    conditions: int
    edits: int
    exemplars: int = EXEMPLARS

    def __post_init__(self) -> None:
        for name, fewest in (("conditions", 2), ("edits", 2), ("exemplars", 1)):
            if getattr(self, name) < fewest:
                raise ValueError(f"{name}: {getattr(self, name)}, expected {fewest} or more")


@dataclass(frozen=True)
class TestSet:
    """Held-out samples in two parts; pictures are read or drawn as they are asked for.

    Args:
        label: what they are, for reports.
        kind: of the conditions.
        classes: names of the conditions' channels.
        translation: samples whose exemplar has another layout, `exemplars` of each condition, one
            behind the other.
        exemplars: of a condition.
        manipulation: samples whose exemplar is the picture before an edit.
        edited: whether they are; where no edits are known the exemplar is the truth itself.
        conditions: which photograph's condition each of those translated is, by number; empty if
            each is another's.
        sources: which photograph each of the edits is of, likewise.
        names: of the held-out pictures; empty where they are drawn.
        others: names of the data's other pictures.
        measured: names of the photographs whose conditions, or edits, are measured, each once;
            without those that have no name in the data.
        protocols: of PARTS, those that are measured.
    """

    __test__ = False  # no class of tests

    label: str
    kind: Kind
    classes: tuple[str, ...]
    translation: Samples
    exemplars: int
    manipulation: Samples
    edited: bool = True
    conditions: tuple[int, ...] = ()
    sources: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    protocols: tuple[str, ...] = PARTS

    def parts(self) -> dict[str, Samples]:
        """The parts by name."""
        return {name: getattr(self, name) for name in self.protocols}

    def clusters(self, part: str) -> tuple[int, ...]:
        """Numbers what samples have in common: their condition, or the photograph they edit.

        Args:
            part: of the test set.

        Returns:
            A number a sample; samples with the same one are no independent draws.
        """
        count = len(self.parts()[part])
        if part == "translation":
            numbers = self.conditions or range(count // self.exemplars)
            return tuple(number for number in numbers for _ in range(self.exemplars))
        return self.sources or tuple(range(count))

    def digest(self) -> str:
        """Returns a hash that changes with the samples, all of which are read."""
        told = (self.classes, self.exemplars, self.names)
        digest = hashlib.sha256(repr(told).encode())
        for part in self.parts().values():
            digest.update(str(len(part)).encode())
            for sample in every(part):
                conditions = (sample.condition, sample.exemplar_condition)
                maps = [tensor for c in conditions for tensor in (c.regions, c.channels)]
                for tensor in (*maps, sample.exemplar, sample.truth):
                    if tensor is not None:
                        digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()


def file_name(part: str, index: int) -> str:
    """Returns what the files of a sample are called, without their ending."""
    return f"{part}-{index:05d}"


def every(samples: Samples) -> Iterator[Sample]:
    """Yields samples in order."""
    return (samples[index] for index in range(len(samples)))


def scenes_test_set(
    counts: Counts,
    size: tuple[int, int],
    seed: int = HELD_OUT_SEED,
    protocols: tuple[str, ...] = PARTS,
) -> TestSet:
    """Draws held-out scenes, whose true translations and edits are known.

    Args:
        counts: how many.
        size: height and width.
        seed: of the scenes, one that no training uses.
        protocols: of PARTS, those that are measured.
    """
    scenes = Scenes(counts.conditions, size, seed)
    edits: list[Sample] = []
    number = 0
    while len(edits) < counts.edits:
        edits += _scene_edits(seed + number, size)
        number += 1
    return TestSet(
        label=f"generated scenes of seed {seed}, {size[0]}x{size[1]}",
        kind="semantic",
        classes=CLASSES,
        translation=SceneExemplars(scenes, counts.exemplars),
        exemplars=counts.exemplars,
        manipulation=edits[: counts.edits],
        protocols=protocols,
    )


def folder_test_set(
    source: Source,
    counts: Counts,
    size: tuple[int, int],
    held_out: Sequence[str],
    edits: Source | None = None,
    protocols: tuple[str, ...] = PARTS,
    fit: Fit = "stretch",
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
        protocols: of PARTS, those that are measured.
        fit: what becomes of pictures of another shape, see `SourceCorpus`.

    Raises:
        ValueError: less than two pictures or edits are held out, or the folders' conditions differ.
    """
    names = set(held_out)
    held = [index for index, name in enumerate(source.names) if name in names]
    if len(held) < 2:
        raise ValueError(
            f"{source.root}: {len(held)} pictures are held out, but measuring takes 2 or more; "
            "hold out more of them"
        )
    chosen, owners = held, [source.names[index] for index in held]
    if source.pair_count:
        stems = {_stem(name) for name in names}
        every_row = range(source.pair_count)
        chosen = [r for r in every_row if source.pair_names[r] in stems] or list(every_row)
        owners = [source.pair_names[row] for row in chosen]
    pairs = SourceCorpus(source, size, train=False, indices=chosen, fit=fit)
    conditions = min(counts.conditions, len(pairs))
    exemplars = min(counts.exemplars, len(pairs))
    other: Samples = Itself(source, held[: counts.edits], size, fit)
    sources: tuple[int, ...] = ()
    shown = [source.names[index] for index in held[: counts.edits]]
    if edits is not None:
        if edits.channels != source.channels or not edits.pair_count:
            raise ValueError(
                f"{edits.root}: expected pairs.csv and the classes of {source.root}; rabit data "
                "edits writes such a folder"
            )
        unseen = _unseen_edits(edits, set(source.names) - names)
        rows = list(unseen)[: counts.edits]
        other = Edited(edits, rows, size, fit)
        shown = [unseen[row] for row in rows]
        sources = tuple(_numbered(shown))
    share = "held out of" if len(names) < len(source.names) else "of all"
    return TestSet(
        label=f"{conditions} {share} {source.root.name}, {size[0]}x{size[1]}"
        + (", cropped" if fit == "crop" else ""),
        kind=source.kind,
        classes=source.channels,
        translation=Exchanged(pairs, conditions, exemplars),
        exemplars=exemplars,
        manipulation=other,
        edited=edits is not None,
        conditions=tuple(_numbered(owners[:conditions])),
        sources=sources,
        protocols=protocols,
        names=tuple(sorted(names)),
        others=tuple(sorted(set(source.names) - names)),
        measured=_measured(source, protocols, owners[:conditions], shown),
    )


def _measured(
    source: Source, protocols: tuple[str, ...], owners: Sequence[str], shown: Sequence[str]
) -> tuple[str, ...]:
    """Returns the names of the photographs that are measured.

    Args:
        source: the folder.
        protocols: of PARTS, those that are measured.
        owners: of the conditions that are translated; those of pairs have no ending.
        shown: the photographs that are edited, or their own exemplars.
    """
    known = {_stem(name): name for name in source.names} | {name: name for name in source.names}
    by_part = {"translation": owners, "manipulation": shown}
    named = [name for part in protocols for name in by_part[part]]
    return tuple(dict.fromkeys(known[name] for name in named if name in known))


def _unseen_edits(edits: Source, trained: set[str]) -> dict[int, str]:
    """Returns the rows of a folder's edits of pictures that were not trained on, with these."""
    path = edits.root / TABLE
    sources = [f"{row} of {edits.root}" for row in range(edits.pair_count)]
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as lines:
            sources = [row["source"] for row in csv.DictReader(lines)]
    rows = {row: source for row, source in enumerate(sources) if source not in trained}
    if len(rows) < 2:
        raise ValueError(
            f"{edits.root}: {len(rows)} of {len(sources)} edits are of pictures that were not "
            "trained on, but measuring takes 2 or more; make more edits, or make them of pictures "
            "that are held out"
        )
    return rows


def _stem(name: str) -> str:
    """Returns a picture's name without its ending."""
    return str(PurePosixPath(name).with_suffix(""))


def _numbered(names: Sequence[str]) -> list[int]:
    """Numbers names by their first occurrence."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]


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
