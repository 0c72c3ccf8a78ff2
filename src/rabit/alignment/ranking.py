"""First level: every query block ranks the exemplar's blocks (sections 3.1 and 3.2)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.functional.dtype import full_precision, wide_product, working_dtype
from rabit.functional.fused import plan_gradient, solve_plan
from rabit.functional.gradient import selection_pull
from rabit.functional.once import first_order
from rabit.functional.topk import check_topk

# Scores held at once: 4 MB of float32 on a CPU, more where a call must fill a GPU.
SCORES_CPU = 2**20
SCORES_GPU = 2**26
# Chunks of scores that one product makes on a CPU, where the memory is free: a product of 256 rows
# takes a fifth longer than its share of one of 1024.
CHUNKS_A_PRODUCT = 4
# Bytes that rows of scores begin at multiples of on a CPU: a product whose rows begin anywhere, as
# those of an odd number of blocks would, takes it up to twice the time.
ROW_ALIGNMENT = 64


@dataclass(frozen=True)
class Ranking:
    """The k exemplar blocks that each query block retrieves.

    Args:
        indices: (B, N, k) int64 exemplar blocks, best first.
        mass: (B, N, k) p of the entropic plan, in (0, 1]; gradients flow.
        log_mass: (B, N, k) log p, finite; gradients flow.
        peak: (B, N) best score, the cosine of two blocks, in [-1, 1] up to rounding; gradients
            flow.
        threshold: (B, N) in score units, where p = 1/2; -inf where k = M.
        residual: (B, N) |sum p - k|.
    """

    indices: Int[Tensor, "B N k"]
    mass: Float[Tensor, "B N k"]
    log_mass: Float[Tensor, "B N k"]
    peak: Float[Tensor, "B N"]
    threshold: Float[Tensor, "B N"]
    residual: Float[Tensor, "B N"]


def rank_blocks(
    x: Float[Tensor, "B N D"],
    z: Float[Tensor, "B M D"],
    k: int,
    epsilon: float,
    scale: float = 1.0,
    chunk: int | None = None,
) -> Ranking:
    """Retrieves the k exemplar blocks most similar to each query block, differentiably.

    Scores are scaled inner products. They are computed for a chunk of query blocks at a time and
    again in the backward pass, so nothing of size N x M is kept; the gradient is exact.

    Args:
        x: (B, N, D) descriptors of the query blocks.
        z: (B, M, D) descriptors of the exemplar blocks.
        k: blocks to retrieve, 1 <= k <= M.
        epsilon: regularisation of the top-k in score units, > 0.
        scale: a_uv = scale <x_u, z_v>: 1 for descriptors of length 1, 1 / b for b concatenated
            features of length 1.
        chunk: query blocks at a time; chosen from the sizes if None.

    Returns:
        The ranking, float32 (float64 for float64 descriptors).

    Raises:
        ValueError: k outside 1..M, or epsilon not positive.
    """
    check_topk(z.shape[1], k, epsilon)
    return Ranking(*_RankBlocks.apply(x, z, k, epsilon, scale, chunk))


class _RankBlocks(torch.autograd.Function):
    """Chunked ranking with recomputed scores."""

    @staticmethod
    @full_precision
    def forward(
        ctx: Any, x: Tensor, z: Tensor, k: int, epsilon: float, scale: float, chunk: int | None
    ) -> tuple[Tensor, ...]:
        together = CHUNKS_A_PRODUCT if x.device.type == "cpu" else 1
        chunks = (
            scores
            for image in range(len(x))
            for _, product in row_scores(x[image], z[image], scale, chunk, together)
            for scores in product.split(rows_at_once(x, z, chunk))
        )
        plan = solve_plan(chunks, k, epsilon)
        lead = x.shape[:2]
        indices, logits = plan.indices.view(*lead, k), plan.logits.view(*lead, k)
        rows = (each.view(*lead, 1) for each in (plan.pivot, plan.shift, plan.spread))
        ctx.slope, ctx.scale, ctx.chunk = plan.slope, scale, chunk
        ctx.save_for_backward(x, z, indices, logits, *rows)
        peak, threshold = plan.scores[:, 0].reshape(lead), plan.value.view(lead)
        residual = plan.residual.view(lead)
        ctx.mark_non_differentiable(indices, threshold, residual)
        ctx.set_materialize_grads(False)
        mass, log_mass = plan.mass.view(*lead, k), plan.log_mass.view(*lead, k)
        return indices, mass, log_mass, peak, threshold, residual

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        _, grad_mass, grad_log_mass, grad_peak, _, _ = grads
        if grad_mass is None and grad_log_mass is None and grad_peak is None:
            return None, None, None, None, None, None
        x, z, indices, logits, pivot, shift, spread = ctx.saved_tensors
        pull = selection_pull(logits, grad_mass, grad_log_mass)
        dtype = working_dtype(x, z)
        # On a GPU the gradient is rounded as bfloat16 features are, for a product like the scores'.
        half = x.is_cuda and x.dtype == z.dtype == torch.bfloat16
        operand = x.dtype if half else dtype
        grad_x, grad_z = torch.empty_like(x, dtype=dtype), torch.zeros_like(z, dtype=dtype)
        for image in range(len(x)):
            exemplar = z[image].to(operand)
            for rows, scores in row_scores(x[image], z[image], ctx.scale, ctx.chunk):
                at = (image, rows)
                grad = plan_gradient(
                    scores,
                    indices[at],
                    pull[at],
                    pivot[at],
                    shift[at],
                    spread[at],
                    ctx.slope,
                    None if grad_peak is None else grad_peak[at],
                    operand,
                )
                wide_product(grad, exemplar, out=grad_x[at])
                _add_product(grad.T, x[at].to(operand), grad_z[image])
        grad_x, grad_z = (grad.mul_(ctx.scale) for grad in (grad_x, grad_z))
        return grad_x.to(x.dtype), grad_z.to(z.dtype), None, None, None, None


def _add_product(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Adds a b to a sum in the working precision."""
    if a.dtype == out.dtype:
        out.addmm_(a, b)
    else:
        out.add_(wide_product(a, b))


