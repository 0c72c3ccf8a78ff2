"""Both levels of the correspondence as one step on a GPU, whose time is else spent on launches.

What `bilevel` composes of normalisation, ranking and attention is done here by one program or
product each, forward and backward, and the features of both sides are normalised together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.alignment.fused import (
    LEAST_WEIGHT,
    attention_gradients,
    attention_weights,
    can_fuse_blocks,
    program_shapes,
)
from rabit.alignment.ranking import Ranking, rows_at_once
from rabit.functional.dtype import full_precision, wide_product
from rabit.functional.finite import LaterCheck
from rabit.functional.fused import (
    LARGEST_K,
    LARGEST_ROW,
    Solved,
    power_of_two,
    score_gradient_rows,
    search_numbers,
    warps,
)
from rabit.functional.fused_means import mean_rows, mean_rows_gradient
from rabit.functional.fused_units import can_fuse_units, unit_rows, unit_rows_gradient
from rabit.functional.normalise import SMALLEST_NORM
from rabit.functional.once import first_order
from rabit.functional.threshold import MAX_ITERATIONS
from rabit.functional.topk import check_topk

# A longer row is held by more than two warps, whose sums over channels across each other take
# longer than a launch: such a program ranks, and others attend.
LARGEST_TOGETHER = 1024


def can_fuse_levels(x: Tensor, z: Tensor, block: int, k: int) -> bool:
    """Returns whether `fused_bilevel` takes these features.

    They need one dtype, float32 or bfloat16, on a GPU on which Triton works; blocks that divide
    both maps; and more exemplar blocks than k <= 16, at most 16384.

    Args:
        x: (B, C, H, W) features of the condition.
        z: (B, C, Hz, Wz) features of the exemplar.
        block: side of the blocks.
        k: blocks to retrieve.
    """
    exemplars = z.shape[2] * z.shape[3] // max(1, block) ** 2
    return (
        x.is_cuda
        and x.dtype == z.dtype
        and x.dtype in (torch.float32, torch.bfloat16)
        and block > 0
        and not any(length % block for length in (*x.shape[2:], *z.shape[2:]))
        and 0 < k <= LARGEST_K
        and k < exemplars <= LARGEST_ROW
        and can_fuse_units(x)
        and can_fuse_blocks(block**2, block**2, k, x, z)
    )


def fused_bilevel(
    x: Float[Tensor, "B C H W"],
    z: Float[Tensor, "B C Hz Wz"],
    block: int,
    k: int,
    temperature: float,
    epsilon: float,
    chunk: int | None = None,
    mean: bool = False,
) -> tuple[Ranking, Float[Tensor, "B N b k*b"]]:
    """Ranks blocks by their features and attends inside of those that are retrieved.

    Args:
        x: (B, C, H, W) features of the condition.
        z: (B, C, Hz, Wz) features of the exemplar, for which `can_fuse_levels` holds.
        block: side of the blocks.
        k: blocks to retrieve.
        temperature: of the attention, > 0.
        epsilon: of the ranking, > 0.
        chunk: query blocks at a time; chosen from the sizes if None.
        mean: whether blocks are described by their mean feature instead of all, one after another;
            it is rounded as the features are.

    Returns:
        The ranking of `rank_levels` and the weights of `attend_blocks`.

    Raises:
        ValueError: epsilon not positive, or features that are not finite or whose squares overflow.
    """
    check_topk(z.shape[2] * z.shape[3] // block**2, k, epsilon)
    # Without a graph its bookkeeping is left out, which takes as long as a launch.
    graph = torch.is_grad_enabled() and (x.requires_grad or z.requires_grad)
    options = (block, k, 1 / temperature, epsilon, chunk, mean)
    found = _Levels.apply(x, z, *options) if graph else _levels(x, z, *options)[0]
    weights, *ranking = found
    return Ranking(*ranking), weights


@full_precision
def _levels(
    x: Tensor,
    z: Tensor,
    block: int,
    k: int,
    sharpness: float,
    epsilon: float,
    chunk: int | None,
    mean: bool,
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Returns the weights and the ranking's fields, and what the backward pass needs."""
    if x.shape == z.shape and x.stride() == z.stride():
        normalised = [unit_rows(x, block, SMALLEST_NORM, z)]
    else:
        normalised = [unit_rows(side, block, SMALLEST_NORM) for side in (x, z)]
    units, scales = zip(*normalised, strict=True)
    finite = LaterCheck(scales)
    queries, exemplars = _sides(units)
    described = [mean_rows(unit, SMALLEST_NORM) for unit in units] if mean else []
    scale = 1.0 if mean else 1 / block**2
    lead = queries.shape[:2]
    solved = Solved.empty(lead[0] * lead[1], k, x)
    weights = None
    if power_of_two(exemplars.shape[1]) <= LARGEST_TOGETHER:
        weights = x.new_empty((*queries.shape[:3], k * block**2), dtype=torch.float32)
    sides = (queries, exemplars, solved, weights)
    for first, rows, columns, _ in _products(_descriptors(units, described), chunk):
        # No name holds the scores: their memory is that of the next ones.
        _rank(wide_product(rows, columns.T), first, *sides, scale, epsilon, sharpness)
    indices = solved.indices.view(*lead, k)
    scores, logits, mass, log_mass = solved.chosen.view(4, *lead, k).unbind()
    pivot, shift, spread, residual, threshold = solved.each.view(5, *lead).unbind()
    if weights is None:
        weights = attention_weights(queries, exemplars, indices, log_mass, sharpness)
    finite.check(x, z)
    found = (weights, indices, mass, log_mass, scores[..., 0], threshold, residual)
    more = [each for pair in described for each in pair]
    return found, (indices, logits, pivot, shift, spread, weights, *units, *scales, *more)


