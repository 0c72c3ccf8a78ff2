from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2lab

from rabit.data.match_colours import CONFIDENT, coordinate_colours, match_colours, spread_places


def every_place(size: tuple[int, int]) -> np.ndarray:
    """(H, W, 2) the places (x, y) of all pixels."""
    y, x = np.mgrid[: size[0], : size[1]]
    return np.stack([x, y], axis=-1).astype(np.float32)


def test_places_apart_have_colours_apart() -> None:
    lab = rgb2lab(coordinate_colours(every_place((9, 9)), (9, 9)) / 255).reshape(-1, 3)
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > 5
    assert lab[:, 0].min() > 40  # never so dark that it looks dimmed


def test_the_code_is_smooth() -> None:
    colours = coordinate_colours(every_place((200, 300)), (200, 300)).astype(int)
    assert max(np.abs(np.diff(colours, axis=axis)).max() for axis in (0, 1)) <= 3


def test_the_code_has_x_first_and_starts_top_left() -> None:
    size = (50, 100)
    corners = np.array([[-0.5, -0.5], [99.5, -0.5], [-0.5, 49.5], [99.5, 49.5]])
    expected = [[250, 205, 0], [222, 20, 80], [0, 160, 85], [55, 65, 235]]
    assert coordinate_colours(corners, size).tolist() == expected
    middle = coordinate_colours(np.array([49.5, 24.5]), size)
    assert middle.tolist() == [240, 235, 230]


def test_the_code_does_not_depend_on_the_exemplar_s_size() -> None:
    small = coordinate_colours(np.array([1.5, 3.5]), (8, 4))
    assert np.array_equal(small, coordinate_colours(np.array([199.5, 399.5]), (800, 400)))


def test_certain_matches_have_the_colours_of_their_places() -> None:
    places = every_place((20, 30))
    sure = match_colours(places, np.ones((20, 30)), (20, 30))
    assert np.array_equal(sure, coordinate_colours(places, (20, 30)))


def test_doubtful_matches_are_dimmed_in_their_colour() -> None:
    places = np.tile(np.array([3.0, 5.0]), (4, 1))
    plain = coordinate_colours(places[0], (20, 30)).astype(float)
    colours = match_colours(places, np.array([1, 0.6, 0.3, 0]), (20, 30))
    for colour, brightness in zip(colours, (1, 0.66, 0.405, 0.15), strict=True):
        assert np.abs(colour - plain * brightness).max() <= 0.5


@pytest.mark.parametrize("size", [(64, 64), (40, 200), (300, 500)])
@pytest.mark.parametrize("count", [1, 12, 32])
def test_chosen_places_are_spread(size: tuple[int, int], count: int) -> None:
    places = spread_places(np.full(size, 0.8), count)
    assert places.shape == (count, 2)
    assert (places >= 0).all() and (places < [size[1], size[0]]).all()
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    distance[np.diag_indices(count)] = np.inf
    # Half of what a square lattice of as many places has.
    assert distance.min() > 0.5 * np.sqrt(size[0] * size[1] / count)


def test_strips_are_covered_from_end_to_end() -> None:
    for size, axis in (((5, 2000), 0), ((1, 300), 0), ((300, 1), 1)):
        ends = np.sort(spread_places(np.ones(size), 8)[:, axis])
        assert ends[0] < 0.2 * max(size) and ends[-1] > 0.8 * max(size)
        assert np.diff(ends).min() > max(size) / 32


def test_only_confident_places_are_chosen() -> None:
    confidence = np.full((40, 60), CONFIDENT)
    confidence[10:20, 30:50] = 0.9
    x, y = spread_places(confidence, 16).T
    assert len(x) == 16
    assert x.min() >= 30 and x.max() < 50 and y.min() >= 10 and y.max() < 20


def test_there_are_never_more_places_than_are_confident_or_wanted() -> None:
    confidence = np.zeros((30, 30))
    confidence[4, [3, 20]] = 1
    assert sorted(spread_places(confidence, 10).tolist()) == [[3, 4], [20, 4]]
    assert spread_places(confidence, 0).shape == (0, 2)
    assert spread_places(np.zeros((3, 3)), 5).shape == (0, 2)
    assert sorted(spread_places(np.ones((2, 2)), 9).tolist()) == [[0, 0], [0, 1], [1, 0], [1, 1]]
