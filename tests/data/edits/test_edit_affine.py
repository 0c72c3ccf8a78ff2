from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rabit.data.edits.affine import DEGREES, SCALE, SHIFT, Affine, draw_affine, landing, warp
from rabit.data.edits.objects import MapObject

REACH = st.floats(-30, 30)


def item(box: tuple[int, int, int, int], size: tuple[int, int] = (60, 80)) -> MapObject:
    mask = np.zeros(size, bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return MapObject(1, mask, ~mask, box)


@given(
    st.tuples(REACH, REACH),
    st.tuples(REACH, REACH),
    st.floats(0.3, 3),
    st.floats(-180, 180),
    st.booleans(),
)
def test_carrying_back_is_the_inverse(
    centre: tuple[float, float],
    shift: tuple[float, float],
    scale: float,
    degrees: float,
    flip: bool,
) -> None:
    affine = Affine(centre, shift, scale, degrees, flip)
    points = np.array([(0.0, 0.0), (3.5, -8.0), (40.0, 17.25)])
    np.testing.assert_allclose(affine.carry_back(affine.carry(points)), points, atol=1e-6)
    moved = np.array(centre) + np.array(shift)
    np.testing.assert_allclose(affine.carry(np.array([centre]))[0], moved, atol=1e-9)
    sign = -1 if flip else 1
    assert np.linalg.det(affine.matrix) == pytest.approx(sign * scale**2)


def test_convention_shift_is_down_and_right() -> None:
    assert Affine((0, 0), (2, 5)).carry(np.array([[1.0, 1.0]])).tolist() == [[3.0, 6.0]]


def test_convention_rotation_is_counter_clockwise_as_seen() -> None:
    """The point right of the centre goes up: to a smaller y."""
    turned = Affine((10, 10), degrees=90).carry(np.array([[10.0, 14.0]]))
    np.testing.assert_allclose(turned, [[6.0, 10.0]], atol=1e-12)


def test_convention_flip_exchanges_left_and_right() -> None:
    flipped = Affine((10, 10), flip=True).carry(np.array([[7.0, 14.0]]))
    assert flipped.tolist() == [[7.0, 6.0]]


def test_whole_shifts_and_flips_are_exact() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    shifted = warp(pixels, Affine((9.5, 14.5), (3, -4)), 1)
    assert np.array_equal(shifted[3:, :-4], pixels[:-3, 4:])
    assert np.array_equal(warp(pixels, Affine((9.5, 14.5), flip=True), 1), pixels[:, ::-1])
    assert np.array_equal(warp(pixels, Affine((9.5, 14.5)), 1), pixels)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("flip", [False, True])
def test_there_and_back_is_exact_for_whole_shifts(order: int, flip: bool) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    affine = Affine((19.5, 19.5), (6, -5), flip=flip)
    back = warp(warp(pixels, affine, order), affine, order, back=True)  # type: ignore[arg-type]
    seen = warp(np.ones((40, 40)), affine, 1, back=True, fill=0) == 1
    assert 0.6 < seen.mean() < 1
    assert np.array_equal(back[seen], pixels[seen])


def test_there_and_back_is_near_on_smooth_pictures() -> None:
    y, x = np.mgrid[:64, :64]
    pixels = np.stack([np.sin(y / 9), np.cos(x / 8), np.sin((x + y) / 11)], axis=2) * 100 + 128
    affine = Affine((31.5, 31.5), (3.3, -2.6), 1.2, 17.0, True)
    back = warp(warp(pixels, affine, 1), affine, 1, back=True)
    seen = warp(np.ones((64, 64)), affine, 1, back=True, fill=0) == 1
    assert np.abs(back - pixels)[seen].mean() < 0.5
    assert np.abs(back - pixels)[seen].max() < 3


def test_maps_get_no_new_ids() -> None:
    labels = np.random.default_rng(2).choice([3, 70, 900], (30, 30))
    carried = warp(labels, Affine((14.5, 14.5), (1.4, 0.2), 1.3, 12.0), 0)
    assert carried.dtype == labels.dtype and set(np.unique(carried)) <= {3, 70, 900}


def test_beyond_the_picture() -> None:
    ones = np.ones((10, 10))
    affine = Affine((4.5, 4.5), (0, 4))
    assert warp(ones, affine, 1).all()
    assert np.array_equal(warp(ones, affine, 1, fill=0)[0], [0] * 4 + [1] * 6)


@given(st.integers(0, 10_000))
def test_drawn_transformations_are_within_their_ranges(seed: int) -> None:
    drawn = draw_affine(item((10, 20, 30, 50)), np.random.default_rng(seed))
    assert drawn.centre == (19.5, 34.5)
    assert abs(drawn.shift[0]) <= SHIFT * 60 and abs(drawn.shift[1]) <= SHIFT * 80
    assert 1 / SCALE <= drawn.scale <= SCALE and abs(drawn.degrees) <= DEGREES
    assert drawn == draw_affine(item((10, 20, 30, 50)), np.random.default_rng(seed))


def test_drawn_transformations_use_their_ranges() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_affine(item((10, 20, 30, 50)), rng) for _ in range(400)]
    assert 0.4 < np.mean([affine.flip for affine in drawn]) < 0.6
    assert max(affine.scale for affine in drawn) > 1.3
    assert min(affine.scale for affine in drawn) < 0.77
    assert max(abs(affine.degrees) for affine in drawn) > 19
    assert max(abs(affine.shift[1]) for affine in drawn) > 11.5
    assert np.mean([affine.scale > 1 for affine in drawn]) == pytest.approx(0.5, abs=0.1)


@given(st.integers(0, 10_000))
def test_an_object_lands_where_it_is_looked_for(seed: int) -> None:
    thing = item((10, 20, 30, 50))
    affine = draw_affine(thing, np.random.default_rng(seed))
    carried = warp(thing.mask.astype(float), affine, 1, fill=0) > 0
    inside = np.zeros_like(carried)
    inside[landing(thing, affine)] = True
    assert carried.any() and not (carried & ~inside).any()


def test_an_object_may_land_outside() -> None:
    rows, columns = landing(item((10, 20, 30, 50)), Affine((19.5, 34.5), (200, 0)))
    assert rows.start == rows.stop and columns.start < columns.stop


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scales_that_are_none_are_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale above 0"):
        Affine((0, 0), scale=scale)
