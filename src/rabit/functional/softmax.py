"""Softmax whose negligible weights are zero."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.functional.dtype import full_precision
from rabit.functional.once import first_order


def truncated_softmax(logits: Float[Tensor, "... n"]) -> Float[Tensor, "... n"]:
    """Softmax over the last axis, with weights far below rounding error set to 0.

    At a temperature of 0.01 most weights of a row are denormal numbers, and a matrix product with
    those takes a CPU ten times as long. Only the weights are kept for the backward pass.

    Args:
        logits: (..., n) floating-point numbers.

    Returns:
        (..., n) weights; those below the square root of the smallest normal number (1e-19 in
        float32) are 0, and so is their gradient.
    """
    return _TruncatedSoftmax.apply(logits)


class _TruncatedSoftmax(torch.autograd.Function):
    @staticmethod
    @full_precision
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        weights = logits.softmax(-1)
        least = torch.finfo(weights.dtype).tiny ** 0.5
        weights.masked_fill_(weights < least, 0)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (weights,) = ctx.saved_tensors
        pull = grad * weights
        return pull.addcmul_(weights, pull.sum(-1, keepdim=True), value=-1)
