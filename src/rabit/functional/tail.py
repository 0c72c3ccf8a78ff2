"""What the scores below the candidates weigh in an entropic top-k, as a few sums of powers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from numpy.polynomial import Chebyshev, Polynomial
from torch import Tensor

# No score below the candidates has p / (1 - p) above this: with C candidates it is k / (C - k).
LARGEST_ODDS = 0.2


@dataclass(frozen=True)
class Tail:
    """Scores below the candidates, as sums of powers that do not depend on the shift.

    With e_v = exp(x_v - largest) and the odds u_v = e_v exp(largest - shift) <= LARGEST_ODDS, the
    mass u / (1 + u) is a polynomial sum_i c_i u^i up to rounding, so sums of e_v^i do.
    """

    largest: Float[Tensor, "R 1"]
    sums: tuple[Tensor, ...]

    def log_mass(self, shift: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithm of the tail's mass, and minus its derivative."""
        # Beyond the largest odds, where the search may look but not end, the mass stays linear.
        q = (self.largest - shift).clamp(max=math.log(LARGEST_ODDS)).exp()
        series, slope = torch.zeros_like(q), torch.zeros_like(q)
        coefficients = _odds_polynomial(len(self.sums))
        for i in range(len(self.sums), 0, -1):
            term = coefficients[i - 1] * self.sums[i - 1]
            series, slope = term + q * series, i * term + q * slope
        series, slope = series.clamp(min=0), slope.clamp(min=0)
        empty = series == 0
        return self.largest - shift + series.log(), slope / series.masked_fill(empty, 1)


class Memory:
    """Tensors that are used again: memory that comes anew takes as long as what is done in it."""

    def __init__(self) -> None:
        self.held: list[Tensor] = []

    def take(self, count: int, like: Tensor) -> list[Tensor]:
        """Returns tensors of a shape, with what was in them before."""
        if not self.held or self.held[0].numel() < like.numel():
            self.held = [torch.empty_like(like).flatten() for _ in range(count)]
        return [each[: like.numel()].view(like.shape) for each in self.held]


def tail_sums(
    scores: Float[Tensor, "R N"], values: Float[Tensor, "R C"], slope: float, memory: Memory
) -> tuple[Float[Tensor, "R 1"], ...]:
    """Sums powers of exp(slope (a - last)) over the scores a below the candidates.

    Args:
        scores: (R, N) all scores.
        values: (R, C) the candidates, best first; the last is what the others are relative to.
        slope: 4 / epsilon.
        memory: to work in.

    Returns:
        As many sums as the polynomial of `Tail` has terms.
    """
    candidates, terms = values.shape[1], odds_terms(scores.dtype)
    stored = (terms + 1) // 2
    floor = least_exponent(scores.dtype)
    powers = memory.take(stored, scores)
    torch.sub(scores, values[:, -1:], out=powers[0]).mul_(slope).clamp_(floor, 0).exp_()
    sums = [powers[0].sum(1, keepdim=True)]
    # What makes denormal powers, which are slow, is nothing in their sums beside the candidates' 1.
    torch.threshold_(powers[0], _least_power(scores.dtype, terms), 0.0)
    for i in range(1, stored):
        torch.mul(powers[i - 1], powers[0], out=powers[i])
    for i in range(2, terms + 1):
        half = powers[i // 2 - 1]
        if i % 2:
            # In place: the smaller power has no further use.
            sums.append(half.mul_(powers[i // 2]).sum(1, keepdim=True))
        else:
            # One pass and nothing stored, where a product would be.
            sums.append(torch.linalg.vector_norm(half, dim=1, keepdim=True).square_())
    # The candidates were clamped to exp(0) = 1 each, so they are taken off by their number.
    return tuple(total.sub_(candidates).clamp_(min=0) for total in sums)


def _least_power(dtype: torch.dtype, terms: int) -> float:
    """Smallest number none of whose powers up to `terms` is a denormal: its square is nothing."""
    return float(torch.finfo(dtype).tiny ** (1 / terms))


@cache
def odds_terms(dtype: torch.dtype) -> int:
    """How many terms of the polynomial are exact to rounding.

    The best one of degree m for 1 / (1 + u) on [0, U] is off by (2 / U) r^-m / (a² - 1), where
    a = 1 + 2 / U and r = a + sqrt(a² - 1); interpolation at Chebyshev's nodes by at most twice it.
    """
    a = 1 + 2 / LARGEST_ODDS
    ratio = a + math.sqrt(a * a - 1)
    error = 2 * (2 / LARGEST_ODDS) / (a * a - 1)
    return 1 + math.ceil(math.log(error / torch.finfo(dtype).eps) / math.log(ratio))


@cache
def _odds_polynomial(terms: int) -> tuple[float, ...]:
    """Coefficients c of u / (1 + u) = sum_i c_i u^i on [0, LARGEST_ODDS], lowest power first."""
    fit = Chebyshev.interpolate(lambda u: 1 / (1 + u), terms - 1, domain=[0, LARGEST_ODDS])
    return tuple(float(c) for c in fit.convert(kind=Polynomial).coef)


def least_exponent(dtype: torch.dtype) -> float:
    """Smallest argument of an exponential whose square is no denormal: those are slow on a CPU."""
    return math.log(torch.finfo(dtype).tiny) / 2
