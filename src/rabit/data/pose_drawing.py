"""Drawing of poses: the skeleton in colours, distances to limbs, and regions of limbs.

Skeleton and distances are those that the public DeepFashion models were trained on, equal to the
pixel where joints have integer coordinates and the picture is 256 pixels high. Pictures of other
heights are drawn in proportion, so that a condition looks the same at every size.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from rabit.data.joints import LIMBS, Joints

COLOURS = (
    (0, 0, 255),
    (0, 85, 255),
    (0, 170, 255),
    (0, 255, 255),
    (0, 255, 170),
    (0, 255, 85),
    (0, 255, 0),
    (85, 255, 0),
    (170, 255, 0),
    (255, 255, 0),
    (255, 170, 0),
    (255, 85, 0),
    (255, 0, 0),
    (255, 0, 85),
    (255, 0, 170),
    (255, 0, 255),
    (170, 0, 255),
    (85, 0, 255),
)
"""RGB of the joints; the first 17 are also the limbs'."""

# Height that the next two, and the unit of distances, are for.
_HEIGHT = 256
# Radius of a joint's circle, and half the width of a limb's ellipse.
_RADIUS = 4
# Share of a limb's colour where it covers what was drawn before.
_COVER = 0.6
# Pixels of a distance map's smallest step; 255 steps are the most.
_STEP = 3

# To seven places, as the drawing library of the public models rounds them: vertices that lie half
# way between two pixels depend on it.
_SINE = np.sin(np.radians(np.arange(361))).round(7).astype(np.float32).astype(np.float64)
_COSINE = np.cos(np.radians(np.arange(361))).round(7).astype(np.float32).astype(np.float64)


class _Spans(NamedTuple):
    """A convex shape: the rows top, top + 1, … from column `first` to column `last`."""

    top: int
    first: Int64[np.ndarray, " rows"]
    last: Int64[np.ndarray, " rows"]


def draw_pose(joints: Joints, size: tuple[int, int]) -> Float32[np.ndarray, "20 h w"]:
    """Draws a pose as the channels of a condition.

    Three channels are the skeleton in colours on black: circles (radius 4 of 256 pixels) at the
    joints, then the limbs as ellipses (4 pixels to either side) that cover 0.6 of what is below.
    One channel a limb is the city-block distance to its ellipse, in steps of 3 of 256 pixels,
    255 at most, divided by 255; 1 everywhere for a limb with a joint that is not seen.

    Args:
        joints: in pixels of the drawing.
        size: height and width of the drawing.

    Returns:
        (20, h, w) float32 in [0, 1], see `rabit.data.pose.POSE_CHANNELS`.

    Raises:
        ValueError: a joint lies far outside the drawing.
    """
    joints.check_inside(size, slack=1.0)  # a resize moves them by less
    limbs = [_limb_spans(joints, limb, size) for limb in range(len(LIMBS))]
    channels = np.empty((3 + len(LIMBS), *size), np.float32)
    channels[:3] = _skeleton(joints, limbs, size).transpose(2, 0, 1)
    channels[:3] /= 255
    _distances(limbs, size, channels[3:])
    return channels


def limb_regions(joints: Joints, size: tuple[int, int], radius: float) -> Int64[np.ndarray, "h w"]:
    """Tells which limb each pixel belongs to.

    Args:
        joints: in pixels of the picture.
        size: height and width of the picture.
        radius: largest distance to a limb, in pixels.

    Returns:
        (h, w) int64: 1 to 17 for the limb whose segment is nearest (of equally near ones the
        first), 0 beyond the radius.

    Raises:
        ValueError: a joint lies far outside the picture, or the radius is not above 0.
    """
    if not radius > 0:
        raise ValueError(f"radius is {radius}, expected pixels, above 0")
    joints.check_inside(size, slack=1.0)  # a resize moves them by less
    regions = np.zeros(size, np.int64)
    nearest = np.full(size, np.nextafter(np.float64(radius) ** 2, np.inf))
    for limb, ends in enumerate(LIMBS):
        if not joints.seen[list(ends)].all():
            continue
        start, end = joints.places[list(ends)]
        (left, top), (right, bottom) = np.minimum(start, end), np.maximum(start, end)
        rows = slice(max(int(top - radius), 0), max(int(bottom + radius) + 2, 0))
        columns = slice(max(int(left - radius), 0), max(int(right + radius) + 2, 0))
        squared = _squared_distance(start, end, rows, columns, size)
        closer = squared < nearest[rows, columns]
        nearest[rows, columns][closer] = squared[closer]
        regions[rows, columns][closer] = limb + 1
    return regions


def _squared_distance(
    start: Float64[np.ndarray, "2"],
    end: Float64[np.ndarray, "2"],
    rows: slice,
    columns: slice,
    size: tuple[int, int],
) -> Float64[np.ndarray, "rows columns"]:
    """Squared distances of some pixels of a picture to a segment."""
    y = np.arange(size[0])[rows, None] - start[1]
    x = np.arange(size[1])[columns] - start[0]
    along_x, along_y = end - start
    length = along_x**2 + along_y**2
    share = ((x * along_x + y * along_y) / length).clip(0, 1) if length else np.zeros_like(x * y)
    return (x - share * along_x) ** 2 + (y - share * along_y) ** 2


