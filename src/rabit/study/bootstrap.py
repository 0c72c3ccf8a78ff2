"""Shares and strengths of methods, with intervals over raters and items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

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
        strengths: log-strengths, mean 0.
        converged: whether all fits did.
    """

    shares: tuple[Interval, ...]
    strengths: tuple[Interval, ...]
    converged: bool


def estimate(ballots: Ballots, resamples: int, confidence: float, seed: int) -> Estimates:
    """Computes shares and strengths with percentile intervals of a two-way bootstrap.

    Raters and items are drawn with replacement, independently of each other, and a choice counts as
    often as its rater times as often as its item was drawn (the pigeonhole bootstrap: Owen, Annals
    of Applied Statistics 2007). Choices of one rater, and those about one item, may so depend on
    each other; the intervals are rather too wide than too narrow.

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
    share = [_shares(gather.sum(axis=0, keepdims=True), shown, chosen)]
    fits = [fit_strengths(gather.sum(axis=0, keepdims=True), shown, chosen)]
    for start in range(0, resamples, _CHUNK):
        count = min(_CHUNK, resamples - start)
        weights = _drawn(ballots.rater, count, rng) * _drawn(ballots.item, count, rng)
        counts = weights @ gather
        share.append(_shares(counts, shown, chosen))
        fits.append(fit_strengths(counts, shown, chosen))
    return Estimates(
        _intervals(np.concatenate(share), confidence),
        _intervals(np.concatenate([fit.values for fit in fits]), confidence),
        all(fit.converged for fit in fits),
    )


def _drawn(
    groups: Int64[np.ndarray, " N"], count: int, rng: np.random.Generator
) -> Float64[np.ndarray, "B N"]:
    """How often each choice's group is drawn, in `count` resamples of the groups."""
    size = int(groups.max()) + 1
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


def _intervals(values: Float64[np.ndarray, "B M"], confidence: float) -> tuple[Interval, ...]:
    """The first row as the value, the others' percentiles as the interval."""
    ends = (50 * (1 - confidence), 50 * (1 + confidence))
    intervals = []
    for column in values.T:
        drawn: Sequence[float] = column[1:][np.isfinite(column[1:])]
        low, high = np.percentile(drawn, ends).tolist() if len(drawn) else (None, None)
        value = float(column[0])
        intervals.append(Interval(value if np.isfinite(value) else None, low, high))
    return tuple(intervals)
