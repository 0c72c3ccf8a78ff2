"""The patterns that textures are made of, as functions of region coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

Values = Float32[np.ndarray, " P"]
TURN = 2 * np.pi


@dataclass(frozen=True)
class Grain:
    """What varies between two surfaces of one kind of texture.

    Args:
        across: periods per unit of u.
        down: periods per unit of v.
        phase: (across, down) shift of the pattern, in periods.
        seed: of the hashed tones of single bricks, panes and so on.
    """

    across: float
    down: float
    phase: tuple[float, float]
    seed: int


@dataclass(frozen=True)
class Weights:
    """How much of a surface's colours shows at each pixel.

    Args:
        second: (P,) share of the second colour, the rest being the first, in [0, 1].
        accent: (P,) share of the accent over these two, in [0, 1]; None for no accent.
    """

    second: Values
    accent: Values | None = None


def ramp(values: Values, low: float, high: float) -> Values:
    """Returns 0 below low, 1 above high and a straight line between."""
    return np.clip((values - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)


def wave(turns: Values) -> Values:
    """Returns a sine between 0 and 1 with a period of 1."""
    return np.float32(0.5) + np.float32(0.5) * np.sin(np.float32(TURN) * turns)


def hash_cells(column: Values, row: Values, seed: int) -> Values:
    """Returns a random number of [0, 1) for each pair of whole numbers."""
    mixed = column.astype(np.int32).view(np.uint32) * np.uint32(0x27D4EB2D)
    mixed ^= row.astype(np.int32).view(np.uint32) * np.uint32(0x165667B1)
    mixed ^= np.uint32(seed)
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed >>= np.uint32(8)
    return mixed.astype(np.float32) * np.float32(2**-24)


def count_periods(u: Values, v: Values, grain: Grain) -> tuple[Values, Values]:
    """Returns the coordinates counted in periods: x, y."""
    x = u * np.float32(grain.across) + np.float32(grain.phase[0])
    y = v * np.float32(grain.down) + np.float32(grain.phase[1])
    return x, y


def joint(fraction: Values, share: float) -> Values:
    """Returns 1 on the border of a cell and 0 inside, `share` of the period being border."""
    return ramp(np.abs(fraction - np.float32(0.5)), 0.5 - 0.75 * share, 0.5 - 0.25 * share)


def blobs(x: Values, y: Values, seed: int) -> Values:
    """Returns smooth lumps of about one period in [0, 1], the sum of three warped waves."""
    angle = TURN * (seed % 1009) / 1009
    total = np.zeros_like(x)
    bend = np.zeros_like(x)
    for step in range(3):
        turn = angle + 2.4 * step
        scale = 0.8 + 0.25 * step
        along = x * np.float32(scale * np.cos(turn)) + y * np.float32(scale * np.sin(turn))
        bend = np.sin(np.float32(TURN) * (along + np.float32(0.37 * step) + np.float32(0.2) * bend))
        total += bend
    return ramp(total, -1.5, 1.5)


def dots(x: Values, y: Values, seed: int, share: float) -> Values:
    """Returns soft discs in about `share` of the cells."""
    column, row = np.floor(x), np.floor(y)
    chosen = hash_cells(column, row, seed)
    shift = np.float32(0.15) * (2 * chosen / np.float32(share) - 1)
    away = np.hypot(x - column - np.float32(0.5) - shift, y - row - np.float32(0.5) + shift)
    return np.where(chosen < share, ramp(away, 0.36, 0.16), np.float32(0))
