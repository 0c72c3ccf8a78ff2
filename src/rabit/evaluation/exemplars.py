"""Conditions with their exemplars: several of each, or the picture itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from rabit.data.batch import PictureCondition, Sample
from rabit.data.corpus import SourceCorpus, make_sample
from rabit.data.images import to_tensor
from rabit.data.scenes import Scenes
from rabit.data.source import Source
from rabit.data.transforms import View

# Pairs that are looked at for each exemplar of a condition.
_LOOKED_AT = 8


class SceneExemplars:
    """Samples of each scene with as many exemplars, its own first."""

    def __init__(self, scenes: Scenes, exemplars: int) -> None:
        self.scenes = scenes
        self.exemplars = exemplars

    def __len__(self) -> int:
        return len(self.scenes) * self.exemplars

    def __getitem__(self, index: int, /) -> Sample:
        scene, which = divmod(index, self.exemplars)
        own, drawn = self.scenes[scene], self.scenes.exemplars(scene, which + 1)[which]
        return replace(
            own,
            exemplar=to_tensor(drawn.image),
            exemplar_condition=PictureCondition(torch.from_numpy(drawn.labels).long()),
            truth=to_tensor(drawn.truth),
            name=f"{own.name}-{which}",
        )


class Exchanged:
    """The first conditions with their own exemplar and those of the pairs that follow.

    Lists of references name one picture for several others, and two pictures for each other: a
    pair that follows is passed over where its exemplar is one that the condition has already, or
    its own photograph, unless there are too few.
    """

    def __init__(self, pairs: SourceCorpus, conditions: int, exemplars: int) -> None:
        self.pairs = pairs
        self.conditions = conditions
        self.exemplars = exemplars
        self._lenders: dict[int, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return self.conditions * self.exemplars

    def __getitem__(self, index: int, /) -> Sample:
        number, which = divmod(index, self.exemplars)
        own, other = self.pairs[number], self.pairs[self._lender(number, which)]
        return replace(
            own,
            exemplar=other.exemplar,
            exemplar_condition=other.exemplar_condition,
            paired=own.paired and which == 0,
            name=f"{own.name}-{which}",
        )

    def _lender(self, number: int, which: int) -> int:
        """Returns the pair whose exemplar is that of a condition; the first is its own."""
        if which == 0:
            return number
        if number not in self._lenders:
            own = self.pairs[number]
            seen, found, passed = [own.exemplar, own.truth], [number], list[int]()
            for step in range(1, min(len(self.pairs), _LOOKED_AT * self.exemplars)):
                if len(found) == self.exemplars:
                    break
                other = (number + step) % len(self.pairs)
                exemplar = self.pairs[other].exemplar
                if any(torch.equal(exemplar, each) for each in seen):
                    passed.append(other)
                else:
                    found.append(other)
                    seen.append(exemplar)
            self._lenders[number] = (*found, *passed)
        return self._lenders[number][which]


class Itself:
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
