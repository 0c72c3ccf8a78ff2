"""Entropic optimal transport between all positions of two maps, linear in memory.

The plan of marginals 1/L and 1/M and cost -<x_i, z_j> is P = T / L with
T_ij = softmax over j of (<x_i, z_j> / temperature + bias_j). The rows' marginal holds by itself;
the bias, the columns' potential, is what makes every column of T sum to L / M. A Sinkhorn iteration
subtracts the logarithm of what a column receives times M / L. It takes one pass over the scores,
which are computed anew, and is accelerated without changing where it ends:

- temperatures fall by half from START to the wanted one, each from where the last one ended;
- Anderson's acceleration combines the last iterations (Walker and Ni 2011), back at the best
  one where that fails.

The gradient is the implicit one at the fixed point. With s = T^T 1 and H = diag(s) - T^T T it takes
the solution w of H w = (gradient of the bias), by conjugate gradients; the logits' gradient is then
-T_ij (w_j - (T w)_i).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.fields import is_whole
from rabit.functional.dtype import full_precision, working_dtype
from rabit.functional.once import first_order
from rabit.functional.scores import Scores, gather, gradients, truncated_exp_
from rabit.functional.streaming import row_statistics

# Highest temperature, in units of the inner product, and how well its successors are prepared.
START = 0.5
LOOSE = 0.1
HISTORY = 8
SOLVER_ITERATIONS = 500

# Scores held at once: a pass needs all columns of a row.
SCORES_CPU = 2**20
SCORES_GPU = 2**26
# Matrices of up to this many scores, 64 MB of float32, stay while they are used, as all passes
# multiply the same features; larger ones are computed anew in each.
STORED = 2**24


@dataclass(frozen=True)
class Sinkhorn:
    """A solved transport plan, T / L.

    Args:
        bias: (B, M) of mean 0: the columns' potential over the temperature; gradients flow.
        error: (B,) 1-norm of (column sums of T / L - 1/M); that of the rows is rounding error.
        iterations: (B,) passes over the scores.
        converged: whether every error is within the tolerance.
    """

    bias: Float[Tensor, "B M"]
    error: Float[Tensor, "B"]
    iterations: Int[Tensor, "B"]
    converged: bool


def sinkhorn(
    x: Float[Tensor, "B C L"],
    z: Float[Tensor, "B C M"],
    temperature: float,
    tolerance: float = 1e-4,
    iterations: int = 500,
    chunk: int | None = None,
) -> Sinkhorn:
    """Solves entropic optimal transport with uniform marginals and cost -<x_i, z_j>.

    Args:
        x: (B, C, L) features of the query positions, of length about 1.
        z: (B, C, M) features of the exemplar positions, of length about 1.
        temperature: the regularisation, > 0, in units of the inner product.
        tolerance: of the columns' marginal in the 1-norm, of a total of 1; > 0.
        iterations: most passes over the scores, at least 1.
        chunk: rows at a time; chosen from the sizes if None.

    Returns:
        The plan; its best one, not converged, where the iterations did not suffice. The gradient
        is exact at the fixed point, up to a relative residual of eps^(2/3) of the linear system
        (2e-5 in float32).

    Raises:
        ValueError: temperature, tolerance or iterations not positive.
    """
    for name, value in (("temperature", temperature), ("tolerance", tolerance)):
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} is {value}, expected a positive number")
    if not is_whole(iterations) or iterations < 1:
        raise ValueError(f"iterations is {iterations!r}, expected a whole number of at least 1")
    bias, error, passes = _Sinkhorn.apply(x, z, temperature, tolerance, iterations, chunk)
    return Sinkhorn(bias, error, passes, converged=bool((error <= tolerance).all()))


class _Sinkhorn(torch.autograd.Function):
    @staticmethod
    @full_precision
    def forward(
        ctx: Any,
        x: Tensor,
        z: Tensor,
        temperature: float,
        tolerance: float,
        iterations: int,
        chunk: int | None,
    ) -> tuple[Tensor, ...]:
        solved = [
            _solve(x[image], z[image], temperature, tolerance, iterations, chunk)
            for image in range(len(x))
        ]
        bias = torch.stack([part.bias for part in solved])
        error = torch.stack([part.error for part in solved])
        passes = torch.tensor([part.passes for part in solved], device=x.device)
        ctx.options = (temperature, chunk)
        ctx.save_for_backward(x, z, bias)
        ctx.mark_non_differentiable(error, passes)
        return bias, error, passes

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, z, bias = ctx.saved_tensors
        temperature, chunk = ctx.options
        log_sum = row_statistics(x, z, bias, temperature, chunk).log_sum
        solved = []
        for image in range(len(x)):
            scores = _whole_rows(x[image], z[image], temperature, chunk)
            scores.bias = bias[image]
            plan = _Plan(scores, log_sum[image])
            solved.append(_solve_potential(plan, grad[image]))
        right = torch.stack(solved).unsqueeze(1)
        shift = -gather(x, z, bias, right, log_sum, temperature, chunk)
        need = (*ctx.needs_input_grad[:2], False, False)
        found = gradients(
            x,
            z,
            bias,
            log_sum,
            -torch.ones_like(shift),
            right,
            shift[:, 0],
            temperature,
            chunk,
            need,
        )
        return found.x, found.z, None, None, None, None


@dataclass(frozen=True)
class _Point:
    """A potential, how far its columns are from their share, and the passes it took."""

    bias: Tensor
    error: Tensor
    passes: int


class _Mixing:
    """Anderson's acceleration of a fixed-point iteration over vectors."""

    def __init__(self) -> None:
        self.points: list[Tensor] = []
        self.steps: list[Tensor] = []

    def forget(self) -> None:
        self.points.clear()
        self.steps.clear()

    def next(self, point: Tensor, step: Tensor) -> Tensor:
        """Returns the next point: the combination of the last ones with the least step, stepped."""
        self.points = [*self.points, point][-HISTORY:]
        self.steps = [*self.steps, step][-HISTORY:]
        if len(self.points) == 1:
            return point + step
        moves = torch.stack(self.points).diff(dim=0)
        changes = torch.stack(self.steps).diff(dim=0)
        wide = changes.double()
        gram, pull = wide @ wide.T, wide @ step.double()
        # A little of the trace keeps the system solvable where the last steps are alike.
        gram.diagonal().add_(1e-10 * gram.trace() + torch.finfo(gram.dtype).tiny)
        weights = torch.linalg.solve(gram, pull).to(step.dtype)
        return point + step - weights @ (moves + changes)


