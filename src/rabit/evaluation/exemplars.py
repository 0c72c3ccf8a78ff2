"""Conditions with their exemplars: several of each, the picture itself, or edits of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F

from rabit.config import Fit
from rabit.data.batch import PictureCondition, Sample
from rabit.data.corpus import SourceCorpus, cover, make_sample, middle
from rabit.data.images import to_tensor
from rabit.data.scenes import Scenes
from rabit.data.source import Source, TestPair
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

    def __init__(
        self, source: Source, chosen: Sequence[int], size: tuple[int, int], fit: Fit = "stretch"
    ) -> None:
        self.source = source
        self.chosen = chosen
        self.view = View.whole(size)
        self.place = middle(fit)

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int, /) -> Sample:
        picture, name = self.source.load(self.chosen[index]), self.source.names[self.chosen[index]]
        return make_sample(picture, self.view, picture, self.view, True, name, self.place)


class Edited:
    """Edits with their truths; of pictures that keep their shape the part around the edit is seen.

    Args:
        source: a folder of edits, whose pairs are of one size each.
        rows: of its pairs.
        size: height and width of the samples.
        fit: what becomes of pictures of another shape, see `SourceCorpus`.
    """

    def __init__(
        self, source: Source, rows: Sequence[int], size: tuple[int, int], fit: Fit = "stretch"
    ) -> None:
        self.source = source
        self.rows = rows
        self.view = View.whole(size)
        self.fit = fit

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int, /) -> Sample:
        pair = self.source.load_pair(self.rows[index])
        place = self._place(pair) if self.fit == "crop" else None
        return make_sample(pair.truth, self.view, pair.exemplar, self.view, True, pair.name, place)

    def _place(self, pair: TestPair) -> tuple[float, float]:
        """Returns which part is seen: of those with most of the edit the one around its middle."""
        size = pair.truth.size
        whole = View.whole(size)
        after, before = (side.condition(whole).regions for side in (pair.truth, pair.exemplar))
        seen, edited = cover(self.view, pair.truth, (0.5, 0.5), pair.name), after != before
        place = []
        for axis in (0, 1):
            changed, over = edited.sum(1 - axis), seen.scaled[axis] - seen.size[axis]
            where = changed.nonzero()
            if not len(where) or not over:
                place.append(0.5)
                continue
            factor = size[axis] / seen.scaled[axis]
            ends = torch.arange(over + 1)[:, None] + torch.tensor([0, seen.size[axis]])
            shown = F.pad(changed.cumsum(0), (1, 0))[(ends * factor).round().long()].diff()[:, 0]
            centre = float(where.min() + where.max() + 1) / 2
            away = (ends.double().mean(1) * factor - centre).abs()
            away[shown < shown.max()] = torch.inf
            place.append(int(away.argmin()) / over)
        return place[0], place[1]
