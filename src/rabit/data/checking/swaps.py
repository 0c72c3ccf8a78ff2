"""Photographs and maps that belong to each other's partners.

A map's outlines run along places where its own photograph changes, more than they do in other
photographs. Two pictures are taken for swapped only where either photograph fits the other's map
far better than its own, which hardly happens by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped, UInt8
from PIL import Image

from rabit.data.transforms import resize_labels

SIDE = 64
"""Height and width at which photographs and outlines are compared."""

# Fits are counted in standard deviations from how a photograph fits maps of other pictures. The
# bounds are those at which facades, faces and street photographs give no false alarm by far.
_OTHER = 4.0
_OWN = 2.5
_MARGIN = 3.0
# Fewer pictures say too little about how well maps of others fit.
_FEWEST = 12
_SAMPLED = 256
_SUSPECTS = 4096
_CHUNK = 1024


@dataclass(frozen=True)
class Outlined:
    """A photograph and its map, as they are compared.

    Args:
        strengths: `draw_strengths` of the photograph.
        outlines: `draw_outlines` of the map.
        size: height and width of the photograph.
        map_size: height and width of the map.
    """

    strengths: UInt8[np.ndarray, " places"]
    outlines: UInt8[np.ndarray, " bytes"]
    size: tuple[int, int]
    map_size: tuple[int, int]


def draw_strengths(pixels: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, " places"]:
    """Returns how much a photograph changes at each of SIDE×SIDE places, the root of it."""
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    values = np.asarray(small).astype(np.int16)
    right = np.abs(np.diff(values, axis=1)).sum(axis=2)
    down = np.abs(np.diff(values, axis=0)).sum(axis=2)
    total = np.zeros((SIDE, SIDE), np.float32)
    for part, step in ((total[:, :-1], right), (total[:, 1:], right)):
        part += step
    for part, step in ((total[:-1], down), (total[1:], down)):
        part += step
    # At most the root of 4 steps of 3 · 255, which is 55.3.
    return (4 * np.sqrt(total)).astype(np.uint8).ravel()


def draw_outlines(ids: Shaped[np.ndarray, "H W"]) -> UInt8[np.ndarray, " bytes"]:
    """Returns which of SIDE×SIDE places of a map border on another id, one bit each."""
    small = resize_labels(ids, (SIDE, SIDE))
    right, down = small[:, 1:] != small[:, :-1], small[1:] != small[:-1]
    edges = np.zeros((SIDE, SIDE), bool)
    edges[:, :-1] |= right
    edges[:, 1:] |= right
    edges[:-1] |= down
    edges[1:] |= down
    return np.packbits(edges.ravel())


def find_swaps(pictures: Sequence[Outlined], seed: int = 0) -> tuple[tuple[int, int], ...]:
    """Finds pictures that fit each other's maps far better than their own.

    Every photograph is first compared with its own map and those of up to 256 others, and only
    those that fit their own map no better than another are compared with each other: the time
    grows with N. Swaps of pictures that are alike, or whose maps follow the photographs loosely,
    stay unseen.

    Args:
        pictures: N pictures; fewer than 12 are too few to tell.
        seed: of the others that all are compared with.

    Returns:
        Pairs of indices, the lower first; no index occurs twice.
    """
    if len(pictures) < _FEWEST:
        return ()
    strengths = _Stack.of(np.stack([picture.strengths for picture in pictures]), packed=False)
    outlines = _Stack.of(np.stack([picture.outlines for picture in pictures]), packed=True)
    count = len(pictures)
    sampled = np.random.default_rng(seed).permutation(count)[:_SAMPLED]
    others = outlines.rows(sampled)
    own, mean, spread = (np.empty(count, np.float32) for _ in range(3))
    for start in range(0, count, _CHUNK):
        chosen = np.arange(start, min(start + _CHUNK, count))
        rows = strengths.rows(chosen)
        fits = rows @ others.T
        fits[chosen[:, None] == sampled[None]] = np.nan
        # The best of them may be the one that it was swapped with.
        fits[np.arange(len(chosen)), np.nanargmax(fits, axis=1)] = np.nan
        mean[chosen], spread[chosen] = np.nanmean(fits, axis=1), np.nanstd(fits, axis=1)
        own[chosen] = (rows * outlines.rows(chosen)).sum(axis=1)
    spread[spread == 0] = np.inf
    own = (own - mean) / spread
    suspects = np.argsort(own, kind="stable")[:_SUSPECTS]
    suspects = np.sort(suspects[own[suspects] < _OWN])
    scores = strengths.rows(suspects) @ outlines.rows(suspects).T
    scores = (scores - mean[suspects, None]) / spread[suspects, None]
    gain = scores - own[suspects, None]
    convincing = (scores > _OTHER) & (gain > _MARGIN) & _fitting(pictures, suspects)
    mutual = np.where(convincing & convincing.T, np.minimum(gain, gain.T), -np.inf)
    return _best_pairs(mutual, suspects)


@dataclass(frozen=True)
class _Stack:
    """Drawings of all pictures, kept small, and what they have in common."""

    drawings: UInt8[np.ndarray, "N bytes"]
    packed: bool
    mean: Float32[np.ndarray, " places"]

    @classmethod
    def of(cls, drawings: UInt8[np.ndarray, "N bytes"], packed: bool) -> _Stack:
        total = np.zeros(SIDE * SIDE, np.float64)
        for start in range(0, len(drawings), _CHUNK):
            part = drawings[start : start + _CHUNK]
            total += (np.unpackbits(part, axis=1) if packed else part).sum(axis=0)
        return cls(drawings, packed, (total / len(drawings)).astype(np.float32))

    def rows(self, chosen: Int64[np.ndarray, " n"]) -> Float32[np.ndarray, "n places"]:
        """Some drawings without what all have in common, of norm 1."""
        part = self.drawings[chosen]
        values = (np.unpackbits(part, axis=1) if self.packed else part) - self.mean
        values -= values.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(values, axis=1, keepdims=True)
        return values / np.where(norms > 0, norms, 1)


def _fitting(
    pictures: Sequence[Outlined], chosen: Int64[np.ndarray, " n"]
) -> Bool[np.ndarray, "n n"]:
    """Whether each photograph has the size of each map."""
    sizes = np.array([pictures[i].size for i in chosen]).reshape(-1, 1, 2)
    map_sizes = np.array([pictures[i].map_size for i in chosen]).reshape(1, -1, 2)
    return (sizes == map_sizes).all(axis=2)


def _best_pairs(
    gain: Float32[np.ndarray, "n n"], names: Int64[np.ndarray, " n"]
) -> tuple[tuple[int, int], ...]:
    """The pairs of the highest finite gains, each picture once."""
    rows, columns = np.nonzero(np.triu(gain > -np.inf, k=1))
    taken: set[int] = set()
    pairs = []
    for at in np.argsort(-gain[rows, columns], kind="stable"):
        pair = (int(names[rows[at]]), int(names[columns[at]]))
        if not taken & set(pair):
            taken |= set(pair)
            pairs.append(pair)
    return tuple(sorted(pairs))
