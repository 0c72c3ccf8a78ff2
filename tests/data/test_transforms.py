from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rabit.data.transforms import MARGIN, ColourJitter, View, resize_image, resize_labels


def test_convention_nearest_takes_the_id_under_the_centre() -> None:
    labels = np.arange(6)[None].repeat(2, axis=0)
    np.testing.assert_array_equal(resize_labels(labels, (1, 3)), [[1, 3, 5]])
    np.testing.assert_array_equal(resize_labels(labels, (1, 2)), [[1, 4]])
    np.testing.assert_array_equal(resize_labels(labels[:, :2], (2, 4)), [[0, 0, 1, 1]] * 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_nearest_equals_a_plain_reference(h: int, w: int, height: int, width: int) -> None:
    labels = np.random.default_rng(0).integers(0, 1000, (h, w))
    resized = resize_labels(labels, (height, width))
    assert resized.shape == (height, width) and resized.dtype == np.int64
    for y in range(height):
        for x in range(width):
            # The centre of pixel (y, x), in the source's pixels counted from its upper left corner.
            at = (int((2 * y + 1) * h // (2 * height)), int((2 * x + 1) * w // (2 * width)))
            assert resized[y, x] == labels[at]


def test_maps_get_no_new_ids() -> None:
    labels = np.random.default_rng(0).choice([0, 7, 900], (33, 47))
    for size in ((16, 16), (61, 20), (100, 100)):
        assert set(np.unique(resize_labels(labels, size))) <= {0, 7, 900}


def test_images_are_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resize_image(stripes, (8, 8))
    assert small.shape == (8, 8, 3) and small.dtype == np.uint8
    assert np.abs(small[:, 1:-1].astype(int) - 128).max() < 16


def test_convention_image_keeps_its_corners_in_place() -> None:
    ramp = np.arange(0, 250, 10, dtype=np.uint8)[None, :, None].repeat(4, 0).repeat(3, 2)
    double = resize_image(ramp, (4, 50))
    # Pixel x of the result has its centre at (x + 1/2) / 2 - 1/2 of the source.
    expected = 10 * ((np.arange(50) + 0.5) / 2 - 0.5)
    assert np.abs(double[0, 1:-1, 0] - expected[1:-1]).max() <= 1


def test_resize_to_the_same_size_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize_image(image, (5, 7)), image)
    np.testing.assert_array_equal(
        resize_labels(image[..., 0].astype(np.int64), (5, 7)), image[..., 0]
    )


def test_convention_flip_follows_the_crop() -> None:
    labels = np.arange(12).reshape(3, 4)
    view = View(scaled=(3, 4), corner=(1, 0), size=(2, 3), flip=True)
    np.testing.assert_array_equal(view.labels(labels), [[6, 5, 4], [10, 9, 8]])


@pytest.mark.parametrize("size", [(32, 32), (48, 32), (20, 64)])
def test_image_and_map_stay_aligned(size: tuple[int, int]) -> None:
    # The colour is ten times the id, in blocks so large that most pixels lie inside one.
    labels = np.random.default_rng(3).integers(0, 20, (6, 6)).repeat(20, 0).repeat(20, 1)
    image = (10 * labels).astype(np.uint8)[..., None].repeat(3, axis=2)
    rng = np.random.default_rng(0)
    flips = set()
    for _ in range(12):
        view = View.draw(size, rng)
        flips.add(view.flip)
        seen, ids = view.image(image), view.labels(labels)
        assert seen.shape == (*size, 3) and ids.shape == size
        agree = np.abs(seen[..., 0].astype(int) - 10 * ids) < 2
        assert agree.mean() > 0.5
        # Of a map seen one pixel further on, or the other way round, that is not true.
        assert agree.mean() > (np.abs(seen[..., 0].astype(int) - 10 * ids[:, ::-1]) < 2).mean()
    assert flips == {True, False}


def test_alignment_is_exact_where_nothing_is_interpolated() -> None:
    labels = np.random.default_rng(0).integers(0, 256, (36, 36))
    image = labels.astype(np.uint8)[..., None].repeat(3, axis=2)
    size = (32, 32)
    assert round(32 * MARGIN) == 36
    rng = np.random.default_rng(0)
    for _ in range(10):
        view = View.draw(size, rng)
        np.testing.assert_array_equal(view.image(image)[..., 0], view.labels(labels))


def test_drawn_views_cover_the_margin_and_both_flips() -> None:
    rng = np.random.default_rng(0)
    views = [View.draw((64, 128), rng) for _ in range(400)]
    assert {view.scaled for view in views} == {(72, 143)}
    assert {view.corner[0] for view in views} == set(range(9))
    assert {view.corner[1] for view in views} == set(range(16))
    assert 150 < sum(view.flip for view in views) < 250
    assert not any(View.draw((64, 64), rng, flip=False).flip for _ in range(50))


def test_views_in_a_window_are_as_large_as_the_whole_would_be_and_reach_every_part() -> None:
    rng = np.random.default_rng(0)
    places = [(rng.random(), rng.random()) for _ in range(2000)]
    views = [View.draw((32, 64), rng, share=0.5, place=place) for place in places]
    assert {view.scaled for view in views} == {View.draw((64, 128), rng).scaled} == {(72, 143)}
    assert {view.size for view in views} == {(32, 64)}
    assert {view.corner[0] for view in views} == set(range(72 - 32 + 1))
    assert {view.corner[1] for view in views} == set(range(143 - 64 + 1))
    near = [View.draw((32, 64), rng, share=0.5, place=(0.3, 0.9)).corner for _ in range(200)]
    assert np.ptp(near, axis=0).tolist() == [round(32 * MARGIN) - 32, round(64 * MARGIN) - 64]


def test_flip_off_leaves_the_crops_as_they_are() -> None:
    on = View.draw((64, 64), np.random.default_rng(5))
    off = View.draw((64, 64), np.random.default_rng(5), flip=False)
    assert on.corner == off.corner


def test_whole_view_shows_everything() -> None:
    labels = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(View.whole((3, 4)).labels(labels), labels)
    image = labels.astype(np.uint8)[..., None].repeat(3, axis=2)
    np.testing.assert_array_equal(View.whole((3, 4)).image(image), image)


def test_smallest_view() -> None:
    view = View.draw((1, 1), np.random.default_rng(0))
    assert view.labels(np.zeros((9, 9), np.int64)).shape == (1, 1)


def test_jitter_follows_its_formula_and_cuts_off() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    jitter = ColourJitter.draw(0.5, np.random.default_rng(1))
    changed = jitter.image(image)
    assert changed.dtype == np.uint8 and changed.shape == image.shape
    for y, x in np.ndindex(5, 7):
        colour = image[y, x] / 127.5 - 1
        expected = [float(row @ colour) + 0.0 for row in jitter.matrix] + jitter.offset
        np.testing.assert_allclose(changed[y, x] / 127.5 - 1, np.clip(expected, -1, 1), atol=0.005)
    assert {0, 255} <= set(np.unique(ColourJitter(3 * jitter.matrix, jitter.offset).image(image)))


def test_jitter_keeps_within_its_strength() -> None:
    draws = [ColourJitter.draw(0.3, np.random.default_rng(i)) for i in range(200)]
    # What white becomes: contrast times balance, whatever the saturation.
    white = np.array([jitter.matrix.sum(axis=1) for jitter in draws])
    assert white.min() >= 0.7 * 0.85 - 1e-6 and white.max() <= 1.3 * 1.15 + 1e-6
    assert white.min() < 0.7 and white.max() > 1.3  # both kinds of change add up
    offsets = np.array([jitter.offset for jitter in draws])
    assert np.ptp(offsets, axis=1).max() == 0 and 0.12 < np.abs(offsets).max() <= 0.15
    assert len({jitter.matrix.tobytes() for jitter in draws}) == 200


def test_a_covered_picture_keeps_its_shape_and_loses_what_is_over() -> None:
    labels = np.arange(40 * 80).reshape(40, 80)
    for place, left in ((0.0, 0), (0.5, 20), (1.0, 40)):
        view = View.whole((40, 40)).covered((40, 80), (0.3, place))
        np.testing.assert_array_equal(view.labels(labels), labels[:, left : left + 40])
    upright = labels.reshape(80, 40)
    view = View.whole((20, 20)).covered((80, 40))
    assert (view.scaled, view.corner, view.size) == ((40, 20), (10, 0), (20, 20))
    np.testing.assert_array_equal(view.labels(upright), upright[21:60:2, 1::2])
    drawn = View((44, 44), (1, 3), (40, 40), flip=True)
    wide = drawn.covered((40, 80), (0.0, 1.0))
    assert (wide.scaled, wide.corner, wide.size, wide.flip) == ((44, 88), (1, 47), (40, 40), True)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 50), st.integers(1, 50)),
    st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    st.sampled_from((1.0, 0.5)),
)
def test_covered_views_lie_inside_and_stretch_by_less_than_a_pixel(
    picture: tuple[int, int], size: tuple[int, int], place: tuple[float, float], share: float
) -> None:
    view = View.draw(size, np.random.default_rng(0), share=share, place=place)
    covered = view.covered(picture, place)
    factor = max(new / old for new, old in zip(view.scaled, picture, strict=True))
    for axis in (0, 1):
        assert abs(covered.scaled[axis] - picture[axis] * factor) <= 0.5 + 1e-9
        last = covered.corner[axis] + covered.size[axis]
        assert covered.corner[axis] >= 0 and last <= covered.scaled[axis]
    assert covered.labels(np.zeros(picture, np.int64)).shape == size
    assert view.covered(view.scaled, place) == view


def test_a_picture_too_thin_to_be_covered_is_refused() -> None:
    with pytest.raises(ValueError, match="90000×1 pixels are too thin to be cropped to 256×256"):
        View.whole((256, 256)).covered((1, 90000))
