"""Exact nearest neighbours by cosine, some rows at a time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

# Most products that are held at once: 64 MiB of float32.
_PRODUCTS = 2**24
# About how many candidates of all queries are compared in float64 at once: 64 MiB an array.
_PAIRS = 2**23
# Most numbers of the vectors that are compared in float64 at once.
_EXACT = 2**22
# What a rounding to float32 and to float64 is off by at most, relatively.
_ROUNDING = 2.0**-24
_FINE_ROUNDING = 2.0**-53
# Share of the candidates from which a product in float64 is faster than comparing them singly.
_DENSE = 1 / 64


def nearest(
    features: Float32[np.ndarray, "N D"],
    count: int,
    queries: Sequence[int] | None = None,
    candidates: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Int64[np.ndarray, "Q K"]:
    """Lists for each query the candidates of the largest cosine, best first, itself left out.

    All candidates are compared: products in float32 find those that may be among the best, with a
    margin that covers every rounding error (where these are many, products in float64 find fewer),
    and these are compared once more in float64, in an order of summation that does not depend on
    their place. Equal vectors therefore tie exactly, and
    of equally near ones the lower index comes first: of many that are equal only the first can be
    listed, and only these are compared. Memory grows with N, not with N².

    Args:
        features: one vector an item, of any length; the cosine with a zero vector is 0.
        count: K, the most neighbours a query; fewer where there are fewer candidates.
        queries: indices into `features`; None for all.
        candidates: indices into `features`, each once; None for all.
        device: where the products are computed, in full float32 precision.
        progress: told after each chunk how many of how many queries are done.

    Returns:
        (Q, K) int64 indices into `features`.

    Raises:
        ValueError: a number is not finite, the count is below 1, or a query has no candidate.
    """
    if count < 1:
        raise ValueError(f"count is {count}, expected 1 or more")
    asked = _indices(queries, len(features))
    pool = np.unique(_indices(candidates, len(features)))
    kept = min(count, len(pool) - bool(np.isin(asked, pool).any()))
    if kept < 1:
        raise ValueError(f"{len(pool)} candidates: there is no other item to list; give 2 or more")
    unit, norms = _unit(features)
    pool = _listable(features, pool, kept)
    bank = torch.from_numpy(unit if len(pool) == len(unit) else unit[pool]).to(device)
    found = np.empty((len(asked), kept), dtype=np.int64)
    step = max(1, _PRODUCTS // len(pool))
    for start in range(0, len(asked), step):
        rows = asked[start : start + step]
        products = torch.from_numpy(unit[rows]).to(device) @ bank.T
        terms = (features.shape[1] + 4) * _ROUNDING
        likely = _likely(products, rows, pool, kept, terms / (1 - terms))
        for part in _parts(likely):
            likeliest = likely[part].cpu()
            if int(likeliest.sum()) > _DENSE * likeliest.numel():
                likeliest &= _likeliest(features, norms, rows[part], pool, kept)
            row, column = (place.numpy() for place in likeliest.nonzero(as_tuple=True))
            cosine = _cosines(features, norms, rows[part][row], pool[column])
            order = np.lexsort((column, -cosine, row))
            row, column = row[order], column[order]
            place = np.arange(len(row)) - np.searchsorted(row, row)
            best = pool[column[place < kept]].reshape(-1, kept)
            found[start + part.start : start + part.stop] = best
        if progress is not None:
            progress(start + len(rows), len(asked))
    return found


def _indices(given: Sequence[int] | None, total: int) -> Int64[np.ndarray, " n"]:
    return np.arange(total) if given is None else np.asarray(given, dtype=np.int64)


def _listable(
    features: Float32[np.ndarray, "N D"], pool: Int64[np.ndarray, " M"], count: int
) -> Int64[np.ndarray, " m"]:
    """Leaves out candidates that never are among the best `count`: equal ones of lower index are.

    One more than `count` of each is kept, as a query is none of its own.
    """
    seen: Counter[bytes] = Counter()
    kept = np.zeros(len(pool), dtype=bool)
    for place, index in enumerate(pool):
        key = hashlib.blake2b(features[index].tobytes(), digest_size=16).digest()
        kept[place] = seen[key] <= count
        seen[key] += 1
    return pool[kept]


def _parts(likely: Bool[Tensor, "Q M"]) -> Iterator[slice]:
    """Cuts queries into runs with about `_PAIRS` candidates in all, or a single query."""
    filled = likely.sum(dim=1).cumsum(dim=0).cpu().numpy() // _PAIRS
    starts = [0, *(np.flatnonzero(np.diff(filled)) + 1).tolist(), len(filled)]
    for start, stop in pairwise(starts):
        yield slice(start, stop)


def _unit(
    features: Float32[np.ndarray, "N D"],
) -> tuple[Float32[np.ndarray, "N D"], Float64[np.ndarray, " N"]]:
    """Scales each vector to norm 1, and returns the norms it had; 1 for zero, which stays zero."""
    unit = np.empty(features.shape, dtype=np.float32)
    norms = np.empty(len(features))
    step = max(1, _EXACT // features.shape[1])
    for start in range(0, len(features), step):
        part = slice(start, start + step)
        rows = features[part].astype(np.float64)
        found = np.sqrt(np.square(rows).sum(axis=1))
        finite = np.isfinite(found)
        if not finite.all():
            raise ValueError(f"the features of item {start + int(finite.argmin())} are not finite")
        norms[part] = np.where(found > 0, found, 1)
        unit[part] = rows / norms[part, None]
    return unit, norms


def _likely(
    products: Float[Tensor, "Q M"],
    rows: Int64[np.ndarray, " Q"],
    pool: Int64[np.ndarray, " M"],
    count: int,
    error: float,
) -> Bool[Tensor, "Q M"]:
    """Tells which candidates may be among the best `count` of each query.

    A product of unit vectors of n numbers is off by at most n u / (1 - n u), in whatever order it
    is summed. Where products are off by `error` at most, the true best lie at most twice that
    below the count-th product.
    """
    own = np.minimum(np.searchsorted(pool, rows), len(pool) - 1)
    inside = np.flatnonzero(pool[own] == rows)
    products[inside, own[inside]] = -torch.inf
    lowest = products.topk(count, dim=1).values[:, -1:]
    return products >= lowest - 2 * error


def _likeliest(
    features: Float32[np.ndarray, "N D"],
    norms: Float64[np.ndarray, " N"],
    rows: Int64[np.ndarray, " Q"],
    pool: Int64[np.ndarray, " M"],
    count: int,
) -> Bool[Tensor, "Q M"]:
    """Does as `_likely` with products in float64.

    What the candidates are compared by in the end is as much off as these, hence twice the error.
    """
    queries = features[rows] / norms[rows, None]
    products = np.empty((len(rows), len(pool)))
    step = max(1, _EXACT // features.shape[1])
    for start in range(0, len(pool), step):
        some = pool[start : start + step]
        np.matmul(
            queries, (features[some] / norms[some, None]).T, out=products[:, start : start + step]
        )
    terms = 2 * (features.shape[1] + 4) * _FINE_ROUNDING
    return _likely(torch.from_numpy(products), rows, pool, count, terms / (1 - terms))


def _cosines(
    features: Float32[np.ndarray, "N D"],
    norms: Float64[np.ndarray, " N"],
    first: Int64[np.ndarray, " P"],
    second: Int64[np.ndarray, " P"],
) -> Float64[np.ndarray, " P"]:
    """Cosines of pairs of vectors in float64; of equal vectors always the same."""
    products = np.empty(len(first))
    step = max(1, _EXACT // features.shape[1])
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        pairs = np.multiply(features[first[part]], features[second[part]], dtype=np.float64)
        products[part] = pairs.sum(axis=1)
    return products / (norms[first] * norms[second])
