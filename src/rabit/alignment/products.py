"""Products with the block-sparse correspondence matrix T, which is never built.

T has N query blocks of b positions; row block n is non-zero in the k exemplar blocks
`indices[n]` of c positions, with weights (b, k c). Each product is the derivative of the other
two, so all of them run chunk by chunk and gather again in the backward pass what they need.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.functional.dtype import full_precision, working_dtype
from rabit.functional.once import first_order

# Numbers gathered at once: a few megabytes stay in a CPU's cache, a GPU wants more work a call.
CHUNK_CPU = 2**20
CHUNK_GPU = 2**25


def candidate_products(
    x: Float[Tensor, "B N b C"],
    z: Float[Tensor, "B M c C"],
    indices: Int[Tensor, "B N k"],
    chunk: int | None = None,
) -> Float[Tensor, "B N b k*c"]:
    """Returns the inner products of each query position with its candidates.

    Args:
        x: (B, N, b, C) query blocks.
        z: (B, M, c, C) exemplar blocks.
        indices: (B, N, k) retrieved exemplar blocks, in [0, M).
        chunk: query blocks at a time; chosen from the sizes if None.

    Returns:
        (B, N, b, k c), float32 (float64 for float64 inputs).
    """
    return _CandidateProducts.apply(x, z, indices, chunk)


def gather_product(
    weights: Float[Tensor, "B N b k*c"],
    values: Float[Tensor, "B M c V"],
    indices: Int[Tensor, "B N k"],
    chunk: int | None = None,
) -> Float[Tensor, "B N b V"]:
    """Returns T V: each query position's weighted sum of its candidates' values.

    Args:
        weights: (B, N, b, k c).
        values: (B, M, c, V) values at the exemplar's positions.
        indices: (B, N, k) retrieved exemplar blocks, in [0, M).
        chunk: query blocks at a time; chosen from the sizes if None.

    Returns:
        (B, N, b, V), of the values' dtype.
    """
    return _GatherProduct.apply(weights, values, indices, chunk)


def scatter_product(
    weights: Float[Tensor, "B N b k*c"],
    values: Float[Tensor, "B N b V"],
    indices: Int[Tensor, "B N k"],
    blocks: int,
    chunk: int | None = None,
) -> Float[Tensor, "B M c V"]:
    """Returns transposed T times V: what each exemplar position receives from the queries.

    Args:
        weights: (B, N, b, k c).
        values: (B, N, b, V) values at the query positions.
        indices: (B, N, k) retrieved exemplar blocks, in [0, M).
        blocks: M, the number of exemplar blocks.
        chunk: query blocks at a time; chosen from the sizes if None.

    Returns:
        (B, M, c, V), of the values' dtype.
    """
    return _ScatterProduct.apply(weights, values, indices, blocks, chunk)


class _CandidateProducts(torch.autograd.Function):
    @staticmethod
    @full_precision
    def forward(ctx: Any, x: Tensor, z: Tensor, indices: Tensor, chunk: int | None) -> Tensor:
        ctx.save_for_backward(x, z, indices)
        ctx.chunk = chunk
        return _candidate_products(x, z, indices, chunk)

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, z, indices = ctx.saved_tensors
        need_x, need_z = ctx.needs_input_grad[:2]
        grad_x = _gather_product(grad, z, indices, ctx.chunk).to(x.dtype) if need_x else None
        grad_z = (
            _scatter_product(grad, x, indices, z.shape[1], ctx.chunk).to(z.dtype)
            if need_z
            else None
        )
        return grad_x, grad_z, None, None


class _GatherProduct(torch.autograd.Function):
    @staticmethod
    @full_precision
    def forward(
        ctx: Any, weights: Tensor, values: Tensor, indices: Tensor, chunk: int | None
    ) -> Tensor:
        ctx.save_for_backward(weights, values, indices)
        ctx.chunk = chunk
        return _gather_product(weights, values, indices, chunk).to(values.dtype)

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weights, values, indices = ctx.saved_tensors
        need_weights, need_values = ctx.needs_input_grad[:2]
        grad_weights = (
            _candidate_products(grad, values, indices, ctx.chunk).to(weights.dtype)
            if need_weights
            else None
        )
        grad_values = (
            _scatter_product(weights, grad, indices, values.shape[1], ctx.chunk).to(values.dtype)
            if need_values
            else None
        )
        return grad_weights, grad_values, None, None


class _ScatterProduct(torch.autograd.Function):
    @staticmethod
    @full_precision
    def forward(
        ctx: Any, weights: Tensor, values: Tensor, indices: Tensor, blocks: int, chunk: int | None
    ) -> Tensor:
        ctx.save_for_backward(weights, values, indices)
        ctx.chunk = chunk
        return _scatter_product(weights, values, indices, blocks, chunk).to(values.dtype)

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weights, values, indices = ctx.saved_tensors
        need_weights, need_values = ctx.needs_input_grad[:2]
        grad_weights = (
            _candidate_products(values, grad, indices, ctx.chunk).to(weights.dtype)
            if need_weights
            else None
        )
        grad_values = (
            _gather_product(weights, grad, indices, ctx.chunk).to(values.dtype)
            if need_values
            else None
        )
        return grad_weights, grad_values, None, None, None


def _candidate_products(x: Tensor, z: Tensor, indices: Tensor, chunk: int | None) -> Tensor:
    batch, count, inside, channels = x.shape
    dtype, flat = working_dtype(x, z), flat_blocks(indices, z.shape[1])
    source, queries = z.flatten(0, 1), x.flatten(0, 1)
    out = x.new_empty(len(flat), inside, flat.shape[1] * z.shape[2], dtype=dtype)
    for rows in chunks(len(flat), flat.shape[1] * z[0, 0].numel(), chunk, x):
        candidates = take_blocks(source, flat[rows]).to(dtype)
        torch.bmm(queries[rows].to(dtype), candidates.transpose(1, 2), out=out[rows])
    return out.view(batch, count, inside, -1)


def _gather_product(weights: Tensor, values: Tensor, indices: Tensor, chunk: int | None) -> Tensor:
    batch, count, inside, candidates = weights.shape
    dtype, flat = working_dtype(weights, values), flat_blocks(indices, values.shape[1])
    source, weights = values.flatten(0, 1), weights.flatten(0, 1)
    out = weights.new_empty(len(flat), inside, values.shape[3], dtype=dtype)
    for rows in chunks(len(flat), flat.shape[1] * math.prod(values.shape[2:]), chunk, values):
        gathered = take_blocks(source, flat[rows]).to(dtype)
        torch.bmm(weights[rows].to(dtype), gathered, out=out[rows])
    return out.view(batch, count, inside, values.shape[3])


def _scatter_product(
    weights: Tensor, values: Tensor, indices: Tensor, blocks: int, chunk: int | None
) -> Tensor:
    batch, width = len(weights), values.shape[3]
    dtype, flat = working_dtype(weights, values), flat_blocks(indices, blocks)
    side = weights.shape[3] // flat.shape[1]
    weights, values = weights.flatten(0, 1), values.flatten(0, 1)
    out = weights.new_zeros(batch * blocks, side, width, dtype=dtype)
    for rows in chunks(len(flat), weights.shape[2] * width, chunk, values):
        spread = torch.bmm(weights[rows].to(dtype).transpose(1, 2), values[rows].to(dtype))
        out.index_add_(0, flat[rows].flatten(), spread.view(flat[rows].numel(), side, width))
    return out.view(batch, blocks, side, width)


def take_blocks(
    source: Float[Tensor, "M c V"], indices: Int[Tensor, "n k"]
) -> Float[Tensor, "n k*c V"]:
    """Gathers k blocks for each row and joins their positions."""
    # Indexing with a tensor of two axes takes a CPU twice as long.
    shape = (len(indices), indices.shape[1] * source.shape[1], source.shape[2])
    return source.index_select(0, indices.flatten()).view(shape)


def flat_blocks(indices: Int[Tensor, "B N k"], blocks: int) -> Int[Tensor, "B*N k"]:
    """Numbers the exemplar blocks of the whole batch, for one gather over it."""
    offsets = torch.arange(len(indices), device=indices.device).view(-1, 1, 1) * blocks
    return (indices + offsets).flatten(0, 1)


def chunks(count: int, numbers: int, chunk: int | None, like: Tensor) -> Iterator[slice]:
    """Slices of query blocks so that about a chunk's numbers are gathered at once."""
    budget = CHUNK_CPU if like.device.type == "cpu" else CHUNK_GPU
    step = chunk or max(1, budget // max(1, numbers))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
