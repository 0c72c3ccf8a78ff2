from __future__ import annotations

import numpy as np
import pytest
import torch

from rabit.data.scenes import region_coordinates, sample_layout, true_correspondence
from rabit.functional.position import semantic_position


def test_convention_of_one_line() -> None:
    """The centroid of columns 1, 2 and 6 is 3, the largest offset 3."""
    u, v = region_coordinates(np.array([[0, 5, 5, 0, 0, 0, 5]]))
    assert u[0, [1, 2, 6]].tolist() == pytest.approx([-2 / 3, -1 / 3, 1])
    assert v.tolist() == [[0.0] * 7]


def test_convention_of_x_before_y_and_down_is_positive() -> None:
    labels = np.zeros((4, 6), dtype=np.uint8)
    labels[1:4, 2:4] = 1
    coordinates = region_coordinates(labels)
    assert coordinates.dtype == np.float32
    assert coordinates[0, 1:4, 2:4].tolist() == [[-1, 1]] * 3
    assert coordinates[1, 1:4, 2:4].tolist() == [[-1, -1], [0, 0], [1, 1]]


def test_one_pixel_is_the_origin_of_its_region() -> None:
    labels = np.zeros((5, 5), dtype=np.uint8)
    labels[3, 1] = 2
    assert region_coordinates(labels)[:, 3, 1].tolist() == [0, 0]


def test_a_moved_region_keeps_its_coordinates_to_the_last_bit() -> None:
    shape = np.random.default_rng(0).random((17, 23)) < 0.6
    maps = []
    for top, left in ((0, 0), (31, 40)):
        labels = np.zeros((64, 80), dtype=np.uint8)
        labels[top : top + 17, left : left + 23][shape] = 1
        maps.append(region_coordinates(labels)[:, labels == 1])
    assert np.array_equal(maps[0], maps[1])


def test_every_region_reaches_the_border_of_its_square() -> None:
    labels = sample_layout(np.random.default_rng(1), (96, 128))
    coordinates = region_coordinates(labels)
    for name in np.unique(labels):
        extent = np.abs(coordinates[:, labels == name]).max(axis=1)
        assert extent == pytest.approx([1, 1])


def test_agrees_with_the_semantic_position_of_the_method() -> None:
    labels = sample_layout(np.random.default_rng(2), (96, 128))
    expected = semantic_position(torch.from_numpy(labels).long()[None])[0, :2]
    assert region_coordinates(labels) == pytest.approx(expected.numpy(), abs=1e-5)


def test_a_map_corresponds_to_itself_pixel_by_pixel() -> None:
    labels = sample_layout(np.random.default_rng(3), (64, 96))
    y, x = np.mgrid[:64, :96]
    assert np.array_equal(true_correspondence(labels, labels), np.stack([x, y], axis=-1))


def test_nearest_place_of_the_same_class_and_nan_without_it() -> None:
    labels = np.array([[1, 1, 1, 7]])
    exemplar_labels = np.array([[0, 0], [1, 0], [1, 0], [1, 0], [1, 0], [1, 1]])
    found = true_correspondence(labels, exemplar_labels)
    assert found.shape == (1, 4, 2)
    assert np.isnan(found[0, 3]).all()
    ours, theirs = region_coordinates(labels), region_coordinates(exemplar_labels)
    candidates = np.argwhere(exemplar_labels == 1)
    for x in range(3):
        distances = [float(np.sum((ours[:, 0, x] - theirs[:, r, c]) ** 2)) for r, c in candidates]
        column, row = found[0, x].astype(int)
        assert exemplar_labels[row, column] == 1
        assert np.sum((ours[:, 0, x] - theirs[:, row, column]) ** 2) == min(distances)