def row_scores(
    x: Float[Tensor, "N D"],
    z: Float[Tensor, "M D"],
    scale: float,
    chunk: int | None,
    together: int = 1,
) -> Iterator[tuple[slice, Float[Tensor, "n M"]]]:
    """The scores of one image's query blocks, some chunks together, accumulated in float32.

    They are valid until the next are asked for, as they share their memory.

    Args:
        x: (N, D) descriptors of the query blocks.
        z: (M, D) descriptors of the exemplar blocks.
        scale: of the inner products.
        chunk: query blocks of a chunk; chosen from the sizes if None.
        together: chunks that one product makes.

    Returns:
        Rows and their scores, by turns.
    """
    dtype = working_dtype(x, z)
    # A power of two scales half precision features without rounding.
    half = x.is_cuda and x.dtype == z.dtype and math.frexp(scale)[0] == 0.5
    operand = x.dtype if half else dtype
    columns = z.to(operand).T
    step = min(len(x), together * rows_at_once(x, z, chunk))
    width = len(z)
    if x.device.type == "cpu":
        aligned = ROW_ALIGNMENT // dtype.itemsize
        width = math.ceil(width / aligned) * aligned
    memory = x.new_empty(step, width, dtype=dtype)[:, : len(z)]
    for start in range(0, len(x), step):
        rows = slice(start, min(start + step, len(x)))
        queries = x[rows].to(operand)
        queries = queries if scale == 1 else queries * scale
        yield rows, wide_product(queries, columns, out=memory[: len(queries)])


def rows_at_once(x: Float[Tensor, "..."], z: Float[Tensor, "... M D"], chunk: int | None) -> int:
    """Returns the rows of a chunk: the given ones, or as many as fit the budget of scores."""
    budget = SCORES_CPU if x.device.type == "cpu" else SCORES_GPU
    return chunk or max(1, budget // max(1, z.shape[-2]))
