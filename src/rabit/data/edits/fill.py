"""Filling what an object uncovers, in the map and in the photograph."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8
from scipy import ndimage

from rabit.data.edits.patches import RADIUS, SIDE, Patches, lay_patches
from rabit.data.edits.seam import spread_error

_MOST_SOURCES = 12_000
_FEWEST_SOURCES = 40
_ROUNDS = 3
# How far from its middle a patch counts, see `lay_patches`: first patches have to agree; at last
# the mean of several would blur what each shows.
_EARLY = 8.0
_LAST = 1.0
# At the coarsest level a hole is a few pixels deep, so that its rim shows what belongs into it.
_COARSEST_DEPTH = 2.5
_LEAST_SIDE = 24


def fill_labels(
    labels: Int64[np.ndarray, "H W"],
    hole: Bool[np.ndarray, "H W"],
    known: Bool[np.ndarray, "H W"],
) -> Int64[np.ndarray, "H W"]:
    """Fills a hole in a map with the nearest of the surrounding labels.

    Args:
        labels: (H, W) class ids.
        hole: (H, W), what to fill.
        known: (H, W), the pixels that labels may come from, at least one, none in the hole.

    Returns:
        (H, W), a new map; of equally near pixels any one counts, the same one every time.

    Raises:
        ValueError: no pixel is known, or one of the hole is.
    """
    if not known.any() or (known & hole).any():
        raise ValueError("known pixels are none or in the hole, expected some outside it")
    return np.where(hole, labels[_nearest(known)], labels)


def fill_photograph(
    pixels: UInt8[np.ndarray, "H W 3"],
    hole: Bool[np.ndarray, "H W"],
    labels: Int64[np.ndarray, "H W"],
) -> UInt8[np.ndarray, "H W 3"]:
    """Fills a hole in a photograph with patches of the same class from its neighbourhood.

    Coarse to fine: at each scale, every patch that reaches into the hole is replaced by the patch
    most like it outside the hole whose centre is of the same class, and each pixel of the hole
    becomes the weighted mean of what the patches over it say. Texture is so continued rather than
    blurred. Where a class has no patches outside the hole, its nearest pixel is repeated.

    Args:
        pixels: (H, W, 3) uint8.
        hole: (H, W), what to fill; not the whole picture.
        labels: (H, W) class ids, already filled, see `fill_labels`.

    Returns:
        (H, W, 3) uint8, a new array, the same for the same arguments, and equal to `pixels`
        outside the hole.

    Raises:
        ValueError: the whole picture is to be filled.
    """
    if hole.all():
        raise ValueError("the hole is the whole photograph, expected some of it to fill from")
    if not hole.any():
        return pixels.copy()
    rows, columns = _neighbourhood(hole, labels)
    near, gap, kinds = pixels[rows, columns], hole[rows, columns], labels[rows, columns]
    filled = _coarse_to_fine(near.astype(np.float32) / 255, gap, kinds)
    result = pixels.copy()
    result[rows, columns][gap] = np.round(filled[gap].clip(0, 1) * 255).astype(np.uint8)
    return result


def _neighbourhood(
    hole: Bool[np.ndarray, "H W"], labels: Int64[np.ndarray, "H W"]
) -> tuple[slice, slice]:
    """The window around a hole to copy from: its own size more on each side.

    It grows until every class of the hole has enough pixels in it outside the hole, or it is the
    whole picture.
    """
    height, width = hole.shape
    rows, columns = ndimage.find_objects(hole.astype(np.uint8))[0]
    margin = max(rows.stop - rows.start, columns.stop - columns.start, 32)
    wanted = np.unique(labels[hole])
    while True:
        window = (
            slice(max(rows.start - margin, 0), min(rows.stop + margin, height)),
            slice(max(columns.start - margin, 0), min(columns.stop + margin, width)),
        )
        outside = labels[window][~hole[window]]
        counts = np.array([np.count_nonzero(outside == kind) for kind in wanted])
        if margin >= max(height, width) or (counts >= hole.sum()).all():
            return window
        margin *= 2


def _coarse_to_fine(
    pixels: Float32[np.ndarray, "H W 3"],
    hole: Bool[np.ndarray, "H W"],
    labels: Int64[np.ndarray, "H W"],
) -> Float32[np.ndarray, "H W 3"]:
    """Fills a hole, the half-sized picture's hole first."""
    depth = float(ndimage.distance_transform_edt(hole).max())
    if depth <= _COARSEST_DEPTH or min(hole.shape) < 2 * _LEAST_SIDE:
        start = _repeat_nearest(pixels, hole, labels)
    else:
        half = _coarse_to_fine(*_halve(pixels, hole, labels))
        large = half.repeat(2, axis=0).repeat(2, axis=1)
        smooth = ndimage.uniform_filter(large, (3, 3, 0), mode="nearest")
        start = np.where(hole[..., None], smooth[: hole.shape[0], : hole.shape[1]], pixels)
    return _improve(start, hole, labels)


