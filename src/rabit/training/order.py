"""Which samples each step sees: a function of seed and step alone, so a run can go on anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler


class StepBatches(Sampler[list[int]]):
    """Batches of indices from one step to another, reshuffled each epoch.

    An index is `epoch * count + item`, so that corpora can draw their augmentation from it.

    Args:
        count: number of samples of the corpus.
        batch: samples a step.
        first: first step.
        last: step to stop in front of.
        seed: seed of the shuffles.
    """

    def __init__(self, count: int, batch: int, first: int, last: int, seed: int) -> None:
        if count < 1:
            raise ValueError("the corpus has no samples, expected at least one")
        self.count, self.batch, self.first, self.last, self.seed = count, batch, first, last, seed

    def __len__(self) -> int:
        return max(self.last - self.first, 0)

    def __iter__(self) -> Iterator[list[int]]:
        epoch, order = -1, torch.empty(0, dtype=torch.long)
        for step in range(self.first, self.last):
            indices = []
            for position in range(step * self.batch, (step + 1) * self.batch):
                if position // self.count != epoch:
                    epoch = position // self.count
                    order = self._shuffle(epoch)
                indices.append(epoch * self.count + int(order[position % self.count]))
            yield indices

    def _shuffle(self, epoch: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return torch.randperm(self.count, generator=generator)