def _whole(places: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 2"]:
    """The pixels that joints lie in."""
    return np.floor(places + 0.5)


def _skeleton(
    joints: Joints, limbs: list[_Spans | None], size: tuple[int, int]
) -> UInt8[np.ndarray, "h w 3"]:
    canvas = np.zeros((*size, 3), np.uint8)
    radius = _RADIUS * size[0] / _HEIGHT
    for joint in np.flatnonzero(joints.seen):
        x, y = _whole(joints.places[joint : joint + 1])[0]
        top, left = max(int(y - radius), 0), max(int(x - radius), 0)
        box = canvas[top : max(int(y + radius) + 1, 0), left : max(int(x + radius) + 1, 0)]
        rows, columns = np.ogrid[: box.shape[0], : box.shape[1]]
        disc = (rows + top - y) ** 2 + (columns + left - x) ** 2 <= radius**2
        box[disc] = COLOURS[joint]
    for limb, spans in enumerate(limbs):
        if spans is None:
            continue
        left, right = int(spans.first.min()), int(spans.last.max()) + 1
        box = canvas[spans.top : spans.top + len(spans.first), left:right]
        inside = _inside(spans, np.arange(left, right))
        cover = _COVER * np.array(COLOURS[limb])
        box[inside] = np.rint((1 - _COVER) * box[inside] + cover)
    return canvas


def _inside(
    spans: _Spans, columns: Int64[np.ndarray, " columns"]
) -> Bool[np.ndarray, "rows columns"]:
    return (columns >= spans.first[:, None]) & (columns <= spans.last[:, None])


def _limb_spans(joints: Joints, limb: int, size: tuple[int, int]) -> _Spans | None:
    """The pixels of a limb's ellipse, None where there are none in the picture."""
    ends = list(LIMBS[limb])
    if not joints.seen[ends].all():
        return None
    (x0, y0), (x1, y1) = _whole(joints.places[ends])
    centre = (int((x0 + x1) / 2), int((y0 + y1) / 2))
    half = int(np.hypot(x0 - x1, y0 - y1) / 2)
    turn = int(np.degrees(np.arctan2(y0 - y1, x0 - x1)))
    along, across = half * _COSINE, _RADIUS * size[0] / _HEIGHT * _SINE
    sine, cosine = _SINE[turn % 360], _COSINE[turn % 360]
    x = np.rint(centre[0] + along * cosine - across * sine).astype(np.int64)
    y = np.rint(centre[1] + along * sine + across * cosine).astype(np.int64)
    return _clip(_polygon_spans(x, y), size)


def _polygon_spans(x: Int64[np.ndarray, " n"], y: Int64[np.ndarray, " n"]) -> _Spans:
    """The rows of a convex polygon with its outline, as drawn by straight lines of pixels.

    Args:
        x: columns of the vertices, the last the first again.
        y: rows of the vertices.
    """
    # Lines are walked from left to right; a line half way between two pixels takes the one nearer
    # to where it comes from.
    swap = x[1:] < x[:-1]
    x0, x1 = np.where(swap, x[1:], x[:-1]), np.where(swap, x[:-1], x[1:])
    y0, y1 = np.where(swap, y[1:], y[:-1]), np.where(swap, y[:-1], y[1:])
    wide, high = x1 - x0, np.abs(y1 - y0)
    longer = np.maximum(wide, high)
    step = np.minimum(np.arange(int(longer.max()) + 1)[:, None], longer)
    double = np.maximum(2 * longer, 1)
    row = y0 + np.sign(y1 - y0) * ((2 * high * step + longer - 1).clip(0) // double)
    first = x0 + (2 * wide * step + longer - 1).clip(0) // double
    # The inside is filled to the pixel further right.
    last = x0 + (2 * wide * step + longer) // double
    top = int(row.min())
    rows = int(row.max()) - top + 1
    firsts = np.full(rows, np.iinfo(np.int64).max)
    lasts = np.full(rows, np.iinfo(np.int64).min)
    np.minimum.at(firsts, (row - top).ravel(), first.ravel())
    np.maximum.at(lasts, (row - top).ravel(), last.ravel())
    return _Spans(top, firsts, lasts)


def _clip(spans: _Spans, size: tuple[int, int]) -> _Spans | None:
    """The part of a shape within a picture."""
    height, width = size
    rows = np.arange(spans.top, spans.top + len(spans.first))
    within = (rows >= 0) & (rows < height) & (spans.first < width) & (spans.last >= 0)
    if not within.any():
        return None
    return _Spans(
        int(rows[within][0]), spans.first[within].clip(0), spans.last[within].clip(None, width - 1)
    )


def _distances(
    limbs: list[_Spans | None], size: tuple[int, int], out: Float32[np.ndarray, "17 h w"]
) -> None:
    """Fills in the distance maps of limbs."""
    height, width = size
    levels = np.arange(height + width) * _HEIGHT // (_STEP * height)
    shades = (np.minimum(levels, 255) / 255).astype(np.float32)
    rows, columns = np.arange(height), np.arange(width)
    for limb, spans in enumerate(limbs):
        if spans is None:
            out[limb] = 1
            continue
        # Along the rows that the shape is in, then from row to row, then away from it.
        within = np.maximum(spans.first[:, None] - columns, columns - spans.last[:, None]).clip(0)
        lines = [*within, *within[::-1]]
        for previous, line in pairwise(lines):
            np.minimum(line, previous + 1, out=line)
        steps = within[(rows - spans.top).clip(0, len(within) - 1)]
        steps += np.maximum(spans.top - rows, rows - spans.top - len(within) + 1).clip(0)[:, None]
        np.take(shades, steps, out=out[limb], mode="clip")
