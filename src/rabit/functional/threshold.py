"""Root search for the threshold of the entropic top-k (equation 2, in closed form).

Notation: R rows, N scores a row, k the wanted mass. In logit units relative to the k-th best
score, x_v = (4 / epsilon) (a_v - a_(k)), the plan is p_v = sigmoid(x_v - shift). The shift solves

    sum over the k best of (1 - p_v)  =  sum over all others of p_v,

which is sum p = k without its cancellation. The logarithms of both sides are almost linear in the
shift, so Newton's method needs a few steps for every epsilon.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

CANDIDATES = 64
MAX_ITERATIONS = 100


@dataclass(frozen=True)
class Threshold:
    """The solved plan of R rows: p_v = sigmoid(slope (a_v - pivot) - shift).

    The pivot keeps the plan accurate in float32 where slope times a score has lost its last
    digits; `value` is one number for both.

    Args:
        indices: (R, k) the k best scores, best first.
        scores: (R, k) their scores.
        pivot: (R, 1) the k-th best score.
        shift: (R, 1) in logits; -inf where k = N.
        slope: 4 / epsilon.
        spread: (R, 1) sum of p (1 - p) over the row.
        residual: (R, 1) |sum p - k|.
        iterations: steps of the root search.
        converged: whether every row's last step was at rounding error.
    """

    indices: Int[Tensor, "R k"]
    scores: Float[Tensor, "R k"]
    pivot: Float[Tensor, "R 1"]
    shift: Float[Tensor, "R 1"]
    slope: float
    spread: Float[Tensor, "R 1"]
    residual: Float[Tensor, "R 1"]
    iterations: int
    converged: bool

    @property
    def value(self) -> Float[Tensor, "R 1"]:
        """The threshold in score units, where p = 1/2."""
        return self.pivot + self.shift / self.slope

    @property
    def logits(self) -> Float[Tensor, "R k"]:
        """Logits of the k best: p = sigmoid(logits)."""
        return self.slope * (self.scores - self.pivot) - self.shift


@dataclass(frozen=True)
class _Tail:
    """Scores below the candidates, as sums that do not depend on the shift.

    With e_v = exp(x_v - largest) and q = exp(largest - shift), sigmoid(x_v - shift) is
    e_v q - e_v² q² + e_v³ q³ up to (e_v q)⁴, so three sums over v are all that is needed.
    """

    largest: Float[Tensor, "R 1"]
    sums: tuple[Tensor, Tensor, Tensor]
    limit: float

    def log_mass(self, shift: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithm of the tail's mass, and minus its derivative."""
        first, second, third = self.sums
        q = (self.largest - shift).clamp(max=self.limit).exp()
        series = (first - q * (second - q * third)).clamp(min=0)
        slope = (first - q * (2 * second - 3 * q * third)).clamp(min=0)
        empty = series == 0
        ratio = slope / series.masked_fill(empty, 1)
        return self.largest - shift + series.log(), ratio


@dataclass(frozen=True)
class _Balance:
    """Both sides of the equation at one shift: their logarithms and derivatives, (R, 1)."""

    missing: Tensor
    missing_slope: Tensor
    excess: Tensor
    excess_slope: Tensor

    @property
    def step(self) -> Tensor:
        return (self.missing - self.excess) / (self.missing_slope + self.excess_slope)

    @property
    def residual(self) -> Tensor:
        return (self.missing.exp() - self.excess.exp()).abs()

    @property
    def spread(self) -> Tensor:
        return self.missing.exp() * self.missing_slope + self.excess.exp() * self.excess_slope


def solve_threshold(scores: Float[Tensor, "R N"], k: int, epsilon: float) -> Threshold:
    """Finds the k best scores of each row and the threshold with sum p = k; no gradient flows.

    One topk takes a few dozen candidates, exact in the search; the scores below them enter by
    three sums whose truncation is below the rounding error of their mass wherever they are used.
    Rows where they cannot be used are searched over all scores.

    Args:
        scores: (R, N) finite float32 or float64 scores.
        k: wanted mass, 1 <= k <= N.
        epsilon: regularisation, > 0, in score units.

    Returns:
        The solved rows. The residual counts the scores below the candidates by their sums, which
        are exact to the rounding error of their mass. Among equal scores the lowest index wins.
    """
    count = scores.shape[1]
    slope = 4.0 / epsilon
    values, indices = scores.topk(min(count, max(CANDIDATES, 2 * k)), dim=-1)
    best = _lowest_index_first(scores, values, indices, k)
    top, pivot = values[:, :k], values[:, k - 1 : k]
    if k == count:
        zero = torch.zeros_like(pivot)
        shift = torch.full_like(pivot, -math.inf)
        return Threshold(best, top, pivot, shift, slope, zero, zero, 0, True)

    logits = slope * (values - pivot)
    if values.shape[1] == count:
        shift, balance, iterations, converged = _find_shift(logits[:, :k], logits[:, k:], count)
        return Threshold(
            best, top, pivot, shift, slope, balance.spread, balance.residual, iterations, converged
        )

    tail = _tail_sums(scores, values, logits, slope)
    shift, balance, iterations, converged = _find_shift(logits[:, :k], logits[:, k:], count, tail)
    spread, residual = balance.spread, balance.residual
    near = (tail.largest - shift > tail.limit).squeeze(1).nonzero().squeeze(1)
    if near.numel():
        others = (scores[near] - pivot[near]).mul_(slope).scatter_(1, best[near], -math.inf)
        found, balance, more, settled = _find_shift(logits[near, :k], others, count)
        shift = shift.index_copy(0, near, found)
        spread = spread.index_copy(0, near, balance.spread)
        residual = residual.index_copy(0, near, balance.residual)
        # The first search of these rows is void, so its convergence says nothing about them.
        iterations, converged = max(iterations, more), converged and settled
    return Threshold(best, top, pivot, shift, slope, spread, residual, iterations, converged)


