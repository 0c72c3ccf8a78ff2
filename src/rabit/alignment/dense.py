"""Dense correspondence between all positions (CoCosNet), the paper's main comparison."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.alignment.correspondence import Correspondence
from rabit.alignment.matrix import BlockMatrix
from rabit.alignment.streamed import SoftmaxMatrix
from rabit.functional.dtype import full_precision, working_dtype
from rabit.functional.normalise import unit_features
from rabit.functional.once import first_order
from rabit.functional.softmax import truncated_softmax


def dense(
    x: Float[Tensor, "B C H W"], z: Float[Tensor, "B C Hz Wz"], temperature: float = 0.01
) -> Correspondence:
    """Builds softmax(cosine / temperature) over all exemplar positions, without storing it.

    The first product finds each row's best cosine in the same pass over the scores.

    Args:
        x: (B, C, H, W) features of the condition.
        z: (B, C, Hz, Wz) features of the exemplar.
        temperature: of the softmax, > 0, in units of the cosine.

    Returns:
        The correspondence, with the best cosine of each position as its peak.
    """
    matrix = SoftmaxMatrix(
        size=(x.shape[2], x.shape[3]),
        exemplar_size=(z.shape[2], z.shape[3]),
        x=unit_features(x).flatten(2),
        z=unit_features(z).flatten(2),
        temperature=temperature,
    )
    return Correspondence(matrix=matrix)


def dense_stored(
    x: Float[Tensor, "B C H W"], z: Float[Tensor, "B C Hz Wz"], temperature: float = 0.01
) -> Correspondence:
    """Builds the same as `dense` and stores the matrix of H W rows and Hz Wz columns.

    The reference for `dense`, and what public code does; for moderate sizes.

    Args:
        x: (B, C, H, W) features of the condition.
        z: (B, C, Hz, Wz) features of the exemplar.
        temperature: of the softmax, > 0, in units of the cosine.

    Returns:
        The correspondence, with the best cosine of each position as its peak.
    """
    x, z = unit_features(x), unit_features(z)
    dtype = working_dtype(x, z)
    cosine = _Products.apply(x.flatten(2).to(dtype), z.flatten(2).to(dtype))
    size, exemplar_size = (x.shape[2], x.shape[3]), (z.shape[2], z.shape[3])
    matrix = BlockMatrix(
        size=size,
        exemplar_size=exemplar_size,
        weights=truncated_softmax(cosine / temperature).unsqueeze(1),
        indices=cosine.new_zeros(len(x), 1, 1, dtype=torch.int64),
        block=size,
        exemplar_block=exemplar_size,
        cosine=cosine.amax(-1).view(len(x), 1, *size),
    )
    return Correspondence(matrix=matrix)


class _Products(torch.autograd.Function):
    """Inner products of all positions, in full precision also where autocast is on later."""

    @staticmethod
    @full_precision
    def forward(ctx: Any, x: Tensor, z: Tensor) -> Tensor:
        ctx.save_for_backward(x, z)
        return x.transpose(1, 2) @ z

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, z = ctx.saved_tensors
        need_x, need_z = ctx.needs_input_grad
        grad_x = z @ grad.transpose(1, 2) if need_x else None
        return grad_x, x @ grad if need_z else None
