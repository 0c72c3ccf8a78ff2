"""Which samples each step sees: a function of seed and step alone, so a run can go on anywhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Sampler

from rabit.config import TrainConfig
from rabit.data.batch import PackedBatch, Sample, pack
from rabit.training.stopping import SIGNALS


class Corpus(Protocol):
    """A data set with named classes, whose views may change from epoch to epoch."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by id."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that the next samples belong to."""


@dataclass(frozen=True)
class Share:
    """Which part of every batch a process reads.

    Args:
        rank: of the process.
        processes: how many share a batch.
        parts: into how many each cuts its share, one after the other.
    """

    rank: int = 0
    processes: int = 1
    parts: int = 1


class StepBatches(Sampler[list[int]]):
    """Parts of the batches from one step to another, reshuffled each epoch.

    An index is `epoch * count + item`, so that corpora can draw their augmentation from it. A step
    has `share.parts` lists; those of all processes together are its batch, whatever their number.

    Args:
        count: number of samples of the corpus.
        batch: samples a step, a multiple of processes x parts.
        first: first step.
        last: step to stop in front of.
        seed: seed of the shuffles.
        share: of every batch, for this process.
    """

    def __init__(
        self, count: int, batch: int, first: int, last: int, seed: int, share: Share | None = None
    ) -> None:
        if count < 1:
            raise ValueError("the corpus has no samples, expected at least one")
        self.count, self.batch, self.first, self.last, self.seed = count, batch, first, last, seed
        self.share = share or Share()

    def __len__(self) -> int:
        return max(self.last - self.first, 0) * self.share.parts

    def __iter__(self) -> Iterator[list[int]]:
        share, epoch, order = self.share, -1, torch.empty(0, dtype=torch.long)
        size = self.batch // (share.processes * share.parts)
        for step in range(self.first, self.last):
            indices = []
            for position in range(step * self.batch, (step + 1) * self.batch):
                if position // self.count != epoch:
                    epoch = position // self.count
                    order = self._shuffle(epoch)
                indices.append(epoch * self.count + int(order[position % self.count]))
            for part in range(share.parts):
                start = (part * share.processes + share.rank) * size
                yield indices[start : start + size]

    def _shuffle(self, epoch: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return torch.randperm(self.count, generator=generator)


def training_batches(
    corpus: Corpus, config: TrainConfig, first: int, share: Share | None = None
) -> DataLoader[PackedBatch]:
    """Returns the parts of batches that a process reads in a training, from a step on.

    Args:
        corpus: training samples.
        config: batch, steps, seed and the number of processes that prepare samples.
        first: the first step.
        share: of every batch, for this process.
    """
    dataset: Any = _Epochs(corpus)
    # Samples are the same whatever their number; more than the cores are in each other's way.
    workers = min(config.workers, _usable_cores())
    return DataLoader(
        dataset,
        batch_sampler=StepBatches(
            len(corpus), config.batch, first, config.steps, config.seed, share
        ),
        num_workers=workers,
        collate_fn=_Collate(len(corpus.classes)),
        persistent_workers=workers > 0,
        worker_init_fn=_leave_signals,
        # Of its own: a loader draws a number whenever it starts, also when a run is resumed.
        generator=torch.Generator().manual_seed(config.seed),
    )


def _usable_cores() -> int:
    """Returns the cores that this process may use."""
    allowed: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)  # Linux
    return os.cpu_count() or 1 if allowed is None else len(allowed(0))


def _leave_signals(worker: int) -> None:
    """Keeps a worker alive when Ctrl-C or SIGTERM reach all processes of a job.

    The step that the training ends before it stops may need samples. Workers end with the loader,
    or when the process that started them is gone.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@dataclass(frozen=True)
class _Epochs:
    """Reads the indices of `StepBatches`, epoch * len + item, from a corpus."""

    corpus: Corpus

    def __len__(self) -> int:
        return len(self.corpus)

    def __getitem__(self, index: int) -> Sample:
        epoch, item = divmod(index, len(self.corpus))
        self.corpus.set_epoch(epoch)
        return self.corpus[item]


@dataclass(frozen=True)
class _Collate:
    """Collates samples of a corpus with this many classes; picklable for worker processes."""

    classes: int

    def __call__(self, samples: list[Sample]) -> PackedBatch:
        return pack(samples, self.classes)
