"""Root search for the threshold of the entropic top-k (equation 2, in closed form).

Notation: R rows, N scores a row, k the wanted mass. In logit units relative to the k-th best
score, x_v = (4 / epsilon) (a_v - a_(k)), the plan is p_v = sigmoid(x_v - shift). The shift solves

    sum over the k best of (1 - p_v)  =  sum over all others of p_v,

which is sum p = k without its cancellation. The logarithms of both sides are almost linear in the
shift, so Newton's method needs a few steps for every epsilon.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from rabit.functional.tail import LARGEST_ODDS, Memory, Tail, least_exponent, tail_sums

CANDIDATES = 16
MAX_ITERATIONS = 100
# Scores whose largest stands for them in a first search for the candidates.
GROUP = 16


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
        value: (R, 1) the threshold in score units, where p = 1/2.
        logits: (R, k) of the k best: p = sigmoid(logits).
        mass: (R, k) p of the k best.
        log_mass: (R, k) log p of the k best.
        steps: (R, 1) int32, steps of each row's root search; negative where the last one was not
            at rounding error.
    """

    indices: Int[Tensor, "R k"]
    scores: Float[Tensor, "R k"]
    pivot: Float[Tensor, "R 1"]
    shift: Float[Tensor, "R 1"]
    slope: float
    spread: Float[Tensor, "R 1"]
    residual: Float[Tensor, "R 1"]
    value: Float[Tensor, "R 1"]
    logits: Float[Tensor, "R k"]
    mass: Float[Tensor, "R k"]
    log_mass: Float[Tensor, "R k"]
    steps: Int[Tensor, "R 1"]

    @property
    def iterations(self) -> int:
        """Steps of the longest root search; a GPU is waited for."""
        return int(self.steps.abs().max()) if self.steps.numel() else 0

    @property
    def converged(self) -> bool:
        """Whether every row's last step was at rounding error; a GPU is waited for."""
        return bool((self.steps >= 0).all())


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

    One topk takes some candidates, exact in the search. There are so many that no score below them
    can have a large mass, as all of it is k; those enter by a few sums of powers, up to rounding.

    Args:
        scores: (R, N) finite float32 or float64 scores.
        k: wanted mass, 1 <= k <= N.
        epsilon: regularisation, > 0, in score units.

    Returns:
        The solved rows. The residual counts the scores below the candidates by their sums, which
        are exact to the rounding error of their mass. Among equal scores the lowest index wins.
    """
    return solve_chunks([scores], k, epsilon)


def solve_chunks(chunks: Iterable[Float[Tensor, "r N"]], k: int, epsilon: float) -> Threshold:
    """Solves rows that come some at a time, as `solve_threshold` with all of them.

    Of each chunk only the candidates and the sums are kept, and all rows are searched together.
    """
    slope = 4.0 / epsilon
    found, memory = [], Memory()
    for scores in chunks:
        found.append(_find_candidates(scores, k, slope, memory))
    best, values = (torch.cat(part) for part in zip(*(each[:2] for each in found), strict=True))
    top, pivot = values[:, :k], values[:, k - 1 : k]
    if values.shape[1] == k:
        zero = torch.zeros_like(pivot)
        shift = torch.full_like(pivot, -math.inf)
        return _threshold(best, top, pivot, shift, slope, zero, zero, zero.int())

    logits = slope * (values - pivot)
    sums = tuple(torch.cat(each) for each in zip(*(sums for _, _, sums, _ in found), strict=True))
    tail = Tail(logits[:, -1:], sums) if sums else None
    count = found[0][3]
    shift, balance, steps = _find_shift(logits[:, :k], logits[:, k:], count, tail)
    return _threshold(best, top, pivot, shift, slope, balance.spread, balance.residual, steps)


def _find_candidates(
    scores: Tensor, k: int, slope: float, memory: Memory
) -> tuple[Tensor, Tensor, tuple[Tensor, ...], int]:
    """Places of the k best, the candidates' scores, the sums over all others, and their number."""
    count = scores.shape[1]
    # p / (1 - p) of the last candidate is at most k / (C - k).
    candidates = max(CANDIDATES, math.ceil(k * (1 / LARGEST_ODDS + 1)) + 1)
    values, indices = largest(scores, k if k == count else min(count, candidates))
    best = _lowest_index_first(scores, values, indices, k)
    sums = tail_sums(scores, values, slope, memory) if values.shape[1] < count else ()
    return best, values, sums, count


def join(parts: Sequence[Threshold]) -> Threshold:
    """Returns the rows of several solutions for one k and epsilon as one."""
    if len(parts) == 1:
        return parts[0]
    names = [field.name for field in fields(Threshold) if field.name != "slope"]
    return Threshold(
        **{name: torch.cat([getattr(part, name) for part in parts]) for name in names},
        slope=parts[0].slope,
    )


def _threshold(
    indices: Tensor,
    scores: Tensor,
    pivot: Tensor,
    shift: Tensor,
    slope: float,
    spread: Tensor,
    residual: Tensor,
    steps: Tensor,
) -> Threshold:
    """The solution with what follows from the others."""
    logits = slope * (scores - pivot) - shift
    mass, log_mass = torch.sigmoid(logits), F.logsigmoid(logits)
    value = pivot + shift / slope
    rest = (spread, residual, value, logits, mass, log_mass, steps)
    return Threshold(indices, scores, pivot, shift, slope, *rest)