def _halve(
    pixels: Float32[np.ndarray, "H W 3"],
    hole: Bool[np.ndarray, "H W"],
    labels: Int64[np.ndarray, "H W"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Halves a picture; a pixel is in the hole if one of its four was, an odd edge is repeated."""
    odd = tuple((0, side % 2) for side in hole.shape)

    def quarters(array: np.ndarray) -> np.ndarray:
        padded = np.pad(array, (*odd, *((0, 0),) * (array.ndim - 2)), mode="edge")
        return np.stack([padded[y::2, x::2] for y in (0, 1) for x in (0, 1)])

    coarse = quarters(pixels).mean(axis=0)
    gap = np.asarray(quarters(hole).any(axis=0))
    if gap.all():
        gap = np.asarray(quarters(hole).all(axis=0))
    # In the hole the label of a pixel of the hole, so that no class is to be filled but those.
    kinds, inside = quarters(labels), quarters(hole)
    chosen = np.where(gap, inside.argmax(axis=0), 0)
    return coarse, gap, np.take_along_axis(kinds, chosen[None], axis=0)[0]


def _repeat_nearest(
    pixels: Float32[np.ndarray, "H W 3"],
    hole: Bool[np.ndarray, "H W"],
    labels: Int64[np.ndarray, "H W"],
) -> Float32[np.ndarray, "H W 3"]:
    """Fills a hole with the nearest pixels of the same class, or of any where there are none."""
    filled = pixels.copy()
    for kind in np.unique(labels[hole]):
        known = (labels == kind) & ~hole
        gap = hole & (labels == kind)
        filled[gap] = pixels[_nearest(known if known.any() else ~hole)][gap]
    return filled


def _nearest(known: Bool[np.ndarray, "H W"]) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the known pixel nearest to each pixel."""
    places = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return places[0], places[1]


def _improve(
    start: Float32[np.ndarray, "H W 3"],
    hole: Bool[np.ndarray, "H W"],
    labels: Int64[np.ndarray, "H W"],
) -> Float32[np.ndarray, "H W 3"]:
    """Makes a filled hole more like the picture around it, some rounds of search and vote."""
    if min(hole.shape) < SIDE:
        return start
    centres = np.argwhere(ndimage.binary_dilation(hole, np.ones((SIDE, SIDE))))
    inside = ((centres >= RADIUS) & (centres < np.array(hole.shape) - RADIUS)).all(axis=1)
    centres = centres[inside]
    kinds = labels[tuple(centres.T)]
    searches = [
        (places, Patches(start, sources))
        for kind in np.unique(kinds)
        if len(sources := _sources(hole, labels, int(kind)))
        for places in (centres[kinds == kind],)
    ]
    filled = start
    voted = start
    for turn in range(_ROUNDS if searches else 0):
        pairs = [(places, patches.most_like(filled, places)) for places, patches in searches]
        targets, sources = (np.concatenate(side) for side in zip(*pairs, strict=True))
        spread = _LAST if turn == _ROUNDS - 1 else _EARLY
        votes = lay_patches(start, targets, sources, labels, spread)
        voted = np.where(np.isnan(votes), filled, votes)
        filled = np.where(hole[..., None], voted, start)
    return filled + spread_error(start - voted, hole, labels)


def _sources(
    hole: Bool[np.ndarray, "H W"], labels: Int64[np.ndarray, "H W"], kind: int
) -> Int64[np.ndarray, "N 2"]:
    """Centres (y, x) of the patches outside a hole to copy for a class, at most _MOST_SOURCES.

    These are patches of nothing else if there are enough of them, and otherwise those whose centre
    is of the class.
    """
    box = np.ones((SIDE, SIDE))
    own = (labels == kind) & ~hole
    pure = ndimage.binary_erosion(own, box)
    if np.count_nonzero(pure) < _FEWEST_SOURCES:
        pure = own & ndimage.binary_erosion(~hole, box)
    places = np.argwhere(pure)
    step = math.ceil(len(places) / _MOST_SOURCES)
    return places[:: max(step, 1)]
