"""The match picture, read back: panels are found by the pixels that have to be in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rabit.data.match_colours import coordinate_colours, spread_places
from rabit.data.match_picture import MAX_LINES, draw_matches
from rabit.data.pictures import palette

WIDTH = 1304
# Of square sides, in the picture: the first row's panels, and how far below the second's are.
LEFT, RIGHT, TOP, SIDE, STEP = 16, 668, 44, 620, 680


def flat(size: tuple[int, int], grey: int = 120) -> np.ndarray:
    return np.full((*size, 3), grey, np.uint8)


def every_place(size: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    return np.stack([x, y], axis=-1).astype(np.float32)


def draw(size: tuple[int, int] = (31, 31), **changes: Any) -> np.ndarray:
    """Draws an identity on flat sides, with changes."""
    given: dict[str, Any] = {
        "condition": flat(size),
        "exemplar": flat(size, 90),
        "matches": every_place(size),
        "confidence": np.ones(size, np.float32),
        "lines": 0,
    }
    return draw_matches(**{**given, **changes})


def panels(picture: np.ndarray, row: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The condition's and the exemplar's panel of a picture of square sides."""
    top = TOP + row * STEP
    left, right = (picture[top : top + SIDE, at : at + SIDE].astype(int) for at in (LEFT, RIGHT))
    return left, right


def test_an_identity_has_the_same_colours_on_both_sides() -> None:
    left, right = panels(draw())
    assert np.array_equal(left, right)
    assert left[0, 0].tolist() != left[0, -1].tolist() != left[-1, 0].tolist()
    assert np.array_equal(left[10, 10], coordinate_colours(np.array([0, 0]), (31, 31)))
    assert np.array_equal(left[-10, 10], coordinate_colours(np.array([0, 30]), (31, 31)))


def test_a_shift_is_drawn_shifted() -> None:
    shift = 8
    matches = every_place((31, 31))
    matches[..., 0] = np.minimum(matches[..., 0] + shift, 30)
    left, right = panels(draw(matches=matches))
    pixels = shift * SIDE // 31
    assert np.array_equal(left[:, : SIDE - pixels], right[:, pixels:])
    assert not np.array_equal(left, right)
    matches = every_place((31, 31))
    matches[..., 1] = np.minimum(matches[..., 1] + shift, 30)
    left, right = panels(draw(matches=matches))
    assert np.array_equal(left[: SIDE - pixels], right[pixels:])


def test_low_confidence_is_dimmed_where_it_is() -> None:
    confidence = np.ones((31, 31), np.float32)
    confidence[:, 16:] = 0.2
    left, right = panels(draw(confidence=confidence))
    assert np.array_equal(left[:, :320], right[:, :320])
    assert np.abs(left[:, 320:] - 0.32 * right[:, 320:]).max() <= 1


def test_outlines_and_shades_show_what_is_where() -> None:
    condition, exemplar = flat((31, 31)), flat((31, 31), 60)
    condition[:, 16:] = palette(1)[0]
    exemplar[10:20] = 200
    picture = draw(condition=condition, exemplar=exemplar)
    left, right = panels(picture)
    plain, photograph = panels(picture, 1)
    code = panels(draw())[0]
    dark = left.sum(axis=-1) < 0.5 * code.sum(axis=-1)
    assert dark[:, 320].all() and dark.sum() == SIDE
    assert (right[260:360].sum(axis=-1) > code[260:360].sum(axis=-1)).all()
    assert (right[:150].sum(axis=-1) < code[:150].sum(axis=-1)).all()
    assert np.array_equal(plain[:, :320], np.full((SIDE, 320, 3), 120))
    assert photograph[0, 0].tolist() == [60] * 3 and photograph[300, 300].tolist() == [200] * 3


def ends(picture: np.ndarray, row: int = 1) -> tuple[int, int]:
    """How many white rings of lines' ends are on either side; the sides hold no white."""
    found = []
    for panel in panels(picture, row):
        white = (panel == 255).all(axis=-1)
        count = 0
        while white.any():
            y, x = np.argwhere(white)[0]
            white[max(y - 2, 0) : y + 12, max(x - 12, 0) : x + 12] = False
            count += 1
        found.append(count)
    return found[0], found[1]


