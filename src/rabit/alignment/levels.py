"""Ranking through several levels of blocks, coarse to fine: two levels are the special case.

A coarse level ranks all blocks of its size; each finer level ranks the blocks inside the larger
blocks that were retrieved. So the largest product is that of the coarsest level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.alignment.products import chunks, flat_blocks, take_blocks
from rabit.alignment.ranking import Ranking, rank_blocks
from rabit.config import DESCRIPTORS
from rabit.functional.dtype import full_precision, working_dtype
from rabit.functional.fused import plan_gradient, solve_plan
from rabit.functional.gradient import selection_pull
from rabit.functional.normalise import unit_vectors
from rabit.functional.once import first_order
from rabit.functional.topk import check_topk

Descriptor = Literal["concat", "mean"]


def rank_levels(
    x: Float[Tensor, "B N b C"],
    z: Float[Tensor, "B M b C"],
    sides: Sequence[int],
    counts: Sequence[int],
    epsilon: float,
    descriptor: Descriptor = "concat",
    chunk: int | None = None,
) -> Ranking:
    """Ranks blocks level by level.

    At a finer level a block competes with the blocks inside all larger blocks that its own larger
    block retrieved: entropic top-k of a_uv + (epsilon / 4) log p of the larger block, which is the
    plan with p as its prior, as log p enters the attention.

    Args:
        x: (B, N, b, C) query positions in nested blocks, features of length 1.
        z: (B, M, b, C) exemplar positions in nested blocks, features of length 1.
        sides: of the blocks, largest first; the last are the blocks of x and z.
        counts: blocks to retrieve at each level.
        epsilon: regularisation of every level's top-k, > 0.
        descriptor: of a block, see `describe_levels`.
        chunk: query blocks at a time; chosen from the sizes if None.

    Returns:
        The ranking of the last level, blocks numbered in nested order; `peak` is without priors,
        `residual` the largest of all levels.

    Raises:
        ValueError: more blocks to retrieve than there are, epsilon not positive, or an unknown
            descriptor.
    """
    queries, exemplars = (describe_levels(side, sides, descriptor) for side in (x, z))
    scales = [1.0] * len(sides)
    if descriptor == "concat":
        scales[-1] = 1 / x.shape[2]
    ranking = rank_blocks(queries[0], exemplars[0], counts[0], epsilon, scales[0], chunk)
    for level, parts in enumerate(_parts(sides), start=1):
        finer = rank_candidates(
            queries[level].unflatten(1, (-1, parts)),
            exemplars[level].unflatten(1, (-1, parts)),
            ranking.indices,
            ranking.log_mass * (epsilon / 4),
            counts[level],
            epsilon,
            scales[level],
            chunk,
        )
        residual = ranking.residual.repeat_interleave(parts, dim=1)
        ranking = replace(finer, residual=torch.maximum(finer.residual, residual))
    return ranking


def describe_levels(
    features: Float[Tensor, "B N b C"], sides: Sequence[int], descriptor: Descriptor
) -> list[Float[Tensor, "B Nl Dl"]]:
    """Describes the blocks of every level.

    Args:
        features: (B, N, b, C) positions in nested blocks, features of length 1.
        sides: of the blocks, largest first.
        descriptor: of the last level's blocks. "concat" concatenates the features of a block's
            positions (the paper, D = b C), "mean" averages them (D = C, b times fewer operations).
            Larger blocks are always averaged: they say what is there, not where in the block.

    Returns:
        A descriptor for each block of each level, coarsest first. Of length 1, but for the
        concatenated features of the last level, which are of length sqrt(b) and not copied.

    Raises:
        ValueError: unknown descriptor.
    """
    if descriptor not in DESCRIPTORS:
        raise ValueError(f"descriptor is {descriptor!r}, expected 'concat' or 'mean'")
    if descriptor == "mean":
        return [unit_vectors(means, dim=-1) for means in _means(features, sides)]
    coarse = _means(features, sides)[:-1] if len(sides) > 1 else []
    return [*(unit_vectors(means, dim=-1) for means in coarse), features.flatten(2)]


def _means(features: Tensor, sides: Sequence[int]) -> list[Float[Tensor, "B Nl C"]]:
    """Mean features of the blocks of each level, coarsest first."""
    means = [features.mean(2)]
    for parts in reversed(_parts(sides)):
        means.append(means[-1].unflatten(1, (-1, parts)).mean(2))
    return means[::-1]


def _parts(sides: Sequence[int]) -> list[int]:
    """How many blocks of the next level each block consists of."""
    return [(large // small) ** 2 for large, small in pairwise(sides)]


def rank_candidates(
    x: Float[Tensor, "B N p D"],
    z: Float[Tensor, "B M q D"],
    larger: Int[Tensor, "B N l"],
    prior: Float[Tensor, "B N l"],
    k: int,
    epsilon: float,
    scale: float,
    chunk: int | None = None,
) -> Ranking:
    """Ranks the p blocks of each larger block among those of some larger blocks of the exemplar.

    Args:
        x: (B, N, p, D) descriptors of the query blocks of each larger block.
        z: (B, M, q, D) descriptors of the exemplar blocks of each larger block.
        larger: (B, N, l) the larger blocks whose blocks compete, in [0, M).
        prior: (B, N, l) what the scores of each one's blocks are raised by.
        k: blocks to retrieve, at most l q.
        epsilon: regularisation of the top-k in score units, > 0.
        scale: of the inner products, see `rank_blocks`.
        chunk: larger query blocks at a time; chosen from the sizes if None.

    Returns:
        The ranking of N p query blocks, exemplar blocks numbered in [0, M q); `peak` is without
        priors.

    Raises:
        ValueError: k outside of 1..l q, or epsilon not positive.
    """
    check_topk(larger.shape[2] * z.shape[2], k, epsilon)
    ranked = _RankCandidates.apply(x, z, prior, larger, k, epsilon, scale, chunk)
    competing, mass, log_mass, peak, threshold, residual = ranked
    inside = torch.div(competing, z.shape[2], rounding_mode="floor")
    parents = larger.unsqueeze(2).expand(-1, -1, x.shape[2], -1).gather(3, inside)
    return Ranking(
        indices=(parents * z.shape[2] + competing % z.shape[2]).flatten(1, 2),
        mass=mass.flatten(1, 2),
        log_mass=log_mass.flatten(1, 2),
        peak=peak.flatten(1, 2),
        threshold=threshold.flatten(1, 2),
        residual=residual.flatten(1, 2),
    )


class _RankCandidates(torch.autograd.Function):
    """Chunked ranking of some candidates a row, with recomputed scores, as `rank_blocks`."""

    @staticmethod
    @full_precision
    def forward(
        ctx: Any,
        x: Tensor,
        z: Tensor,
        prior: Tensor,
        larger: Tensor,
        k: int,
        epsilon: float,
        scale: float,
        chunk: int | None,
    ) -> tuple[Tensor, ...]:
        best = []

        def chunks_with_prior() -> Iterator[Tensor]:
            for _, scores, bonus in _competing(x, z, prior, larger, scale, chunk):
                best.append(scores.max(-1))
                yield (scores + bonus).flatten(0, 1)

        plan = solve_plan(chunks_with_prior(), k, epsilon)
        lead, logits = x.shape[:3], plan.logits
        peak = torch.cat([each.values for each in best]).view(lead)
        place = torch.cat([each.indices for each in best]).flatten().unsqueeze(1)
        ctx.slope, ctx.scale, ctx.chunk = plan.slope, scale, chunk
        solution = (plan.indices, plan.pivot, plan.shift, plan.spread)
        ctx.save_for_backward(x, z, prior, larger, logits, place, *solution)
        outputs = (
            plan.indices.view(*lead, k),
            plan.mass.view(*lead, k),
            plan.log_mass.view(*lead, k),
            peak,
            plan.value.view(lead),
            plan.residual.view(lead),
        )
        ctx.mark_non_differentiable(outputs[0], outputs[4], outputs[5])
        return outputs

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, z, prior, larger, logits, place, indices, pivot, shift, spread = ctx.saved_tensors
        grad_mass, grad_log_mass, grad_peak = (grad.reshape(len(logits), -1) for grad in grads[1:4])
        pull = selection_pull(logits, grad_mass, grad_log_mass)
        parts, queries = x.shape[2], x.flatten(0, 1)
        dtype = working_dtype(x, z)
        grad_x = torch.zeros_like(queries, dtype=dtype)
        grad_z = torch.zeros_like(z.flatten(0, 1), dtype=dtype)
        grad_prior = torch.zeros_like(prior.flatten(0, 1))
        flat = flat_blocks(larger, z.shape[1])
        for rows, scores, bonus in _competing(x, z, prior, larger, ctx.scale, ctx.chunk):
            each = slice(rows.start * parts, rows.stop * parts)
            grad = plan_gradient(
                (scores + bonus).flatten(0, 1),
                indices[each],
                pull[each],
                pivot[each],
                shift[each],
                spread[each],
                ctx.slope,
            )
            grad_prior[rows] = grad.view(len(scores), parts, -1, z.shape[2]).sum((1, 3))
            grad.scatter_add_(1, place[each], grad_peak[each]).mul_(ctx.scale)
            grad = grad.view_as(scores)
            gathered = take_blocks(z.flatten(0, 1), flat[rows]).to(dtype)
            torch.bmm(grad, gathered, out=grad_x[rows])
            spent = torch.bmm(grad.transpose(1, 2), queries[rows].to(dtype))
            grad_z.index_add_(0, flat[rows].flatten(), spent.view(-1, *grad_z.shape[1:]))
        return (
            grad_x.view_as(x).to(x.dtype),
            grad_z.view_as(z).to(z.dtype),
            grad_prior.view_as(prior),
            *[None] * 5,
        )


def _competing(
    x: Float[Tensor, "B N p D"],
    z: Float[Tensor, "B M q D"],
    prior: Float[Tensor, "B N k"],
    larger: Int[Tensor, "B N k"],
    scale: float,
    chunk: int | None,
) -> Iterator[tuple[slice, Float[Tensor, "n p k*q"], Float[Tensor, "n 1 k*q"]]]:
    """Scores of each larger block's blocks with their candidates, and the candidates' priors."""
    dtype, flat = working_dtype(x, z), flat_blocks(larger, z.shape[1])
    queries, source = x.flatten(0, 1), z.flatten(0, 1)
    candidates = flat.shape[1] * z.shape[2]
    numbers = candidates * max(x.shape[2], z.shape[3])
    for rows in chunks(len(flat), numbers, chunk, x):
        gathered = take_blocks(source, flat[rows]).to(dtype)
        scores = torch.bmm(queries[rows].to(dtype) * scale, gathered.transpose(1, 2))
        bonus = prior.flatten(0, 1)[rows].repeat_interleave(z.shape[2], dim=1)
        yield rows, scores, bonus.unsqueeze(1)


def in_row_major(ranking: Ranking, rows: Int[Tensor, " N"], columns: Int[Tensor, " M"]) -> Ranking:
    """Returns a ranking whose blocks are numbered row-major instead of in nested order.

    Args:
        ranking: in nested order.
        rows: row-major number of each query block in nested order.
        columns: row-major number of each exemplar block in nested order.
    """
    back = rows.argsort()
    return Ranking(
        indices=columns[ranking.indices[:, back]],
        mass=ranking.mass[:, back],
        log_mass=ranking.log_mass[:, back],
        peak=ranking.peak[:, back],
        threshold=ranking.threshold[:, back],
        residual=ranking.residual[:, back],
    )
