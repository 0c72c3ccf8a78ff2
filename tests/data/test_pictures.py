from __future__ import annotations

import numpy as np
from skimage.color import rgb2lab

from rabit.data.pictures import palette


def test_colours_are_distinct_and_the_same_for_any_number_of_classes() -> None:
    colours = palette(200)
    assert len(np.unique(colours, axis=0)) == 200
    assert np.array_equal(palette(18), colours[:18])
    assert palette(1000).shape == (1000, 3)


def test_colours_of_few_classes_are_far_apart() -> None:
    for count, least in ((18, 35), (35, 25), (200, 10)):
        lab = rgb2lab(palette(count) / 255)
        distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        np.fill_diagonal(distance, np.inf)
        assert distance.min() > least
