from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from rabit.data.edits.affine import Affine, warp
from rabit.data.edits.compose import carry_away, make_edit, take_out
from rabit.data.edits.fill import fill_labels, fill_photograph
from rabit.data.edits.objects import MapObject, ObjectRules, find_objects
from rabit.data.edits.seam import spread_error
from rabit.data.semantic import SemanticPicture

NAMES = ("none", "wall", "window", "ground")


def disc(size: tuple[int, int], centre: tuple[int, int], radius: float) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def bricks(size: tuple[int, int] = (96, 96)) -> np.ndarray:
    """A periodic wall with some noise."""
    y, x = np.mgrid[: size[0], : size[1]]
    joints = (y % 8 == 0) | ((x + 6 * (y // 8 % 2)) % 12 == 0)
    tone = np.where(joints, 200, 110)[..., None] + np.array([20, 0, -30])
    noise = np.random.default_rng(0).normal(0, 3, (*size, 3))
    return np.clip(tone + noise, 0, 255).astype(np.uint8)


def picture() -> SemanticPicture:
    """A window in a wall of bricks above the ground."""
    labels = np.full((96, 96), 1)
    labels[76:] = 3
    labels[28:52, 36:60] = 2
    pixels = bricks()
    pixels[76:] = 60
    pixels[labels == 2] = np.random.default_rng(1).integers(0, 256, (576, 3), dtype=np.uint8)
    return SemanticPicture(pixels, labels)


def test_labels_come_from_the_nearest_known_pixel() -> None:
    labels = np.array([[1, 1, 9, 9, 9, 9, 2]])
    hole = labels == 9
    filled = fill_labels(labels, hole, ~hole)
    assert filled.tolist() == [[1, 1, 1, 1, 2, 2, 2]]
    assert labels[0, 2] == 9  # a new map


def test_labels_come_from_known_pixels_alone() -> None:
    labels = np.array([[1, 7, 9, 9, 9, 2]])
    filled = fill_labels(labels, labels == 9, np.isin(labels, (1, 2)))
    assert set(filled[0, 2:5]) == {1, 2} and filled[0, 1] == 7


def test_labels_need_something_known() -> None:
    hole = np.ones((3, 3), bool)
    for known in (~hole, hole):
        with pytest.raises(ValueError, match="known pixels"):
            fill_labels(np.zeros((3, 3), int), hole, known)


def test_a_plain_wall_is_filled_with_itself() -> None:
    pixels = np.full((64, 64, 3), (200, 120, 40), np.uint8)
    hole = disc((64, 64), (30, 30), 12)
    spoiled = np.where(hole[..., None], 0, pixels).astype(np.uint8)
    assert np.array_equal(fill_photograph(spoiled, hole, np.ones((64, 64), int)), pixels)


def test_light_goes_on_across_a_hole() -> None:
    """A gradient has no patch of the right tone: the seam's error is spread."""
    y, x = np.mgrid[:80, :80]
    pixels = np.stack([y * 1.2 + 60, x * 0.8 + 90, 200 - y], axis=2).astype(np.uint8)
    hole = disc((80, 80), (40, 40), 13)
    spoiled = np.where(hole[..., None], 0, pixels).astype(np.uint8)
    filled = fill_photograph(spoiled, hole, np.ones((80, 80), int))
    assert np.abs(filled.astype(int) - pixels)[hole].mean() < 4
    rim = ndimage.binary_dilation(hole) & ~hole
    inner = hole & ~ndimage.binary_erosion(hole)
    assert abs(filled[inner].mean() - filled[rim].mean()) < 2


def test_texture_is_continued_and_not_blurred() -> None:
    pixels = bricks()
    hole = disc((96, 96), (48, 48), 12)
    spoiled = np.where(hole[..., None], 0, pixels).astype(np.uint8)
    filled = fill_photograph(spoiled, hole, np.ones((96, 96), int)).astype(int)
    error = np.abs(filled - pixels)[hole].mean()
    blurred = np.abs(pixels[hole].mean(axis=0) - pixels[hole]).mean()
    assert error < 0.75 * blurred
    assert filled[hole].std() > 0.55 * pixels[hole].std()


def test_each_class_is_filled_from_its_own() -> None:
    labels = np.ones((64, 64), int)
    labels[:, 32:] = 3
    pixels = np.where(labels[..., None] == 3, 250, 20).repeat(3, axis=2).astype(np.uint8)
    hole = disc((64, 64), (32, 32), 11)
    spoiled = np.where(hole[..., None], 128, pixels).astype(np.uint8)
    assert np.array_equal(fill_photograph(spoiled, hole, labels), pixels)


def test_a_class_that_is_nowhere_takes_what_is_near() -> None:
    pixels = np.full((40, 40, 3), 90, np.uint8)
    hole = disc((40, 40), (20, 20), 6)
    labels = np.where(hole, 5, 1)
    pixels[hole] = 255
    assert (fill_photograph(pixels, hole, labels) == 90).all()


@pytest.mark.parametrize("size", [(4, 4), (5, 40), (40, 7), (9, 9)])
def test_small_pictures_are_filled(size: tuple[int, int]) -> None:
    pixels = np.full((*size, 3), 70, np.uint8)
    hole = np.zeros(size, bool)
    hole[1:3, 1:3] = True
    pixels[hole] = 0
    assert (fill_photograph(pixels, hole, np.zeros(size, int)) == 70).all()


def test_what_is_outside_a_hole_stays() -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (70, 50, 3), dtype=np.uint8)
    hole = disc((70, 50), (20, 20), 9)
    labels = rng.integers(0, 2, (70, 50))
    filled = fill_photograph(pixels, hole, labels)
    assert np.array_equal(filled[~hole], pixels[~hole])
    assert np.array_equal(filled, fill_photograph(pixels, hole, labels))
    assert np.array_equal(fill_photograph(pixels, np.zeros_like(hole), labels), pixels)


def test_a_whole_picture_cannot_be_filled() -> None:
    with pytest.raises(ValueError, match="whole photograph"):
        fill_photograph(np.zeros((9, 9, 3), np.uint8), np.ones((9, 9), bool), np.zeros((9, 9), int))


def test_a_constant_error_is_spread_evenly() -> None:
    hole = disc((30, 30), (15, 15), 8)
    error = np.where(hole[..., None], 0, 0.05).astype(np.float32).repeat(3, axis=2)
    spread = spread_error(error, hole, np.ones((30, 30), int))
    np.testing.assert_allclose(spread[hole], 0.05, atol=1e-4)
    assert not spread[~hole].any()


def test_an_error_stays_in_its_class_and_large_ones_are_ignored() -> None:
    hole = np.zeros((20, 20), bool)
    hole[6:14, 6:14] = True
    labels = np.ones((20, 20), int)
    labels[:, 10:] = 2
    error = np.zeros((20, 20, 3), np.float32)
    error[:, :10] = 0.04
    error[:, 10:] = 0.9
    spread = spread_error(error, hole, labels)
    np.testing.assert_allclose(spread[6:14, 6:10], 0.04, atol=1e-4)
    assert not spread[6:14, 10:14].any()


@pytest.mark.parametrize("flip", [False, True])
def test_the_truth_is_the_input_carried_back_exactly_for_whole_shifts(flip: bool) -> None:
    real = picture()
    (item,) = find_objects(real.labels, NAMES, ObjectRules(), (2,))
    affine = Affine(item.centre, (10, -20), flip=flip)
    edit = carry_away(real, item, affine, "move")
    back = warp(edit.image, affine, 1, back=True)
    assert np.array_equal(back[item.mask], edit.truth[item.mask])
    labels = warp(edit.labels, affine, 0, back=True)
    assert np.array_equal(labels[item.mask], edit.edited[item.mask])


def test_the_truth_is_the_input_carried_back_nearly_for_others() -> None:
    real = picture()
    y, x = np.mgrid[:96, :96]
    smooth = np.stack([np.sin(y / 6), np.cos(x / 7), np.sin((x + y) / 9)], axis=2) * 100 + 128
    real = SemanticPicture(np.round(smooth).astype(np.uint8), real.labels)
    (item,) = find_objects(real.labels, NAMES, ObjectRules(), (2,))
    affine = Affine(item.centre, (9.3, -12.8), 1.2, 15.0, True)
    edit = carry_away(real, item, affine, "move")
    back = warp(edit.image, affine, 1, back=True).astype(int)
    inner = ndimage.binary_erosion(item.mask, iterations=2)
    assert np.abs(back - edit.truth)[inner].max() <= 4
    assert np.abs(edit.image.astype(int) - edit.truth)[inner].max() > 40


@pytest.mark.parametrize("kind", ["move", "remove", "add"])
def test_edits_have_a_real_truth_and_alter_only_what_they_say(kind: str) -> None:
    real = picture()
    items = find_objects(real.labels, NAMES, ObjectRules(), (2,))
    edit = make_edit(real, kind, items, np.random.default_rng(4))  # type: ignore[arg-type]
    assert edit is not None and edit.kind == kind
    assert np.array_equal(edit.truth, real.pixels) and np.array_equal(edit.edited, real.labels)
    same = ~edit.changed
    assert np.array_equal(edit.image[same], edit.truth[same])
    assert np.array_equal(edit.labels[same], edit.edited[same])
    before, after = np.count_nonzero(edit.labels == 2), np.count_nonzero(edit.edited == 2)
    assert after == 576
    assert before == 0 if kind == "add" else before > 300
    if kind == "remove":
        assert np.array_equal(edit.image[items[0].mask], real.pixels[items[0].mask])
        assert before > after + 300


def test_a_taken_out_object_leaves_its_wall() -> None:
    real = picture()
    (item,) = find_objects(real.labels, NAMES, ObjectRules(), (2,))
    edit = take_out(real, item)
    assert (edit.labels[item.mask] == 1).all() and edit.affine is None
    spread = np.abs(edit.image[item.mask].astype(int) - edit.image[:20].mean(axis=(0, 1)))
    assert spread.mean() < 50


def test_an_object_without_room_gives_no_edit() -> None:
    real = picture()
    assert make_edit(real, "move", (), np.random.default_rng(0)) is None
    mask = np.zeros((96, 96), bool)
    mask[8:88, 8:88] = True
    large = MapObject(2, mask, ~mask, (8, 8, 88, 88))
    assert make_edit(real, "remove", (large,), np.random.default_rng(0)) is None
