from __future__ import annotations

import numpy as np
import pytest
import torch

from rabit.data.batch import collate
from rabit.data.scenes import CLASSES, Scenes


def test_a_sample_is_what_networks_read() -> None:
    scenes = Scenes(3, size=(64, 96), seed=5)
    sample = scenes[2]
    assert len(scenes) == 3
    assert scenes.classes == CLASSES
    assert sample.name == "scene-5-2"
    assert sample.paired
    for labels in (sample.condition.regions, sample.exemplar_condition.regions):
        assert labels.shape == (64, 96)
        assert labels.dtype == torch.int64
    for image in (sample.exemplar, sample.truth):
        assert image.shape == (3, 64, 96)
        assert image.dtype == torch.float32
        assert -1 <= image.min() < -0.2 and 0.2 < image.max() <= 1
    batch = collate([scenes[0], scenes[1]], len(scenes.classes))
    assert batch.condition.channels.shape == (2, len(CLASSES), 64, 96)


def test_an_item_depends_on_seed_index_and_size_only() -> None:
    item = Scenes(10, size=(64, 64), seed=3)[4]
    again = Scenes(5, size=(64, 64), seed=3)[4]
    other = Scenes(10, size=(64, 64), seed=4)[4]
    assert torch.equal(item.condition.regions, again.condition.regions)
    assert torch.equal(item.exemplar, again.exemplar)
    assert torch.equal(item.truth, again.truth)
    assert not torch.equal(item.condition.regions, other.condition.regions)
    assert not torch.equal(item.condition.regions, item.exemplar_condition.regions)


def test_iteration_ends_after_the_last_item() -> None:
    scenes = Scenes(3, size=(64, 64))
    assert [sample.name for sample in scenes] == ["scene-0-0", "scene-0-1", "scene-0-2"]  # type: ignore[attr-defined]
    for index in (3, -1):
        with pytest.raises(IndexError, match=f"scene {index} of a corpus of 3"):
            scenes[index]


def test_several_exemplars_begin_with_the_items_own() -> None:
    scenes = Scenes(2, size=(64, 64), seed=1)
    sample, exemplars = scenes[1], scenes.exemplars(1, 3)
    assert len(exemplars) == 3
    assert np.array_equal(exemplars[0].labels, sample.exemplar_condition.regions.numpy())
    for image, tensor in (
        (exemplars[0].image, sample.exemplar),
        (exemplars[0].truth, sample.truth),
    ):
        assert image.dtype == np.uint8
        assert np.array_equal(image.transpose(2, 0, 1), np.rint((tensor.numpy() + 1) * 127.5))
    assert not np.array_equal(exemplars[0].labels, exemplars[1].labels)
    assert not np.array_equal(exemplars[0].truth, exemplars[1].truth)
    with pytest.raises(ValueError, match="count 0 of exemplars"):
        scenes.exemplars(1, 0)


@pytest.mark.parametrize(
    ("count", "size", "seed", "message"),
    [
        (-1, (64, 64), 0, "count -1"),
        (1, (64, 64), -2, "seed -2"),
        (1, (64, 63), 0, "size 64 x 63"),
    ],
)
def test_bad_arguments_are_refused(
    count: int, size: tuple[int, int], seed: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Scenes(count, size=size, seed=seed)