def _solve(
    x: Float[Tensor, "C L"],
    z: Float[Tensor, "C M"],
    temperature: float,
    tolerance: float,
    iterations: int,
    chunk: int | None,
) -> _Point:
    """Solves one image's plan through falling temperatures."""
    bias = x.new_zeros(z.shape[1], dtype=working_dtype(x, z))
    products = _products(x, z) if _fits(x, z) else None
    passes = 0
    # Each of the higher temperatures takes a pass at least.
    doublings = max(0, math.floor(math.log2(START / temperature)))
    for power in range(min(doublings, iterations - 1), 0, -1):
        scores = _whole_rows(x, z, temperature * 2**power, chunk, products)
        point = _iterate(scores, bias, max(LOOSE, tolerance), iterations - passes - power)
        bias, passes = point.bias * 2, passes + point.passes
    scores = _whole_rows(x, z, temperature, chunk, products)
    point = _iterate(scores, bias, tolerance, iterations - passes)
    return _Point(point.bias, point.error, passes + point.passes)


def _iterate(scores: Scores, bias: Tensor, tolerance: float, limit: int) -> _Point:
    """Iterates at one temperature until the columns are within the tolerance."""
    mixing, best = _Mixing(), None
    least = torch.finfo(bias.dtype).tiny ** 0.5
    for passes in range(1, limit + 1):
        share = _column_shares(scores, bias)
        error = (share - 1).abs().mean()
        if best is None or bool(error < best.error):
            best, best_share = _Point(bias, error, passes), share
        if bool(error <= tolerance):
            break
        if bool(error > 2 * best.error):
            mixing.forget()
            bias, share = best.bias, best_share
        bias = mixing.next(bias, -share.clamp(min=least).log())
        bias = bias - bias.mean()
    assert best is not None
    return _Point(best.bias, best.error, passes)


def _column_shares(scores: Scores, bias: Float[Tensor, "M"]) -> Float[Tensor, "M"]:
    """Returns the column sums of T in units of their target, L / M."""
    scores.bias = bias
    sums = torch.zeros_like(bias)
    for rows in scores.rows():
        logits = scores.logits(rows, slice(0, len(bias)))
        weights = truncated_exp_(logits.sub_(logits.amax(1, keepdim=True)))
        sums.addmv_(weights.T, weights.sum(1).reciprocal_())
    return sums.mul_(len(bias) / len(scores.x))


