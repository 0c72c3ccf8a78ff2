"""Differentiable top-k as entropic optimal transport to two anchors (section 3.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.config import SMALLEST_EPSILON
from rabit.fields import is_number, is_whole
from rabit.functional.dtype import full_precision, working_dtype
from rabit.functional.fused import plan_gradient, solve_plan
from rabit.functional.gradient import selection_pull
from rabit.functional.once import first_order
from rabit.functional.threshold import Threshold


@dataclass(frozen=True)
class EntropicTopK:
    """The k best scores and their mass in the entropic transport plan.

    Args:
        mass: (..., k) p of the k best in descending score order, in (0, 1].
        log_mass: (..., k) log p, always finite.
        indices: (..., k) int64 places of the k best.
        threshold: (...) in score units: p = sigmoid(4 (score - threshold) / epsilon); -inf where
            k = N. Rounded once more than the mass, so recompute the mass from it only in float64.
        residual: (...) |sum p - k| over all N scores.
        iterations: steps of the root search.
        converged: whether every row's last step was at rounding error.
    """

    mass: Float[Tensor, "... k"]
    log_mass: Float[Tensor, "... k"]
    indices: Int[Tensor, "... k"]
    threshold: Float[Tensor, "..."]
    residual: Float[Tensor, "..."]
    iterations: int
    converged: bool


def entropic_topk(scores: Float[Tensor, "... N"], k: int, epsilon: float) -> EntropicTopK:
    """Solves equation 2 for the anchors -1 and 1 and returns the k best scores with their mass.

    With marginals 1/N and ((N-k)/N, k/N) the converged plan is p = N T_2 =
    sigmoid(4 (a - threshold) / epsilon) with the threshold at which sum p = k. Gradients flow
    through `mass` and `log_mass` to all scores, exact by implicit differentiation:
    d p_i / d a_j = (4 / epsilon) (w_i delta_ij - w_i w_j / sum w) with w = p (1 - p).

    Args:
        scores: (..., N) floating-point scores; half precision is computed in float32.
        k: number of scores to select, 1 <= k <= N. Where k = N every mass is 1.
        epsilon: regularisation in score units, > 0; the plan tends to the hard top-k as it falls.

    Returns:
        Mass, log mass and indices of the k best, threshold and residual of each row. Equal scores
        are ordered by ascending index. The k-th mass is at least 1 / (N - k + 1).

    Raises:
        ValueError: scores that are not floating-point or not finite, or so large that their
            differences overflow in units of epsilon / 4, k outside 1..N, or epsilon not positive.

    Example:
        >>> import torch
        >>> entropic_topk(torch.tensor([0.1, 0.9, 0.4, 0.8]), k=2, epsilon=0.01).indices
        tensor([1, 3])
    """
    _validate(scores, k, epsilon)
    k, epsilon = int(k), float(epsilon)
    rows = scores.reshape(-1, scores.shape[-1]).to(working_dtype(scores))
    solution = solve_plan([rows.detach()], k, epsilon)
    mass, log_mass = _PlanMass.apply(rows, solution)
    lead = scores.shape[:-1]
    return EntropicTopK(
        mass=mass.reshape(*lead, k),
        log_mass=log_mass.reshape(*lead, k),
        indices=solution.indices.reshape(*lead, k),
        threshold=solution.value.reshape(lead),
        residual=solution.residual.reshape(lead),
        iterations=solution.iterations,
        converged=solution.converged,
    )


def check_topk(count: int, k: int, epsilon: float) -> None:
    """Checks the options of an entropic top-k over `count` scores.

    Raises:
        ValueError: k outside 1..count, or epsilon not positive.
    """
    if not is_whole(k) or not 1 <= k <= count:
        raise ValueError(f"k is {k!r}, expected 1 to {count}, the number of scores to choose from")
    if not is_number(epsilon):
        raise ValueError(f"epsilon is {epsilon!r}, expected a number such as 0.04")
    if not SMALLEST_EPSILON <= epsilon < float("inf"):
        raise ValueError(
            f"epsilon is {epsilon}, expected a finite number of at least {SMALLEST_EPSILON}; the "
            "selection hardens as it falls"
        )


class _PlanMass(torch.autograd.Function):
    """Mass and log mass of a solved plan, with the implicit gradient."""

    @staticmethod
    @full_precision
    def forward(ctx: Any, scores: Tensor, solution: Threshold) -> tuple[Tensor, Tensor]:
        logits = solution.logits
        ctx.slope = solution.slope
        ctx.save_for_backward(
            scores,
            solution.indices,
            logits,
            solution.pivot,
            solution.shift,
            solution.spread,
        )
        return solution.mass, solution.log_mass

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, grad_mass: Tensor, grad_log_mass: Tensor) -> tuple[Tensor, None]:
        scores, indices, logits, pivot, shift, spread = ctx.saved_tensors
        pull = selection_pull(logits, grad_mass, grad_log_mass)
        return plan_gradient(scores, indices, pull, pivot, shift, spread, ctx.slope), None


def _validate(scores: Tensor, k: int, epsilon: float) -> None:
    if not isinstance(scores, Tensor):
        raise ValueError(f"scores are a {type(scores).__name__}, expected a tensor (..., N)")
    if not scores.is_floating_point() or scores.ndim < 1:
        raise ValueError(
            f"scores have shape {tuple(scores.shape)} and dtype {scores.dtype}, expected "
            "floating-point scores (..., N)"
        )
    check_topk(scores.shape[-1], k, epsilon)
    largest = float(scores.detach().abs().amax()) if scores.numel() else 0.0
    if not math.isfinite(largest):
        bad = int((~scores.isfinite()).sum())
        raise ValueError(
            f"{bad} of {scores.numel()} scores of shape {tuple(scores.shape)} are NaN or "
            "infinite, expected finite scores"
        )
    limit = torch.finfo(working_dtype(scores)).max * epsilon / 16
    if largest > limit:
        raise ValueError(
            f"scores of shape {tuple(scores.shape)} are as large as {largest:.1e}, expected at "
            f"most {limit:.1e} with epsilon {epsilon}; scale both"
        )
