from __future__ import annotations

import pytest

from rabit.data.checking.shapes import usual_shape


@pytest.mark.parametrize(
    ("size", "ratio", "trained"),
    (
        ((4032, 3024), (3, 4), (256, 192)),
        ((375, 500), (4, 3), (192, 256)),
        ((2000, 3000), (3, 2), (192, 288)),
        ((1080, 1920), (16, 9), (160, 288)),
    ),
)
def test_a_common_shape_has_a_size_to_train_at(
    size: tuple[int, int], ratio: tuple[int, int], trained: tuple[int, int]
) -> None:
    shape = usual_shape([(size, 2), ((3 * size[0], 3 * size[1]), 1), ((64, 64), 2)])
    assert shape is not None
    assert (shape.ratio.numerator, shape.ratio.denominator) == ratio
    assert (shape.pictures, shape.size) == (3, trained)


@pytest.mark.parametrize(
    "sizes",
    (
        [],
        [((256, 256), 3)],
        [((256, 250), 3)],
        [((400, 300), 2), ((300, 400), 2)],
        [((1, 3000), 9)],
        [((3000, 1), 9)],
    ),
)
def test_squares_strips_and_mixtures_have_none(sizes: list[tuple[tuple[int, int], int]]) -> None:
    assert usual_shape(sizes) is None