@pytest.mark.parametrize("lines", [0, 1, 9, 30])
def test_as_many_lines_are_drawn_as_are_asked_for(lines: int) -> None:
    picture = draw(lines=lines)
    assert ends(picture) == (lines, lines)
    assert np.array_equal(picture[:STEP], draw()[:STEP])  # none in the first row


def test_doubtful_places_have_no_lines() -> None:
    confidence = np.full((31, 31), 0.4, np.float32)
    assert ends(draw(lines=20, confidence=confidence)) == (0, 0)
    confidence[4, 6] = confidence[25, 20] = 0.9
    picture = draw(lines=20, confidence=confidence)
    assert ends(picture) == (2, 2)


def test_a_line_joins_a_place_and_its_match_in_the_match_s_colour() -> None:
    confidence = np.zeros((31, 31), np.float32)
    confidence[5, 7] = 1
    matches = every_place((31, 31))
    matches[5, 7] = (20, 25)
    left, right = panels(draw(lines=8, confidence=confidence, matches=matches), 1)
    colour = coordinate_colours(np.array([20, 25]), (31, 31))
    assert np.array_equal(left[110, 150], colour) and np.array_equal(right[510, 410], colour)
    assert (left[104:117, 144:157] == 255).all(axis=-1).any()  # the ring around it
    # Half way, in the gap between the panels.
    x, y = (LEFT + 150 + RIGHT + 410) // 2, STEP + TOP + 310
    picture = draw(lines=8, confidence=confidence, matches=matches)
    assert np.abs(picture[y - 2 : y + 3, x].astype(int) - colour).sum(axis=-1).min() < 12


@pytest.mark.parametrize(
    ("condition", "exemplar"),
    [
        ((30, 20), (20, 30)),
        ((20, 30), (30, 20)),
        ((64, 200), (333, 100)),
        ((1, 1), (1, 400)),
        ((5, 2000), (8, 8)),
        ((900, 1300), (1500, 700)),
    ],
)
def test_sides_of_any_size_are_drawn_in_their_shape(
    condition: tuple[int, int], exemplar: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    matches = rng.uniform([-0.5] * 2, [exemplar[1] - 0.5, exemplar[0] - 0.5], (*condition, 2))
    picture = draw(
        condition,
        condition=np.tile(np.array([200, 0, 1], np.uint8), (*condition, 1)),
        exemplar=np.tile(np.array([0, 200, 1], np.uint8), (*exemplar, 1)),
        matches=matches.astype(np.float32),
    )
    assert picture.dtype == np.uint8 and picture.shape[1:] == (WIDTH, 3)
    assert picture.shape[0] <= 1600
    for size, colour in ((condition, [200, 0, 1]), (exemplar, [0, 200, 1])):
        inside = np.argwhere((picture == colour).all(axis=-1))
        height, width = inside.max(axis=0) - inside.min(axis=0) + 1
        assert height * width == len(inside)
        assert height == 720 or width == 620
        if min(size) > 10:
            assert abs(height / width / (size[0] / size[1]) - 1) < 0.01


def test_more_lines_than_places_and_large_sides_do_no_harm() -> None:
    draw((2, 2), lines=MAX_LINES)
    assert len(spread_places(np.ones((2000, 1500), np.float32), MAX_LINES)) == MAX_LINES


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lines": -1}, "lines is -1, expected 0"),
        ({"lines": MAX_LINES + 1}, "lines is 201, expected 0"),
        ({"condition": flat((31, 30))}, r"condition of \(31, 30\).*that was translated"),
        ({"confidence": np.ones((1, 31, 31))}, r"confidence \(1, 31, 31\)"),
        ({"exemplar": flat((31, 20))}, r"\(30\.0, 30\.0\), outside an exemplar of 20×31"),
        ({"matches": np.full((31, 31, 2), np.nan)}, "outside an exemplar"),
        ({"exemplar": np.zeros((31, 31), np.uint8)}, r"exemplar is uint8 \(31, 31\)"),
        ({"condition": np.zeros((31, 31, 3))}, "condition is float64"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        draw(**changes)
