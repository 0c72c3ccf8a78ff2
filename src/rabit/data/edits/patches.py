"""Square patches of a picture: finding the one most like another, and laying them over others."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float32, Int64
from scipy.spatial import KDTree

RADIUS = 3
"""Pixels from a patch's middle to its sides."""

SIDE = 2 * RADIUS + 1
"""Pixels a side."""

# Components of a patch's 147 numbers that patches are compared by.
_DIMENSIONS = 12
# A patch this much further than the nearest may be taken for it.
_SLACK = 0.3


class Patches:
    """Patches to choose from, found by their strongest components.

    Args:
        picture: the picture they are of.
        centres: (N, 2) their centres, a patch's radius inside it.
    """

    def __init__(
        self, picture: Float32[np.ndarray, "H W 3"], centres: Int64[np.ndarray, "N 2"]
    ) -> None:
        self._centres = centres
        patches = _cut(picture, centres)
        self._mean = patches.mean(axis=0)
        spread = patches - self._mean
        # eigh lists the strongest last.
        self._axes = np.linalg.eigh(spread.T @ spread)[1][:, -_DIMENSIONS:]
        self._tree = KDTree(spread @ self._axes)

    def most_like(
        self, picture: Float32[np.ndarray, "H W 3"], places: Int64[np.ndarray, "M 2"]
    ) -> Int64[np.ndarray, "M 2"]:
        """Returns the centres of the patches most like those at places of a picture."""
        wanted = (_cut(picture, places) - self._mean) @ self._axes
        return self._centres[self._tree.query(wanted, eps=_SLACK)[1]]


def _cut(
    picture: Float32[np.ndarray, "H W 3"], centres: Int64[np.ndarray, "N 2"]
) -> Float32[np.ndarray, "N D"]:
    """Cuts patches out of a picture, each as a row."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, (SIDE, SIDE), axis=(0, 1))
    corners = centres - RADIUS
    return windows[corners[:, 0], corners[:, 1]].reshape(len(centres), -1)


def lay_patches(
    picture: Float32[np.ndarray, "H W 3"],
    targets: Int64[np.ndarray, "M 2"],
    sources: Int64[np.ndarray, "M 2"],
    labels: Int64[np.ndarray, "H W"],
    spread: float,
) -> Float32[np.ndarray, "H W 3"]:
    """Lays patches of a picture over others and returns their weighted mean in each pixel.

    Args:
        picture: (H, W, 3), what the patches are of.
        targets: (M, 2) centres, each once, of the patches to cover.
        sources: (M, 2) centres of the patches to lay there.
        labels: (H, W) class ids: a patch counts where they are as in its middle, so that the edge
            between two classes stays sharp.
        spread: twice the variance, in pixels, of the weights about a patch's middle.

    Returns:
        (H, W, 3), NaN where no patch lies.
    """
    total = np.zeros_like(picture)
    weights = np.zeros((*picture.shape[:2], 1), dtype=np.float32)
    kinds = labels[targets[:, 0], targets[:, 1]]
    for y in range(-RADIUS, RADIUS + 1):
        for x in range(-RADIUS, RADIUS + 1):
            weight = np.float32(math.exp(-(y * y + x * x) / spread))
            own = labels[targets[:, 0] + y, targets[:, 1] + x] == kinds
            to, source = targets[own] + (y, x), sources[own] + (y, x)
            total[to[:, 0], to[:, 1]] += weight * picture[source[:, 0], source[:, 1]]
            weights[to[:, 0], to[:, 1]] += weight
    return np.divide(total, weights, out=np.full_like(total, np.nan), where=weights > 0)
