"""Vectors scaled to unit length, smooth at 0."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

SMALLEST_NORM = 1e-4


def unit_vectors(x: Float[Tensor, "..."], dim: int) -> Float[Tensor, "..."]:
    """Scales vectors to length 1: x / sqrt(|x|² + 1e-8).

    Unlike a division by the larger of the norm and a constant it is smooth, and only the result
    is kept for the backward pass.

    Args:
        x: any shape, floating-point.
        dim: the vectors' axis.

    Returns:
        Vectors of length 1, shorter where |x| is not large against 1e-4; 0 stays 0.
    """
    return _UnitVectors.apply(x, dim)


class _UnitVectors(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=dim, keepdim=True)
        scale = norm.square_().add_(SMALLEST_NORM**2).rsqrt_()
        unit = x * scale
        ctx.dim = dim
        ctx.save_for_backward(unit, scale)
        return unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        unit, scale = ctx.saved_tensors
        along = (grad * unit).sum(ctx.dim, keepdim=True)
        return grad.addcmul(unit, along, value=-1).mul_(scale), None
