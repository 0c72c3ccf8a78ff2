"""Strengths of methods from choices among them: Bradley and Terry's model, and Luce's for more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.sparse.csgraph import connected_components

# The precision of a normal prior around 0 on every log-strength. It moves what is known from some
# comparisons by far less than its interval, and bounds the strength of what never or always wins.
PRIOR = 0.01
_LONGEST_STEP = 1.0
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Strengths:
    """Log-strengths that fit choices best.

    Args:
        values: of the methods, mean 0; a difference d means odds of exp(d).
        converged: whether the last step of every fit was below 1e-9.
        iterations: of Newton's method.
    """

    values: Float64[np.ndarray, "B M"]
    converged: bool
    iterations: int


def fit_strengths(
    counts: Float64[np.ndarray, "B C"],
    shown: Bool[np.ndarray, "C M"],
    chosen: Int64[np.ndarray, " C"],
    max_iterations: int = 200,
) -> Strengths:
    """Fits log-strengths t by the greatest posterior probability.

    A method i is chosen out of the set S with probability exp(t_i) / sum_{j in S} exp(t_j): for two
    that is Bradley and Terry's model, for more Luce's choice axiom, the first stage of Plackett and
    Luce's. The prior is `PRIOR`.

    Args:
        counts: how often each outcome was seen; several data sets at once.
        shown: for each outcome the set that was chosen from.
        chosen: for each outcome the method, which was shown.
        max_iterations: of Newton's method, whose steps are cut to 1.

    Returns:
        The strengths, of each data set.
    """
    methods = shown.shape[1]
    wins = counts @ np.eye(methods)[chosen]
    values = np.zeros((counts.shape[0], methods))
    iterations, step = 0, np.inf
    while step > _TOLERANCE and iterations < max_iterations:
        scores = np.where(shown, values[:, None, :], -np.inf)
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        chances = weights / weights.sum(axis=2, keepdims=True)
        expected = np.einsum("bc,bcm->bm", counts, chances)
        gradient = wins - expected - PRIOR * values
        curvature = -np.einsum("bc,bcm,bcn->bmn", counts, chances, chances, optimize=True)
        diagonal = np.arange(methods)
        curvature[:, diagonal, diagonal] += expected + PRIOR
        move = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        longest = np.abs(move).max(axis=1, keepdims=True)
        values += move * np.minimum(1.0, _LONGEST_STEP / np.maximum(longest, _TOLERANCE))
        step = float(longest.max())
        iterations += 1
    centred = values - values.mean(axis=1, keepdims=True)
    return Strengths(centred, step <= _TOLERANCE, iterations)


def comparable_groups(wins: Int64[np.ndarray, "M M"]) -> list[list[int]]:
    """Groups methods so that choices alone, without a prior, tell the strengths in each group.

    Strengths are finite if, and only if, however the methods are split in two, each part has a
    method that was chosen over one of the other part: the graph of wins is strongly connected
    (Ford, Solution of a Ranking Problem from Binary Comparisons, 1957; for choices among more than
    two: Hunter, MM Algorithms for Generalized Bradley-Terry Models, 2004).

    Args:
        wins: row i, column j: how often i was chosen where j was there too.

    Returns:
        The strongly connected components: methods by their indices, both in ascending order.
    """
    count, labels = connected_components(wins, directed=True, connection="strong")
    return sorted(np.flatnonzero(labels == label).tolist() for label in range(count))
