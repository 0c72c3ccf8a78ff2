"""Hiding the seam between a filled hole and what is around it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Int64
from scipy import sparse
from scipy.sparse.linalg import splu

# An error of more than this, in [0, 1], is another thing beside the hole and no other light.
_MOST = 0.1
# Beside the 1 that each neighbour counts: a class of which nothing is known stays solvable.
_TRACE = 1e-6


def spread_error(
    error: Float32[np.ndarray, "H W 3"],
    hole: Bool[np.ndarray, "H W"],
    labels: Int64[np.ndarray, "H W"],
) -> Float32[np.ndarray, "H W 3"]:
    """Spreads what a fill is wrong by on a hole's rim smoothly into it, so that no edge is seen.

    This solves Laplace's equation in the hole, each class for itself: light changes across a wall
    or a face, but not from a face to what is behind it.

    Args:
        error: (H, W, 3), what to add to the fill; read beside the hole, where it can be known.
        hole: (H, W), what was filled; at least one pixel.
        labels: (H, W) class ids, filled.

    Returns:
        (H, W, 3), what to add in the hole, and zero outside.
    """
    count = int(hole.sum())
    numbers = np.full(hole.shape, -1)
    numbers[hole] = np.arange(count)
    diagonal = np.full(count, _TRACE)
    known = np.zeros((count, 3))
    pairs = []
    small = np.abs(error).max(axis=2) <= _MOST
    for step in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        place, beside = _neighbours(hole, step)
        alike = (labels[place] == labels[beside]) & (hole[beside] | small[beside])
        inside = alike & hole[beside]
        rim = alike & ~hole[beside]
        own = numbers[place]
        diagonal[own[alike]] += 1
        known[own[rim]] += error[beside][rim]
        pairs.append(np.stack([own, numbers[beside]])[:, inside])
    rows, columns = np.concatenate(pairs, axis=1)
    links = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    system = sparse.csc_array(sparse.diags_array(diagonal) - links)
    spread = np.zeros_like(error)
    spread[hole] = splu(system).solve(known)
    return spread


def _neighbours(
    hole: Bool[np.ndarray, "H W"], step: tuple[int, int]
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of a hole's pixels that have a neighbour at a step, and of these."""
    places = np.argwhere(hole)
    beside = places + np.array(step)
    there = ((beside >= 0) & (beside < np.array(hole.shape))).all(axis=1)
    (y, x), (near_y, near_x) = places[there].T, beside[there].T
    return (y, x), (near_y, near_x)
