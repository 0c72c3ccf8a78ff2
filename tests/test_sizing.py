"""Sizes that networks work at, and resizing, padding and blending against plain references."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rabit.data.transforms import resize_labels
from rabit.functional.condition import Condition
from rabit.sizing import (
    LEAST_STRIDES,
    MAX_AREA_FACTOR,
    Layout,
    edit_share,
    exemplar_size,
    padded_size,
    working_size,
)
from tiny import tiny_experiment

CONFIG = tiny_experiment(64).model
SIZES = [
    (64, 64),
    (1, 1),
    (30, 97),
    (5, 2000),
    (2000, 5),
    (700, 500),
    (1, 64_000_000),
    (8000, 8000),
]
LABELS = torch.randint(0, 3, (2, 9, 14), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", SIZES)
def test_working_sizes_are_bounded_on_both_sides(size: tuple[int, int]) -> None:
    height, width = working_size(size, CONFIG)
    assert min(height, width) >= LEAST_STRIDES * CONFIG.stride
    assert height * width <= MAX_AREA_FACTOR * 64 * 64 * 1.05


def test_working_sizes_of_ordinary_shapes_keep_the_shape() -> None:
    for size in ((64, 64), (65, 97), (128, 128), (40, 300)):
        assert working_size(size, CONFIG) == size
    assert working_size((16, 48), CONFIG) == (32, 96)
    assert working_size((512, 512), CONFIG) == (128, 128)
    dense = dataclasses.replace(
        CONFIG, alignment=dataclasses.replace(CONFIG.alignment, method="dense")
    )
    assert working_size((512, 512), dense) == (64, 64)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("target", [(64, 64), (32, 500)])
def test_exemplar_sizes_are_bounded_multiples_of_the_stride(
    size: tuple[int, int], target: tuple[int, int]
) -> None:
    height, width = exemplar_size(size, target, CONFIG)
    assert height % CONFIG.stride == width % CONFIG.stride == 0
    assert min(height, width) >= LEAST_STRIDES * CONFIG.stride
    assert height * width <= 1.6 * target[0] * target[1]


def test_exemplar_sizes_hold_the_blocks_that_are_retrieved() -> None:
    alignment = dataclasses.replace(CONFIG.alignment, k=200)
    height, width = exemplar_size(
        (64, 64), (32, 32), dataclasses.replace(CONFIG, alignment=alignment)
    )
    assert height * width >= 200 * 4**2
    quarter = dataclasses.replace(alignment, k=50, stride=4)
    height, width = exemplar_size(
        (64, 64), (32, 32), dataclasses.replace(CONFIG, alignment=quarter)
    )
    assert height * width >= 50 * 8**2
    assert exemplar_size((64, 64), (64, 64), CONFIG) == (64, 64)
    assert exemplar_size((32, 128), (64, 64), CONFIG) == (32, 128)


@pytest.mark.parametrize("stride", [2, 4])
def test_exemplar_sizes_hold_the_places_that_patchmatch_keeps(stride: int) -> None:
    search = dataclasses.replace(CONFIG.alignment.patchmatch, candidates=200)
    alignment = dataclasses.replace(
        CONFIG.alignment, method="patchmatch", stride=stride, patchmatch=search
    )
    config = dataclasses.replace(CONFIG, alignment=alignment)
    height, width = exemplar_size((64, 64), (32, 32), config)
    assert 200 * stride**2 <= height * width <= 400 * stride**2


def test_padded_sizes_are_the_next_multiples() -> None:
    assert padded_size((64, 65), 16) == (64, 80)
    assert padded_size((1, 15), 16) == (16, 16)


@pytest.mark.parametrize("size", [(9, 14), (3, 5), (20, 30), (1, 1), (18, 7)])
def test_maps_are_resized_as_in_training(size: tuple[int, int]) -> None:
    expected = np.stack([resize_labels(labels, size) for labels in LABELS.numpy()])
    resized = Layout(LABELS, None, 3).resize(size)
    np.testing.assert_array_equal(resized.regions.numpy(), expected)
    assert resized.size == size


def test_padding_repeats_the_last_row_and_column() -> None:
    channels = torch.rand(2, 4, 9, 14)
    padded = Layout(LABELS, channels, 4).pad((16, 16))
    assert padded.channels is not None
    assert torch.equal(padded.channels, F.pad(channels, (0, 2, 0, 7), mode="replicate"))
    expected = F.pad(LABELS[:, None].float(), (0, 2, 0, 7), mode="replicate")[:, 0].long()
    assert torch.equal(padded.regions, expected)


def test_channels_are_averaged_and_maps_are_not() -> None:
    channels = torch.zeros(1, 1, 12, 12)
    channels[:, :, 0] = 1
    small = Layout(LABELS[:1, :1, :1].expand(1, 12, 12), channels, 1).resize((4, 4))
    assert small.channels is not None
    assert 0.2 < float(small.channels[0, 0, 0].mean()) < 0.6


def test_a_layout_differs_where_ids_or_channels_do() -> None:
    changed = LABELS.clone()
    changed[1, 2, 3] = (changed[1, 2, 3] + 1) % 3
    maps, others = Layout(LABELS, None, 3), Layout(changed, None, 3)
    built = Condition.from_labels(changed, 3)
    for other in (others, Layout(built.regions, built.channels, 3)):
        assert maps.differs(other).nonzero().tolist() == [[1, 2, 3]]
    assert not bool(others.differs(Layout(built.regions, built.channels, 3)).any())
    channels = torch.rand(2, 3, 9, 14)
    moved = channels.clone()
    moved[0, 2, 4, 5] += 0.5
    differs = Layout(LABELS, channels, 3).differs(Layout(LABELS, moved, 3))
    assert differs.nonzero().tolist() == [[0, 4, 5]]


@pytest.mark.parametrize("size", [(64, 90), (33, 40), (5, 3), (1, 1), (100, 130)])
def test_shares_of_an_edit_are_a_dilation_and_a_box_blur(size: tuple[int, int]) -> None:
    changed = torch.rand(2, *size, generator=torch.Generator().manual_seed(1)) > 0.999
    changed[0, 0, 0] = True
    r = max(min(size) // 32, 1)
    grown = F.max_pool2d(changed[:, None].double(), 4 * r + 1, stride=1, padding=2 * r)
    blurred = F.avg_pool2d(grown, 2 * r + 1, stride=1, padding=r, count_include_pad=False)
    torch.testing.assert_close(edit_share(changed), blurred.float())


def test_shares_of_an_edit_are_exact_at_both_ends() -> None:
    changed = torch.zeros(1, 64, 64, dtype=torch.bool)
    assert not bool(edit_share(changed).any())
    changed[:, 20:30, 20:30] = True
    share = edit_share(changed)[0, 0]
    assert bool((share[18:32, 18:32] == 1).all())
    share[14:36, 14:36] = 0
    assert not bool(share.any())
    assert bool((edit_share(torch.ones(1, 64, 64, dtype=torch.bool)) == 1).all())
