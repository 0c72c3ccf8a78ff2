"""Where a pixel lies in its region, and which pixel of an exemplar lies in the same place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int, Integer
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class Regions:
    """The pixels of a label map sorted by class, with their region coordinates.

    Args:
        classes: (R,) the classes present, ascending.
        starts: (R + 1,) where each class begins in `pixels`; the last entry is H * W.
        pixels: (H * W,) flat row-major pixel indices, sorted by class.
        u: (H * W,) horizontal region coordinate of each of `pixels`, in [-1, 1].
        v: (H * W,) vertical region coordinate of each of `pixels`, in [-1, 1].
    """

    classes: Int[np.ndarray, " R"]
    starts: Int[np.ndarray, " R+1"]
    pixels: Int[np.ndarray, " P"]
    u: Float32[np.ndarray, " P"]
    v: Float32[np.ndarray, " P"]

    @classmethod
    def from_labels(cls, labels: Integer[np.ndarray, "H W"]) -> Regions:
        """Sorts a map's pixels by class and measures each where it lies in its region.

        Args:
            labels: (H, W) class ids, at least 0.

        Returns:
            The map's regions.
        """
        height, width = labels.shape
        flat = labels.reshape(-1)
        pixels = np.argsort(flat, kind="stable")
        counts = np.bincount(flat)
        classes = np.flatnonzero(counts)
        counts = counts[classes]
        starts = np.concatenate(([0], np.cumsum(counts)))
        y, x = np.divmod(pixels, width)
        u = _normalised_offsets(x, starts, counts)
        v = _normalised_offsets(y, starts, counts)
        return cls(classes, starts, pixels, u, v)


def _normalised_offsets(
    positions: Int[np.ndarray, " P"], starts: Int[np.ndarray, " R+1"], counts: Int[np.ndarray, " R"]
) -> Float32[np.ndarray, " P"]:
    """Returns the offsets from each region's mean, divided by the region's largest offset.

    A region of n pixels is measured in n-ths of a pixel: whole numbers, so that a region which is
    moved gives exactly the coordinates that it gave before.
    """
    sums = np.add.reduceat(positions, starts[:-1])
    offsets = positions * np.repeat(counts, counts) - np.repeat(sums, counts)
    largest = np.maximum.reduceat(np.abs(offsets), starts[:-1])
    scale = 1 / np.maximum(largest, 1)
    return (offsets * np.repeat(scale, counts)).astype(np.float32)


def region_coordinates(labels: Integer[np.ndarray, "H W"]) -> Float32[np.ndarray, "2 H W"]:
    """Returns the semantic position of every pixel: its place in the region of its class.

    The origin is the region's centroid; x and y are divided by the region's largest absolute
    offset on that axis. A region one pixel wide has x = 0, one pixel high y = 0.

    Args:
        labels: (H, W) class ids, at least 0.

    Returns:
        (2, H, W) float32 in [-1, 1], x then y.
    """
    regions = Regions.from_labels(labels)
    coordinates = np.empty((2, labels.size), dtype=np.float32)
    coordinates[0, regions.pixels] = regions.u
    coordinates[1, regions.pixels] = regions.v
    return coordinates.reshape(2, *labels.shape)


def true_correspondence(
    labels: Integer[np.ndarray, "H W"], exemplar_labels: Integer[np.ndarray, "K L"]
) -> Float32[np.ndarray, "H W 2"]:
    """Returns where in the exemplar every pixel of a condition takes its look from.

    That is the pixel of the same class whose region coordinates are nearest.

    Args:
        labels: (H, W) class ids of the condition.
        exemplar_labels: (K, L) class ids of the exemplar, of any size.

    Returns:
        (H, W, 2) pixel positions (x, y) in the exemplar; NaN where it lacks the class.
    """
    ours, theirs = Regions.from_labels(labels), Regions.from_labels(exemplar_labels)
    found = np.full((labels.size, 2), np.nan, dtype=np.float32)
    for region, name in enumerate(ours.classes):
        other = int(np.searchsorted(theirs.classes, name))
        if other == len(theirs.classes) or theirs.classes[other] != name:
            continue
        here = slice(ours.starts[region], ours.starts[region + 1])
        there = slice(theirs.starts[other], theirs.starts[other + 1])
        tree = cKDTree(np.stack([theirs.u[there], theirs.v[there]], axis=1))
        _, nearest = tree.query(np.stack([ours.u[here], ours.v[here]], axis=1))
        y, x = np.divmod(theirs.pixels[there][nearest], exemplar_labels.shape[1])
        found[ours.pixels[here]] = np.stack([x, y], axis=1)
    return found.reshape(*labels.shape, 2)
