"""Shares and strengths of methods, with intervals over raters and items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from rabit.student import widening
from rabit.study.strengths import fit_strengths

_CHUNK = 100


@dataclass(frozen=True)
class Ballots:
    """The choices that count for one question, N of them, among M methods.

    Args:
        rater, item: who chose, and about what, as indices from 0.
        shown: the methods that were there to choose from.
        chosen: the one that was.
    """

    rater: Int64[np.ndarray, " N"]
    item: Int64[np.ndarray, " N"]
    shown: Bool[np.ndarray, "N M"]
    chosen: Int64[np.ndarray, " N"]


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Estimates:
    """What choices say about the methods.

    Args:
        shares: of a method's appearances, those in which it was chosen, 0 to 1.
        strengths: log-strengths, mean 0 over the methods that were shown; None for the others.
        converged: whether all fits did.
    """

    shares: tuple[Interval, ...]
    strengths: tuple[Interval, ...]
    converged: bool


def estimate(ballots: Ballots, resamples: int, confidence: float, seed: int) -> Estimates:
    """Computes shares and strengths with enlarged percentile intervals of a two-way bootstrap.

    Raters and items are drawn with replacement, independently of each other, and a choice counts as
    often as its rater times as often as its item was drawn (the pigeonhole bootstrap: Owen, Annals
    of Applied Statistics 2007). Choices of one rater, and those about one item, may so depend on
    each other. Percentiles alone are too narrow for few raters or items that differ; see
    `rabit.student.widening`. Intervals are too wide where raters and items are alike. A single
    rater and a single item have none.

    Args:
        ballots: at least one.
        resamples: of the bootstrap; 0 for no intervals.
        confidence: that an interval covers, between 0 and 1.
        seed: of the draws.
    """
    outcomes, index = np.unique(
        np.column_stack([ballots.shown, ballots.chosen]), axis=0, return_inverse=True
    )
    shown, chosen = outcomes[:, :-1].astype(bool), outcomes[:, -1].astype(np.int64)
    gather = np.zeros((len(index), len(outcomes)))
    gather[np.arange(len(index)), index.ravel()] = 1.0
    rng = np.random.default_rng(seed)
    groups = [n for n in (_groups(ballots.rater), _groups(ballots.item)) if n > 1]
    counts = [gather.sum(axis=0, keepdims=True)]
    for start in range(0, resamples if groups else 0, _CHUNK):
        count = min(_CHUNK, resamples - start)
        weights = _drawn(ballots.rater, count, rng) * _drawn(ballots.item, count, rng)
        counts.append(weights @ gather)
    fits = [fit_strengths(each, shown, chosen) for each in counts]
    shares = np.concatenate([_shares(each, shown, chosen) for each in counts])
    strengths = np.concatenate([fit.values for fit in fits])
    strengths[np.isnan(shares)] = np.nan
    scale = widening(min(groups, default=2), confidence)
    return Estimates(
        _intervals(shares, confidence, scale, (0.0, 1.0)),
        _intervals(strengths, confidence, scale, (-math.inf, math.inf)),
        all(fit.converged for fit in fits),
    )


def _groups(index: Int64[np.ndarray, " N"]) -> int:
    return int(index.max()) + 1


def _drawn(
    groups: Int64[np.ndarray, " N"], count: int, rng: np.random.Generator
) -> Float64[np.ndarray, "B N"]:
    """How often each choice's group is drawn, in `count` resamples of the groups."""
    size = _groups(groups)
    return rng.multinomial(size, np.full(size, 1 / size), count)[:, groups].astype(np.float64)


def _shares(
    counts: Float64[np.ndarray, "B C"],
    shown: Bool[np.ndarray, "C M"],
    chosen: Int64[np.ndarray, " C"],
) -> Float64[np.ndarray, "B M"]:
    """Chosen by shown; NaN for what was not shown."""
    there = counts @ shown
    wins = counts @ np.eye(shown.shape[1])[chosen]
    return np.divide(wins, there, out=np.full_like(wins, np.nan), where=there > 0)


def _intervals(
    values: Float64[np.ndarray, "B M"],
    confidence: float,
    scale: float,
    limits: tuple[float, float],
) -> tuple[Interval, ...]:
    """The first row as the value, the others' percentiles as the interval: `scale` times as far
    from the value, and inside of the limits.
    """
    ends = (50 * (1 - confidence), 50 * (1 + confidence))
    intervals = []
    for column in values.T:
        value = float(column[0])
        drawn: Sequence[float] = column[1:][np.isfinite(column[1:])]
        low, high = None, None
        if len(drawn):
            moved = value + scale * (np.percentile(drawn, ends) - value)
            low, high = moved.clip(*limits).tolist()
        intervals.append(Interval(value if np.isfinite(value) else None, low, high))
    return tuple(intervals)
