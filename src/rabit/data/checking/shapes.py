"""The shape that most pictures of a corpus have, and a size to train at that keeps it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

# Shapes are told apart as fractions of no larger numbers.
_TERM = 16
# Shapes within this factor of a square are squares.
_SQUARE = 1.1
_LONGEST = 3
# Sides that all presets can be trained at, of pictures about as large as a square of 256.
_SIDES = range(128, 513, 32)
_AREAS = (0.6 * 256**2, 1.25 * 256**2)


@dataclass(frozen=True)
class Shape:
    """A shape that is no square.

    Args:
        ratio: width / height, about.
        pictures: how many have it.
        size: height and width of about this shape that every preset can be trained at.
    """

    ratio: Fraction
    pictures: int
    size: tuple[int, int]


def usual_shape(sizes: Sequence[tuple[tuple[int, int], int]]) -> Shape | None:
    """Returns the shape that most pictures have; None if none has, or that is a square or a strip.

    Args:
        sizes: heights and widths with the number of pictures of each.
    """
    shapes: Counter[Fraction] = Counter()
    for (height, width), count in sizes:
        shapes[Fraction(width, height).limit_denominator(_TERM)] += count
    if not shapes:
        return None
    ratio, count = shapes.most_common(1)[0]
    square = 1 / _SQUARE < ratio < _SQUARE
    # Strips that are no shape of a preset's size are left alone.
    strip = not 1 / _LONGEST <= ratio <= _LONGEST
    if 2 * count <= sum(shapes.values()) or square or strip:
        return None
    return Shape(ratio, count, _size(float(ratio)))


def count_oblong(sizes: Sequence[tuple[tuple[int, int], int]]) -> int:
    """Returns how many pictures are no squares.

    Args:
        sizes: heights and widths with the number of pictures of each.
    """
    return sum(
        count
        for (height, width), count in sizes
        if max(height, width) >= _SQUARE * min(height, width)
    )


def _size(ratio: float) -> tuple[int, int]:
    """The height and width that fit best, of several alike those nearest to the area of 256×256."""
    fitting = [
        (height, width)
        for height, width in product(_SIDES, _SIDES)
        if _AREAS[0] <= height * width <= _AREAS[1]
    ]

    def misfit(size: tuple[int, int]) -> tuple[float, int]:
        height, width = size
        return round(abs(math.log(width / height / ratio)), 3), abs(height * width - 256**2)

    return min(fitting, key=misfit)
