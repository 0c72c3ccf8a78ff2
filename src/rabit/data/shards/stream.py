"""Training samples in the order in which shards are read, for many workers and processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch.utils.data import IterableDataset, get_worker_info

from rabit.config import ExemplarMix, Fit
from rabit.data.batch import Sample
from rabit.data.corpus import SourceCorpus
from rabit.data.shards.source import ShardSource


class ShardStream(IterableDataset[Sample]):
    """The training samples of a folder of shards, shard after shard.

    The samples are those of a `SourceCorpus` over the same source, drawn from (seed, epoch, index);
    their order alone differs. In an epoch the shards come in a random order and pictures are
    shuffled within a window of that order, so that what is read lies in few files at a time; only
    exemplars may come from any. Each process takes its part of the order, and each of its workers a
    part of that one: together they yield every sample once, and the parts of processes differ in
    length by one sample at most.

    Args:
        source: the shards.
        size: height and width of the samples, in pixels.
        seed: of order, views and exemplars, 0 or more.
        mix: where exemplars come from.
        indices: which pictures to yield; None for all.
        window: how many pictures are shuffled together, 1 or more; 1 keeps the order in shards.
        rank: number of this process, from 0.
        world: number of processes.
        fit: what becomes of pictures of another shape, see `SourceCorpus`.

    Raises:
        ValueError: the references or an argument are not as described; a file is named.
    """

    def __init__(
        self,
        source: ShardSource,
        size: tuple[int, int],
        seed: int = 0,
        mix: ExemplarMix | None = None,
        indices: Sequence[int] | None = None,
        window: int = 1024,
        rank: int = 0,
        world: int = 1,
        fit: Fit = "stretch",
    ) -> None:
        if window < 1:
            raise ValueError(f"window is {window}, expected 1 or more pictures")
        if not 0 <= rank < world:
            raise ValueError(f"rank is {rank} of {world} processes, expected 0 to {world - 1}")
        self._per_shard = source.index.per_shard
        self._corpus = SourceCorpus(source, size, seed, True, mix, indices, fit=fit)
        self._pictures = np.arange(len(source)) if indices is None else np.array(indices)
        self._seed = seed
        self._window = window
        self._rank, self._world = rank, world
        # Shared with workers, which may live longer than an epoch.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the conditions' channels; of semantic maps the classes, by id."""
        return self._corpus.classes

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order, views and exemplars of an epoch, 0 or more, also in workers."""
        if epoch < 0:
            raise ValueError(f"epoch is {epoch}, expected 0 or more")
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        """How many samples this process yields in an epoch, by all of its workers."""
        return len(_part(self._pictures, self._rank, self._world))

    def __iter__(self) -> Iterator[Sample]:
        """Yields the part of an epoch that belongs to this process and worker."""
        epoch = int(self._epoch)
        self._corpus.set_epoch(epoch)
        own = _part(self._order(epoch), self._rank, self._world)
        worker = get_worker_info()
        if worker is not None:
            own = _part(own, worker.id, worker.num_workers)
        for index in own.tolist():
            yield self._corpus[index]

    def _order(self, epoch: int) -> Int64[np.ndarray, " samples"]:
        """Returns the order of an epoch, the same in every process."""
        # Four numbers: samples are drawn from three.
        rng = np.random.default_rng((self._seed, epoch, 0, 1))
        shard = self._pictures // self._per_shard
        place = np.empty(int(shard.max()) + 1, dtype=np.int64)
        place[rng.permutation(len(place))] = np.arange(len(place))
        order = np.lexsort((self._pictures, place[shard]))
        for start in range(0, len(order), self._window):
            rng.shuffle(order[start : start + self._window])
        return order


def _part(order: np.ndarray, number: int, count: int) -> np.ndarray:
    """Returns one of `count` parts that follow one another, as equal in length as can be."""
    return order[len(order) * number // count : len(order) * (number + 1) // count]
