"""Gradient of the entropic top-k by implicit differentiation (section 3.2.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def selection_pull(
    logits: Float[Tensor, "R k"], grad_mass: Tensor | None, grad_log_mass: Tensor | None
) -> Float[Tensor, "R k"]:
    """Returns each selected score's own pull, sum_i G_i w_i delta_ij, in logit units.

    log p divides w = p (1 - p) by p, analytically, so nothing is divided by a small mass. A
    gradient that is None is 0.
    """
    rest = torch.sigmoid(-logits)
    pull = torch.zeros_like(logits) if grad_log_mass is None else grad_log_mass
    return rest * (pull if grad_mass is None else pull + grad_mass * torch.sigmoid(logits))


def score_gradient(
    scores: Float[Tensor, "R N"],
    indices: Int[Tensor, "R k"],
    pull: Float[Tensor, "R k"],
    pivot: Float[Tensor, "R 1"],
    shift: Float[Tensor, "R 1"],
    spread: Float[Tensor, "R 1"],
    slope: float,
) -> Float[Tensor, "R N"]:
    """Returns the gradient of all scores by implicit differentiation of sum p = k.

    Args:
        scores: (R, N) scores.
        indices: (R, k) the selected ones.
        pull: (R, k) from `selection_pull`.
        pivot: (R, 1) as in `Threshold`.
        shift: (R, 1) as in `Threshold`.
        spread: (R, 1) sum of w over the row; where it underflows the plan is constant.
        slope: 4 / epsilon.

    Returns:
        (R, N): slope (pull_j - w_j sum(pull) / sum(w)); 0 below the square root of the smallest
        normal number (1e-19 in float32).
    """
    info = torch.finfo(scores.dtype)
    # w = s (1 - s) at -|x| keeps its digits on both sides of the threshold. Denormals are slow.
    s = (
        (scores - pivot)
        .mul_(slope)
        .sub_(shift)
        .abs_()
        .neg_()
        .clamp_(min=_exponent(info))
        .sigmoid_()
    )
    grad = s.addcmul_(s, s, value=-1)
    flat = spread <= info.tiny**0.8
    share = (pull.sum(1, keepdim=True) / spread).masked_fill_(flat, 0)
    grad.mul_(share.mul_(-slope))
    grad.scatter_add_(1, indices, pull * slope)
    # Products with denormal numbers would take a CPU ten times as long.
    return F.hardshrink(grad, info.tiny**0.5)


def _exponent(info: torch.finfo) -> float:
    return 0.9 * float(torch.tensor(info.tiny, dtype=torch.float64).log())
