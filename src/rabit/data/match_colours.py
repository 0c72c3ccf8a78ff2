"""Matches for people: a colour code of the exemplar's places, and which matches to point out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8

CONFIDENT = 0.5
"""Only places above this confidence get a line."""

_DIMMEST = 0.15  # What is left of a colour's brightness where the confidence is 0.
_PLACES = 192  # Ends of lines are chosen among at most this many rows and columns.

# Colours of the exemplar's corners, the middles of its sides and its middle, top left first. Those
# between are mixtures: all different, and none so dark that it could be taken for a dimmed one.
_CODE = np.array(
    [
        [[250, 205, 0], [255, 125, 45], [222, 20, 80]],
        [[130, 205, 30], [240, 235, 230], [190, 75, 205]],
        [[0, 160, 85], [20, 175, 225], [55, 65, 235]],
    ],
    float,
)


def coordinate_colours(
    places: Float[np.ndarray, "*places 2"], size: tuple[int, int]
) -> UInt8[np.ndarray, "*places 3"]:
    """Returns the colour code of places in the exemplar: continuous, and never the same twice.

    Args:
        places: (..., 2) places (x, y) in the exemplar's pixels; pixel centres are integers, the
            origin is top-left.
        size: the exemplar's height and width.

    Returns:
        (..., 3) colours: yellow, red, blue and green in the corners, clockwise from the top left,
        mixtures between them, and pale in the middle.
    """
    shares = np.clip((places + 0.5) / np.array([size[1], size[0]]), 0, 1)
    at = shares * (len(_CODE) - 1)
    low = np.minimum(at.astype(int), len(_CODE) - 2)
    right, down = np.split(at - low, 2, axis=-1)
    column, row = low[..., 0], low[..., 1]
    above = _CODE[row, column] * (1 - right) + _CODE[row, column + 1] * right
    below = _CODE[row + 1, column] * (1 - right) + _CODE[row + 1, column + 1] * right
    return np.round(above * (1 - down) + below * down).astype(np.uint8)


def match_colours(
    matches: Float[np.ndarray, "*places 2"],
    confidence: Float[np.ndarray, "*places"],
    size: tuple[int, int],
) -> UInt8[np.ndarray, "*places 3"]:
    """Returns the colours of matches: the code of the matched place, dark where it is doubtful.

    Args:
        matches: (..., 2) places (x, y) in the exemplar, as `coordinate_colours` takes them.
        confidence: (...) in [0, 1]; the brightness falls with it, to 15 % at 0.
        size: the exemplar's height and width.

    Returns:
        (..., 3) colours.
    """
    brightness = _DIMMEST + (1 - _DIMMEST) * np.clip(confidence, 0, 1)[..., None]
    return np.round(coordinate_colours(matches, size) * brightness).astype(np.uint8)


def spread_places(confidence: Float[np.ndarray, "H W"], count: int) -> Int[np.ndarray, "N 2"]:
    """Chooses confident places that lie far from each other and from the border.

    One by one: the place with the largest confidence times distance to those chosen before, less
    near the border, where a farthest place would lie otherwise.

    Args:
        confidence: (H, W) in [0, 1].
        count: the most places to choose.

    Returns:
        (N, 2) places (x, y), N ≤ count; all have a confidence above CONFIDENT.
    """
    height, width = confidence.shape
    rows, columns = (centres(min(side, _PLACES), side) for side in (height, width))
    y, x = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
    sure = confidence[y, x] > CONFIDENT
    x, y = x[sure], y[sure]
    inside = np.minimum.reduce([x + 0.5, width - 0.5 - x]) / width
    inside = np.minimum(inside, np.minimum.reduce([y + 0.5, height - 0.5 - y]) / height)
    weights = confidence[y, x] * np.minimum(inside * 2 * np.sqrt(max(count, 1)), 1)
    distance = np.full(len(x), np.hypot(height, width))
    chosen: list[int] = []
    while len(chosen) < min(count, len(x)):
        chosen.append(int((distance * weights).argmax()))
        distance = np.minimum(distance, np.hypot(x - x[chosen[-1]], y - y[chosen[-1]]))
        distance[chosen] = -1
    return np.stack([x[chosen], y[chosen]], axis=1)


def centres(new: int, old: int) -> Int[np.ndarray, "new"]:
    """Returns which of `old` pixels lie under the centres of `new` ones."""
    return (2 * np.arange(new) + 1) * old // (2 * new)
