"""Affine transformations of one object, drawn at random and applied to map and photograph alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64
from scipy import ndimage

from rabit.data.edits.objects import MapObject

SHIFT = 0.15
"""The largest shift, as a share of the picture's height and of its width."""

SCALE = 4 / 3
"""The largest scale; the smallest is its inverse."""

DEGREES = 20.0
"""The largest rotation, in either direction."""

FLIP = 0.5
"""How probable it is that left and right are exchanged."""

Order = Literal[0, 1]


@dataclass(frozen=True)
class Affine:
    """Flips, rotates and scales about a centre, then shifts: q = c + t + s R F (p - c).

    Points are (y, x) in pixels, pixel centres are whole numbers.

    Args:
        centre: c, the point that all but the shift leaves in place.
        shift: t, down and to the right.
        scale: s, above 0.
        degrees: of R, positive from the y axis to the x axis, counter-clockwise as seen.
        flip: whether F exchanges left and right.

    Raises:
        ValueError: the scale is not above 0, or a number is not finite.
    """

    centre: tuple[float, float]
    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    degrees: float = 0.0
    flip: bool = False

    def __post_init__(self) -> None:
        numbers = (*self.centre, *self.shift, self.scale, self.degrees)
        if not all(map(math.isfinite, numbers)) or self.scale <= 0:
            raise ValueError(f"{self}: expected finite numbers and a scale above 0")

    @property
    def matrix(self) -> Float64[np.ndarray, "2 2"]:
        """The linear part s R F, on (y, x)."""
        angle = math.radians(self.degrees)
        sine, cosine = self.scale * math.sin(angle), self.scale * math.cos(angle)
        side = -1.0 if self.flip else 1.0
        return np.array([[cosine, -sine * side], [sine, cosine * side]])

    def carry(self, points: Float64[np.ndarray, "*N 2"]) -> Float64[np.ndarray, "*N 2"]:
        """Returns where points go."""
        moved = (points - np.array(self.centre)) @ self.matrix.T
        return moved + np.array(self.centre) + np.array(self.shift)

    def carry_back(self, points: Float64[np.ndarray, "*N 2"]) -> Float64[np.ndarray, "*N 2"]:
        """Returns where points come from: the inverse of `carry`."""
        inverse = np.linalg.inv(self.matrix)
        moved = points - np.array(self.centre) - np.array(self.shift)
        return moved @ inverse.T + np.array(self.centre)


def draw_affine(item: MapObject, rng: np.random.Generator) -> Affine:
    """Draws a transformation of an object about the middle of its box.

    The paper gives no ranges; these are ours: a shift of up to `SHIFT` of each side, uniform; a
    scale of 1/`SCALE` to `SCALE`, its logarithm uniform; up to `DEGREES` of rotation either way,
    uniform; a flip with the probability `FLIP`.

    Args:
        item: the object.
        rng: where the randomness comes from; five numbers are drawn.
    """
    height, width = item.mask.shape
    return Affine(
        centre=item.centre,
        shift=(
            float(rng.uniform(-SHIFT, SHIFT) * height),
            float(rng.uniform(-SHIFT, SHIFT) * width),
        ),
        scale=float(SCALE ** rng.uniform(-1, 1)),
        degrees=float(rng.uniform(-DEGREES, DEGREES)),
        flip=bool(rng.random() < FLIP),
    )


def warp(
    array: np.ndarray, affine: Affine, order: Order, back: bool = False, fill: float | None = None
) -> np.ndarray:
    """Carries a whole picture along.

    Args:
        array: (H, W) or (H, W, C).
        affine: where each of its points goes.
        order: 0 takes the nearest pixel, for maps; 1 interpolates bilinearly, for photographs.
        back: whether to apply the inverse.
        fill: value beyond the picture; None repeats its border.

    Returns:
        An array of the same shape and type; bilinear values of whole numbers are rounded.
    """
    height, width = array.shape[:2]
    return warp_window(array, affine, order, (slice(0, height), slice(0, width)), back, fill)


def warp_window(
    array: np.ndarray,
    affine: Affine,
    order: Order,
    window: tuple[slice, slice],
    back: bool = False,
    fill: float | None = None,
) -> np.ndarray:
    """Returns a window, rows and columns, of what `warp` returns."""
    places = np.mgrid[window].transpose(1, 2, 0).astype(np.float64)
    sources = affine.carry(places) if back else affine.carry_back(places)
    # Whole numbers that the inverse gives inexactly must not fall to another pixel's side.
    coordinates = np.round(sources, 9).transpose(2, 0, 1)
    mode, value = ("nearest", 0.0) if fill is None else ("constant", fill)
    planes = array[..., None] if array.ndim == 2 else array
    whole = np.issubdtype(array.dtype, np.integer)
    warped = np.stack(
        [
            ndimage.map_coordinates(
                planes[..., plane].astype(np.float64) if order else planes[..., plane],
                coordinates,
                order=order,
                mode=mode,
                cval=value,
            )
            for plane in range(planes.shape[2])
        ],
        axis=2,
    )
    warped = (np.round(warped) if whole else warped).astype(array.dtype)
    return warped[..., 0] if array.ndim == 2 else warped


def landing(item: MapObject, affine: Affine, margin: int = 2) -> tuple[slice, slice]:
    """Returns the rows and columns, inside the picture, that a carried object may touch.

    Args:
        item: the object.
        affine: where it goes.
        margin: pixels more on every side, for interpolation.
    """
    top, left, bottom, right = item.box
    corners = np.array([(y, x) for y in (top, bottom - 1) for x in (left, right - 1)], float)
    moved = affine.carry(corners)
    low = np.floor(moved.min(axis=0)).astype(int) - margin
    high = np.ceil(moved.max(axis=0)).astype(int) + margin + 1
    height, width = item.mask.shape
    rows = slice(*(int(v) for v in np.clip((low[0], high[0]), 0, height)))
    columns = slice(*(int(v) for v in np.clip((low[1], high[1]), 0, width)))
    return rows, columns