def _rank(
    scores: Float[Tensor, "r M"],
    first: int,
    x: Float[Tensor, "B N b C"],
    z: Float[Tensor, "B M c C"],
    solved: Solved,
    weights: Float[Tensor, "B N b k*c"] | None,
    scale: float,
    epsilon: float,
    sharpness: float,
) -> None:
    """Solves rows of scores and may weigh the positions of each one's k best blocks, in one launch.

    Args:
        scores: (r, M) contiguous float32 scores of r query blocks, k < M.
        first: number of the first of them among all B N.
        x: (B, N, b, C) query blocks, contiguous.
        z: (B, M, c, C) exemplar blocks, likewise.
        solved: of all B N, written to.
        weights: written to, as `attention_weights` would, if given.
        scale: what the scores are times it to the ranking, > 0.
        epsilon: of the ranking, > 0.
        sharpness: 1 / temperature of the attention.
    """
    from rabit.alignment.fused_levels_kernel import levels_kernel

    (_, count, inside, channels), (blocks, others) = x.shape, z.shape[1:3]
    total, k = solved.indices.shape
    tile, shapes = power_of_two(blocks), program_shapes(inside, others, k, channels)
    attending = 1 if weights is None else shapes["num_warps"]
    shapes["num_warps"] = max(attending, warps(tile))
    with torch.cuda.device_of(scores):
        levels_kernel[(len(scores),)](
            scores,
            solved.indices,
            solved.chosen,
            solved.each,
            x,
            z,
            weights,
            first,
            total,
            count,
            blocks,
            channels,
            scale,
            *search_numbers(blocks, k, epsilon),
            sharpness,
            LEAST_WEIGHT,
            SLOTS=power_of_two(k),
            TILE=tile,
            ALL=power_of_two(k * others),
            MAX_STEPS=MAX_ITERATIONS,
            **shapes,
        )