def _find_shift(
    top: Float[Tensor, "R k"], others: Float[Tensor, "R m"], count: int, tail: Tail | None
) -> tuple[Tensor, _Balance, Int[Tensor, "R 1"]]:
    """Safeguarded Newton search: the shift, the balance there, and the steps as in `Threshold`."""
    k, largest, floor = top.shape[1], others[:, :1], least_exponent(top.dtype)
    missing = torch.exp(top.neg().clamp_(min=floor))
    excess = torch.exp((others - largest).clamp_(min=floor))
    # Below, the k + 1 best would all exceed k / (k + 1); above, the k-th would be below
    # 1 / (N - k + 1), with all after it. Both ends can be the root, so they get room for rounding.
    low = largest - math.log(k) - 1
    high = torch.full_like(low, math.log(count - k) + 1)
    tolerance = 8 * torch.finfo(top.dtype).eps
    shift = _first_guess(missing, excess, largest, tail).clamp(low, high)
    for iteration in range(1, MAX_ITERATIONS + 1):
        balance = _balance(missing, excess, largest, tail, shift)
        # Rounding may leave no step that is small enough between two neighbouring numbers.
        narrow = torch.minimum(balance.step.abs(), high - low)
        settled = narrow <= tolerance * (1 + shift.abs())
        if bool(settled.all()):
            return shift, balance, torch.full_like(shift, iteration, dtype=torch.int32)
        above = balance.step > 0
        high, low = torch.where(above, shift, high), torch.where(above, low, shift)
        newton = shift - balance.step
        inside = (newton > low) & (newton < high)
        step = torch.where(inside, newton, (low + high) / 2)
        shift = torch.where(settled, shift, step)
    balance = _balance(missing, excess, largest, tail, shift)
    steps = torch.full_like(shift, MAX_ITERATIONS, dtype=torch.int32)
    return shift, balance, torch.where(settled, steps, -steps)


def _first_guess(missing: Tensor, excess: Tensor, largest: Tensor, tail: Tail | None) -> Tensor:
    """The root where all but the k best have small odds.

    With M = sum exp(-x) over the k best and S = sum exp(x) over the others, the missing mass is
    about M e / (1 + M e / k) at e = exp(shift) and the excess S / e: a quadratic equation for e.
    """
    log_m = missing.sum(1, keepdim=True).log()
    log_s = largest + excess.sum(1, keepdim=True).log()
    if tail is not None:
        log_s = torch.logaddexp(log_s, tail.largest + tail.sums[0].log())
    linear = log_s - math.log(missing.shape[1])
    root = torch.logaddexp(2 * linear, math.log(4) + log_s - log_m) / 2
    return torch.logaddexp(linear, root) - math.log(2)


def _balance(
    missing: Float[Tensor, "R k"],
    excess: Float[Tensor, "R m"],
    largest: Float[Tensor, "R 1"],
    tail: Tail | None,
    shift: Float[Tensor, "R 1"],
) -> _Balance:
    """Evaluates the missing mass of the k best and the excess mass of the others.

    Args:
        missing: exp(-x) of the k best, the k-th of which is 1.
        excess: exp(x - largest) of the other candidates, the first of which is 1.
        largest: x of the best of the others.
        tail: the scores below the candidates.
        shift: where to evaluate.
    """
    log_missing, missing_slope = _log_sum_sigmoid(missing, shift)
    log_excess, excess_slope = _log_sum_sigmoid(excess, largest - shift)
    if tail is not None:
        mass, slope = tail.log_mass(shift)
        total = torch.logaddexp(log_excess, mass)
        excess_slope = (log_excess - total).exp() * excess_slope + (mass - total).exp() * slope
        log_excess = total
    return _Balance(log_missing, missing_slope, log_excess, excess_slope)


def _log_sum_sigmoid(e: Float[Tensor, "R m"], x: Float[Tensor, "R 1"]) -> tuple[Tensor, Tensor]:
    """Logarithm of sum sigmoid(log e + x) and its derivative in x, both (R, 1)."""
    rest = (e * x.exp()).add_(1).reciprocal_()
    shares = e * rest
    total = shares.sum(1, keepdim=True)
    return x + total.log(), rest.mul_(shares).sum(1, keepdim=True) / total


def largest(scores: Float[Tensor, "R M"], count: int) -> tuple[Tensor, Tensor]:
    """Returns the largest scores of each row, best first, and their places; of equal scores any.

    The `count` largest lie in the groups with the `count` largest maxima, or among the last few,
    so long rows are searched in two steps: a topk takes time for every score that it sees.

    Args:
        scores: (R, M).
        count: how many, at most M.

    Returns:
        (R, count) scores and (R, count) places in [0, M).
    """
    rows, total = scores.shape
    grouped = total - total % GROUP
    if grouped < 2 * GROUP * count:
        top = scores.topk(count, dim=-1)
        return top.values, top.indices
    maxima = scores[:, :grouped].view(rows, GROUP, -1).amax(1)
    groups = maxima.topk(count, dim=-1, sorted=False).indices.unsqueeze(1)
    first = torch.arange(0, grouped, grouped // GROUP, device=scores.device).view(1, -1, 1)
    last = torch.arange(grouped, total, device=scores.device).expand(rows, -1)
    places = torch.cat([(groups + first).flatten(1), last], dim=1)
    values, at = scores.gather(1, places).topk(count, dim=-1)
    return values, places.gather(1, at)


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