class _Plan:
    """One image's T, to multiply by: stored where `_fits` holds, else computed anew each time.

    Args:
        scores: with the plan's bias.
        log_sum: (L,) of the rows.
    """

    def __init__(self, scores: Scores, log_sum: Float[Tensor, "L"]) -> None:
        self.scores, self.log_sum = scores, log_sum
        fits = _fits(scores.x.T, scores.z.T)
        self.stored = [(rows, tile.clone()) for rows, tile in self._tiles()] if fits else None

    def _tiles(self) -> Iterator[tuple[slice, Float[Tensor, "r M"]]]:
        columns = slice(0, len(self.scores.z))
        for rows in self.scores.rows():
            yield rows, self.scores.weights(rows, columns, self.log_sum[rows, None])

    def there_and_back(self, vector: Float[Tensor, "M"]) -> Float[Tensor, "M"]:
        """Returns T^T T times a vector, in one pass."""
        out = torch.zeros_like(vector)
        for _, weights in self.stored or self._tiles():
            out.addmv_(weights.T, weights @ vector)
        return out


def _solve_potential(plan: _Plan, grad: Float[Tensor, "M"]) -> Tensor:
    """Solves (diag(s) - T^T T) w = grad by conjugate gradients, w of mean 0.

    Constants are in the null space. Directions in which T^T T cannot be told from diag(s) at
    this precision are left out.
    """
    dtype = plan.log_sum.dtype
    info = torch.finfo(dtype)
    sums = plan.there_and_back(torch.ones_like(grad, dtype=dtype))
    residual = grad.to(dtype) - grad.to(dtype).mean()
    solution, direction = torch.zeros_like(residual), residual
    square = residual @ residual
    goal = square * info.eps ** (4 / 3)
    for _ in range(SOLVER_ITERATIONS):
        if bool(square <= goal):
            return solution
        image = sums * direction - plan.there_and_back(direction)
        curvature = direction @ image
        if bool(curvature <= info.eps * (direction @ (sums * direction))):
            return solution
        step = square / curvature
        solution = solution + step * direction
        residual = residual - step * image
        residual = residual - residual.mean()
        before, square = square, residual @ residual
        direction = residual + (square / before) * direction
    warnings.warn(
        f"the gradient of the transport plan has a relative residual of "
        f"{float((square / goal).sqrt()) * info.eps ** (2 / 3):.1e} after {SOLVER_ITERATIONS} "
        "iterations; a higher temperature makes the plan smoother",
        stacklevel=2,
    )
    return solution


class _StoredScores(Scores):
    """Scores whose inner products are stored."""

    def __init__(
        self,
        products: Float[Tensor, "L M"],
        x: Tensor,
        z: Tensor,
        temperature: float,
        tile: tuple[int, int],
    ) -> None:
        super().__init__(x, z, None, temperature, tile)
        self.products, self.temperature = products, temperature

    def logits(self, rows: slice, columns: slice) -> Float[Tensor, "r c"]:
        """Returns a tile of the logits, valid until the next tile is asked for."""
        products = self.products[rows, columns]
        tile = self._buffer[: products.numel()].view(products.shape)
        torch.mul(products, 1 / self.temperature, out=tile)
        return tile if self.bias is None else tile.add_(self.bias[columns])


def _fits(x: Float[Tensor, "C L"], z: Float[Tensor, "C M"]) -> bool:
    return x.shape[1] * z.shape[1] <= STORED


def _products(x: Float[Tensor, "C L"], z: Float[Tensor, "C M"]) -> Float[Tensor, "L M"]:
    dtype = working_dtype(x, z)
    return x.T.to(dtype) @ z.to(dtype)


def _whole_rows(
    x: Tensor, z: Tensor, temperature: float, chunk: int | None, products: Tensor | None = None
) -> Scores:
    columns = z.shape[1]
    budget = SCORES_CPU if x.device.type == "cpu" else SCORES_GPU
    tile = (chunk or max(1, budget // columns), columns)
    if products is None:
        return Scores(x, z, None, temperature, tile)
    return _StoredScores(products, x, z, temperature, tile)