class _Levels(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, z: Tensor, block: int, k: int, *rest: Any
    ) -> tuple[Tensor, ...]:
        found, kept = _levels(x, z, block, k, *rest)
        _, indices, _, _, _, threshold, residual = found
        ctx.options = (block, *rest)
        ctx.sizes = (x.shape[2:], z.shape[2:])
        ctx.save_for_backward(*kept)
        ctx.mark_non_differentiable(indices, threshold, residual)
        ctx.set_materialize_grads(False)
        return found

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        grad_weights, _, grad_mass, grad_log_mass, grad_peak, _, _ = grads
        if all(each is None for each in grads):
            return (None,) * 8
        indices, logits, pivot, shift, spread, weights, *rest = ctx.saved_tensors
        block, sharpness, epsilon, chunk, mean = ctx.options
        count = len(rest) // (4 if mean else 2)
        units, scales, more = rest[:count], rest[count : 2 * count], rest[2 * count :]
        described = list(zip(more[::2], more[1::2], strict=True))
        k = indices.shape[2]
        queries, exemplars = _sides(units)
        pulls = [torch.empty_like(unit) for unit in units]
        to_queries, to_exemplars = _sides(pulls)
        spent = torch.zeros_like(exemplars, dtype=torch.float32)
        pull = torch.empty_like(logits)
        attention_gradients(
            torch.zeros_like(weights) if grad_weights is None else grad_weights,
            weights,
            queries,
            exemplars,
            indices,
            sharpness,
            to_queries,
            spent,
            pull,
            logits,
            grad_mass,
            grad_log_mass,
        )
        plan = (indices.view(-1, k), pull.view(-1, k), pivot, shift, spread, 4.0 / epsilon)
        peak = None if grad_peak is None else grad_peak.flatten()
        ranked, received = pulls, spent
        if mean:
            ranked = [torch.zeros_like(each) for each, _ in described]
            received = torch.zeros_like(_sides(ranked)[1], dtype=torch.float32)
        to_rows = _sides(ranked)[0].flatten(0, 1).flatten(1)
        scale = 1.0 if mean else 1 / block**2
        for first, rows, columns, image in _products(_descriptors(units, described), chunk):
            # The gradient is rounded as the features are, for a product like the scores'.
            grad = score_gradient_rows(
                wide_product(rows, columns.T),
                *plan,
                peak,
                rows.dtype,
                scale=scale,
                first=first,
            )
            to_rows[first : first + len(rows)].addmm_(grad, columns)
            received[image].view_as(columns).add_(wide_product(grad.T, rows))
            del grad  # its memory is that of the next one
        to_exemplars.copy_(spent)
        if mean:
            _sides(ranked)[1].copy_(received)
            for pulled_mean, pair, pull_of_unit in zip(ranked, described, pulls, strict=True):
                mean_rows_gradient(pulled_mean, *pair, pull_of_unit)
        pulled = [
            unit_rows_gradient(*each, block)
            for each in zip(pulls, units, scales, ctx.sizes[: len(units)], strict=True)
        ]
        return (*_sides(pulled), *[None] * 6)


def _sides(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Those of queries and exemplars, which lie in one where they are of one shape."""
    return tensors[0].chunk(2) if len(tensors) == 1 else tensors


def _descriptors(
    units: Sequence[Tensor], described: Sequence[tuple[Tensor, Tensor]]
) -> Sequence[Float[Tensor, "B N D"]]:
    """What blocks are ranked by, of queries and exemplars."""
    return _sides([pair[0] for pair in described] or [unit.flatten(2) for unit in units])


def _products(
    descriptors: Sequence[Float[Tensor, "B N D"]], chunk: int | None
) -> Iterator[tuple[int, Tensor, Tensor, int]]:
    """Descriptors whose products are made at once: the number of the first row in the whole batch,
    rows, columns, and the number of their image.
    """
    own, other = descriptors
    count = own.shape[1]
    step = min(count, rows_at_once(own, other, chunk))
    for image, (rows, columns) in enumerate(zip(own.unbind(), other.unbind(), strict=True)):
        if step == count:
            yield image * count, rows, columns, image
            continue
        for start in range(0, count, step):
            yield image * count + start, rows[start : start + step], columns, image
