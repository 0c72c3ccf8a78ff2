from __future__ import annotations

import numpy as np
import pytest

from rabit.data.scenes import CLASSES, sample_layout


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (96, 200), (200, 80)])
def test_shape_type_and_range_at_any_aspect_ratio(size: tuple[int, int]) -> None:
    for seed in range(10):
        labels = sample_layout(np.random.default_rng(seed), size)
        assert labels.shape == size
        assert labels.dtype == np.uint8
        assert labels.max() < len(CLASSES)
        assert len(np.unique(labels)) >= 8


def test_same_numbers_give_the_same_layout_and_others_another() -> None:
    first, again, other = (
        sample_layout(np.random.default_rng(seed), (128, 128)) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert (first != other).mean() > 0.1


def test_every_class_appears_and_none_in_specks_only() -> None:
    largest = np.zeros(len(CLASSES), dtype=np.int64)
    for seed in range(200):
        labels = sample_layout(np.random.default_rng(seed), (128, 128))
        largest = np.maximum(largest, np.bincount(labels.reshape(-1), minlength=len(CLASSES)))
    assert dict(zip(CLASSES, (largest > 100).tolist(), strict=True)) == dict.fromkeys(CLASSES, True)


def test_most_layouts_share_most_classes() -> None:
    present = np.zeros(len(CLASSES))
    for seed in range(50):
        present[np.unique(sample_layout(np.random.default_rng(seed), (128, 128)))] += 1
    assert (present / 50).min() > 0.6


def test_too_small_a_size_is_refused_with_both_sizes_named() -> None:
    with pytest.raises(ValueError, match="size 32 x 128.*at least 64 x 64"):
        sample_layout(np.random.default_rng(0), (32, 128))
