"""Vectors scaled to unit length, smooth at 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.functional.blocks import from_nested_blocks, to_nested_blocks
from rabit.functional.dtype import full_precision, working_dtype
from rabit.functional.fused_units import can_fuse_units, unit_rows, unit_rows_gradient
from rabit.functional.once import first_order

SMALLEST_NORM = 1e-4
AT_ONCE = 2**20


def unit_vectors(x: Float[Tensor, "..."], dim: int) -> Float[Tensor, "..."]:
    """Scales vectors to length 1: x / sqrt(|x|² + 1e-8).

    Unlike a division by the larger of the norm and a constant it is smooth, and only the result
    is kept for the backward pass.

    Args:
        x: any shape, floating-point.
        dim: the vectors' axis.

    Returns:
        Vectors of length 1, float32 (float64 for float64), shorter where |x| is not large against
        1e-4; 0 stays 0.
    """
    return _UnitVectors.apply(x.to(working_dtype(x)), dim)


def unit_features(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Subtracts each position's mean over channels and scales it to length 1.

    Args:
        x: (B, C, H, W) features; half precision is normalised in float32.

    Returns:
        (B, C, H, W) of the input's dtype; positions whose channels are all equal become 0.
    """
    centred = x.to(working_dtype(x))
    return unit_vectors(centred - centred.mean(1, keepdim=True), dim=1).to(x.dtype)


def unit_blocks(x: Float[Tensor, "B C H W"], sides: Sequence[int]) -> Float[Tensor, "B N b C"]:
    """Returns the blocks of `unit_features`, with one copy of the features instead of three.

    Args:
        x: (B, C, H, W) features; half precision is normalised in float32.
        sides: of the blocks, largest first, as `to_nested_blocks` takes them.

    Returns:
        (B, N, b, C) of the input's dtype.

    Raises:
        ValueError: the map is not a whole number of blocks high and wide.
    """
    return _UnitBlocks.apply(x, tuple(sides))


class _UnitVectors(torch.autograd.Function):
    @staticmethod
    @full_precision
    def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
        scale = _inverse_norm(x, dim)
        unit = x * scale
        ctx.dim = dim
        ctx.save_for_backward(unit, scale)
        return unit

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        unit, scale = ctx.saved_tensors
        return _unit_gradient(grad, unit, scale, ctx.dim), None


class _UnitBlocks(torch.autograd.Function):
    @staticmethod
    @full_precision
    def forward(ctx: Any, x: Tensor, sides: tuple[int, ...]) -> Tensor:
        ctx.sides, ctx.size = sides, (x.shape[2], x.shape[3])
        ctx.fused = can_fuse_units(x) and _divides(sides, ctx.size)
        if ctx.fused:
            unit, scale = unit_rows(x, sides[0], SMALLEST_NORM)
            ctx.save_for_backward(unit, scale)
            return unit
        blocks = to_nested_blocks(x, sides).to(working_dtype(x)).contiguous()
        if blocks.data_ptr() == x.data_ptr():
            blocks = blocks.clone()
        blocks.sub_(blocks.mean(-1, keepdim=True))
        scale = _inverse_norm(blocks, -1)
        unit = blocks.mul_(scale).to(x.dtype)
        ctx.save_for_backward(unit, scale)
        return unit

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        unit, scale = ctx.saved_tensors
        if ctx.fused:
            return unit_rows_gradient(grad, unit, scale, ctx.size, ctx.sides[0]), None
        pulled = torch.empty_like(unit)
        # Some blocks at a time: the temporary tensors are as large as what is worked on.
        step = max(1, AT_ONCE // unit[:, 0].numel())
        for rows in (slice(i, i + step) for i in range(0, unit.shape[1], step)):
            part, own = scale[:, rows], unit[:, rows].to(scale.dtype)
            change = _unit_gradient(grad[:, rows].to(scale.dtype), own, part, -1)
            pulled[:, rows] = change.sub_(change.mean(-1, keepdim=True))
        return from_nested_blocks(pulled, ctx.size, ctx.sides), None


def _divides(sides: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether there is one level of blocks, which divide the map."""
    return len(sides) == 1 and sides[0] > 0 and not any(length % sides[0] for length in size)


def _inverse_norm(x: Tensor, dim: int) -> Tensor:
    norm = torch.linalg.vector_norm(x, dim=dim, keepdim=True)
    return norm.square_().add_(SMALLEST_NORM**2).rsqrt_()


def _unit_gradient(grad: Tensor, unit: Tensor, scale: Tensor, dim: int) -> Tensor:
    along = (grad * unit).sum(dim, keepdim=True)
    return grad.addcmul(unit, along, value=-1).mul_(scale)