def _find_shift(
    top: Float[Tensor, "R k"], others: Float[Tensor, "R m"], count: int, tail: _Tail | None = None
) -> tuple[Tensor, _Balance, int, bool]:
    """Safeguarded Newton search: the shift, the balance there, the steps, whether it converged."""
    k = top.shape[1]
    # Below, the k + 1 best would all exceed k / (k + 1); above, the k-th would be below
    # 1 / (N - k + 1), with all after it. Both ends can be the root, so they get room for rounding.
    low = others.amax(1, keepdim=True) - math.log(k) - 1
    high = torch.full_like(low, math.log(count - k) + 1)
    tolerance = 8 * torch.finfo(top.dtype).eps
    shift = (low + high) / 2
    for iteration in range(1, MAX_ITERATIONS + 1):
        balance = _balance(top, others, tail, shift)
        settled = balance.step.abs() <= tolerance * (1 + shift.abs())
        if bool(settled.all()):
            return shift, balance, iteration, True
        above = balance.step > 0
        high, low = torch.where(above, shift, high), torch.where(above, low, shift)
        newton = shift - balance.step
        inside = (newton >= low) & (newton <= high)
        step = torch.where(inside, newton, (low + high) / 2)
        shift = torch.where(settled, shift, step)
    return shift, _balance(top, others, tail, shift), MAX_ITERATIONS, False


def _balance(top: Tensor, others: Tensor, tail: _Tail | None, shift: Tensor) -> _Balance:
    """Evaluates the missing mass of the k best and the excess mass of the others."""
    missing, missing_slope = _log_sum_sigmoid(shift - top)
    excess, excess_slope = _log_sum_sigmoid(others - shift)
    if tail is not None:
        mass, slope = tail.log_mass(shift)
        total = torch.logaddexp(excess, mass)
        excess_slope = (excess - total).exp() * excess_slope + (mass - total).exp() * slope
        excess = total
    return _Balance(missing, missing_slope, excess, excess_slope)


def _log_sum_sigmoid(x: Float[Tensor, "R m"]) -> tuple[Tensor, Tensor]:
    """Logarithm of sum sigmoid(x) and its derivative for a common shift of x, both (R, 1)."""
    negative = x.clamp(max=0)
    largest = negative.amax(1, keepdim=True)
    # sigmoid(x) = exp(min(x, 0)) / (1 + exp(-|x|)), relative to the largest: it cannot underflow.
    shares = (negative - largest).clamp_(min=_floor(x.dtype)).exp_()
    shares.div_(x.abs().neg_().clamp_(min=_floor(x.dtype)).exp_().add_(1))
    total = shares.sum(1, keepdim=True)
    slope = (shares * torch.sigmoid(-x)).sum(1, keepdim=True) / total
    return largest + total.log(), slope


def _tail_sums(scores: Tensor, values: Tensor, logits: Tensor, slope: float) -> _Tail:
    """Sums over the scores below the candidates `values`, relative to the last candidate."""
    candidates = values.shape[1]
    # The candidates are clamped to exp(0) = 1 each, so they are taken off by their number.
    powers = (scores - values[:, -1:]).mul_(slope).clamp_(_floor(scores.dtype), 0).exp_()
    first = powers.sum(1, keepdim=True) - candidates
    squares = powers * powers
    second = squares.sum(1, keepdim=True) - candidates
    third = squares.mul_(powers).sum(1, keepdim=True) - candidates
    sums = (first.clamp_(min=0), second.clamp_(min=0), third.clamp_(min=0))
    return _Tail(logits[:, -1:], sums, math.log(torch.finfo(scores.dtype).eps) / 3)


def _floor(dtype: torch.dtype) -> float:
    """Smallest argument of an exponential whose cube is no denormal: those are slow on a CPU."""
    return math.log(torch.finfo(dtype).tiny) / 3


def _lowest_index_first(scores: Tensor, values: Tensor, indices: Tensor, k: int) -> Tensor:
    """The indices (R, k) of the k best of the sorted `values`, equal scores by ascending index."""
    best = indices[:, :k].contiguous()
    rows = (values[:, : k + 1].diff(dim=1) == 0).any(1).nonzero().squeeze(1)
    if not rows.numel():
        return best
    top, pivot = values[rows, :k], values[rows, k - 1 : k]
    count = scores.shape[1]
    # Scores above the k-th are all among the candidates; of those equal to it, any may be.
    places = torch.arange(count, device=scores.device)
    lowest = -torch.where(scores[rows] == pivot, -places, -count).topk(k, dim=1).values
    rank = places[:k] - (top > pivot).sum(1, keepdim=True)
    chosen = torch.where(rank >= 0, lowest.gather(1, rank.clamp(min=0)), best[rows])
    chosen, order = chosen.sort(dim=1)
    order = top.gather(1, order).sort(dim=1, descending=True, stable=True).indices
    return best.index_copy(0, rows, chosen.gather(1, order))
