from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from rabit.config import ExemplarMix
from rabit.data.batch import Sample
from rabit.data.corpus import SourceCorpus
from rabit.data.layouts.folder import FolderSource
from rabit.data.shards import stream as stream_module
from rabit.data.shards.source import ShardSource
from rabit.data.shards.stream import ShardStream
from rabit.data.shards.writer import write_shards
from shard_pictures import assert_same_samples

SIZE = (16, 24)
COUNT = 11


@pytest.fixture
def source(corpus: Path, tmp_path: Path) -> ShardSource:
    """Four shards of 3, 3, 3 and 2 pictures."""
    write_shards(FolderSource(corpus), "folder", tmp_path / "shards", 3)
    return ShardSource(tmp_path / "shards")


def _names(samples: Sequence[Sample] | ShardStream) -> list[str]:
    return [sample.name for sample in samples]


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


class _Worker:
    """What a worker process knows of itself."""

    def __init__(self, number: int, count: int) -> None:
        self.id, self.num_workers = number, count


def _epoch(
    monkeypatch: pytest.MonkeyPatch, source: ShardSource, workers: int, world: int, epoch: int
) -> list[list[Sample]]:
    """The samples of each worker of each process."""
    parts = []
    for rank in range(world):
        stream = ShardStream(source, SIZE, seed=3, rank=rank, world=world)
        stream.set_epoch(epoch)
        own = []
        for worker in range(max(workers, 1)):
            info = _Worker(worker, workers) if workers else None
            monkeypatch.setattr(stream_module, "get_worker_info", lambda info=info: info)
            own.append(list(stream))
        assert len(stream) == sum(map(len, own))
        parts += own
    return parts


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_every_picture_comes_once_with_its_own_sample(
    monkeypatch: pytest.MonkeyPatch, source: ShardSource, workers: int, world: int
) -> None:
    expected = SourceCorpus(source, SIZE, seed=3)
    for epoch in (0, 1):
        expected.set_epoch(epoch)
        parts = _epoch(monkeypatch, source, workers, world, epoch)
        yielded = sorted(itertools.chain(*parts), key=lambda sample: sample.name)
        assert_same_samples(yielded, sorted(expected, key=lambda sample: sample.name))
        assert max(map(len, parts)) - min(map(len, parts)) <= 2


def test_pictures_may_keep_their_shape(source: ShardSource) -> None:
    size = (SIZE[0], 2 * SIZE[1])
    yielded = sorted(ShardStream(source, size, seed=3, fit="crop"), key=lambda each: each.name)
    expected = SourceCorpus(source, size, seed=3, fit="crop")
    assert_same_samples(yielded, sorted(expected, key=lambda sample: sample.name))
    stretched = SourceCorpus(source, size, seed=3)
    assert any(
        not torch.equal(one.truth, other.truth)
        for one, other in zip(expected, stretched, strict=True)
    )


def test_the_parts_of_processes_are_parts_of_one_order(source: ShardSource) -> None:
    whole = _names(ShardStream(source, SIZE, seed=3))
    for world in (2, 3, 11, 20):
        streams = [
            ShardStream(source, SIZE, seed=3, rank=rank, world=world) for rank in range(world)
        ]
        assert sum((_names(stream) for stream in streams), []) == whole
        assert max(map(len, streams)) - min(map(len, streams)) <= 1


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_worker_processes_yield_each_picture_once(source: ShardSource, workers: int) -> None:
    stream = ShardStream(source, SIZE, seed=3)
    options: dict[str, Any] = {"persistent_workers": True} if workers else {}
    loader = DataLoader(stream, batch_size=2, num_workers=workers, collate_fn=list, **options)
    expected = SourceCorpus(source, SIZE, seed=3)
    for epoch in (0, 2, 2):
        stream.set_epoch(epoch)
        expected.set_epoch(epoch)
        yielded = sorted(itertools.chain(*loader), key=lambda sample: sample.name)
        assert_same_samples(yielded, sorted(expected, key=lambda sample: sample.name))


def test_order_follows_from_seed_and_epoch(source: ShardSource) -> None:
    orders = []
    for seed, epoch in ((0, 0), (0, 1), (1, 0)):
        stream = ShardStream(source, SIZE, seed=seed)
        stream.set_epoch(epoch)
        first = _names(stream)
        assert _names(stream) == first
        orders.append(tuple(first))
    assert len(set(orders)) == 3
    assert all(sorted(order) == sorted(orders[0]) for order in orders)


def test_a_window_of_one_keeps_the_order_in_each_shard(source: ShardSource) -> None:
    names = [_stem(name) for name in source.names]
    shards = [names[0:3], names[3:6], names[6:9], names[9:]]
    begun = Counter[str]()
    for epoch in range(8):
        stream = ShardStream(source, SIZE, window=1)
        stream.set_epoch(epoch)
        order = _names(stream)
        begun[order[0]] += 1
        while order:
            shard = next(shard for shard in shards if shard[0] == order[0])
            assert order[: len(shard)] == shard
            order = order[len(shard) :]
    assert len(begun) >= 3


def test_a_window_mixes_pictures_of_several_shards(source: ShardSource) -> None:
    place = {_stem(name): i // 3 for i, name in enumerate(source.names)}
    shards = [place[name] for name in _names(ShardStream(source, SIZE))]
    assert sum(a != b for a, b in itertools.pairwise(shards)) > 5


def test_only_chosen_pictures_come(source: ShardSource) -> None:
    chosen = (9, 0, 4, 5)
    stream = ShardStream(source, SIZE, seed=3, indices=chosen)
    yielded = sorted(stream, key=lambda sample: sample.name)
    expected = SourceCorpus(source, SIZE, seed=3, indices=chosen)
    assert_same_samples(yielded, sorted(expected, key=lambda sample: sample.name))
    assert len(stream) == 4


def test_a_split_within_one_shard_comes(source: ShardSource) -> None:
    assert sorted(_names(ShardStream(source, SIZE, indices=(10, 9)))) == ["09", "10"]


def test_the_mix_is_used(source: ShardSource) -> None:
    assert all(sample.paired for sample in ShardStream(source, SIZE, mix=ExemplarMix(0, 0, 1)))
    assert not any(sample.paired for sample in ShardStream(source, SIZE, mix=ExemplarMix(0, 1, 0)))


def test_classes_are_those_of_the_source(source: ShardSource) -> None:
    assert ShardStream(source, SIZE).classes == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"window": 0}, "window is 0, expected 1 or more"),
        ({"rank": 2, "world": 2}, "rank is 2 of 2 processes, expected 0 to 1"),
        ({"rank": -1}, "rank is -1 of 1 process"),
        ({"world": 0}, "rank is 0 of 0 processes"),
        ({"seed": -1}, "seed is -1"),
        ({"indices": [11]}, r"indices hold \[11\]"),
    ],
)
def test_wrong_arguments_are_refused(
    source: ShardSource, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ShardStream(source, SIZE, **options)
    with pytest.raises(ValueError, match="epoch is -1"):
        ShardStream(source, SIZE).set_epoch(-1)
