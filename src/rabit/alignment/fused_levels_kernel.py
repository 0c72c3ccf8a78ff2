# mypy: disallow-untyped-decorators=False
"""The Triton program behind `rabit.alignment.fused_bilevel`, imported when needed.

Notation as in `rabit.functional.fused_kernels` and `rabit.alignment.fused_kernels`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from rabit.alignment.fused_kernels import weigh_row
from rabit.functional.fused_kernels import solve_row


@triton.jit
def levels_kernel(
    scores_ptr: tl.tensor,
    indices_ptr: tl.tensor,
    chosen_ptr: tl.tensor,
    each_ptr: tl.tensor,
    x_ptr: tl.tensor,
    z_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    first: tl.tensor,
    total: tl.tensor,
    count: tl.tensor,
    blocks: tl.tensor,
    channels: tl.tensor,
    scale: tl.tensor,
    slope: tl.tensor,
    low_margin: tl.tensor,
    high: tl.tensor,
    tolerance: tl.tensor,
    sharpness: tl.tensor,
    least: tl.tensor,
    INSIDE: tl.constexpr,
    IN: tl.constexpr,
    OTHERS: tl.constexpr,
    K: tl.constexpr,
    SLOTS: tl.constexpr,
    TILE: tl.constexpr,
    ALL: tl.constexpr,
    CHANNELS: tl.constexpr,
    PARTS: tl.constexpr,
    MAX_STEPS: tl.constexpr,
) -> None:
    """Ranks the exemplar blocks by a row of scores, times `scale`, and weighs the positions of the
    best where there is a place for weights: `solve_row` and `weigh_row`. The first of the rows of
    scores is number `first` of `total`.
    """
    own = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, TILE)
    scores = tl.load(scores_ptr + own * blocks + column, mask=column < blocks, other=float("-inf"))
    row = first + own
    indices, log_mass, _ = solve_row(
        row,
        scores * scale,
        indices_ptr,
        chosen_ptr,
        each_ptr,
        total,
        slope,
        low_margin,
        high,
        tolerance,
        K,
        SLOTS,
        TILE,
        MAX_STEPS,
    )
    if weights_ptr is not None:
        weigh_row(
            row,
            indices,
            log_mass,
            x_ptr,
            z_ptr,
            weights_ptr,
            count,
            blocks,
            channels,
            sharpness,
            least,
            INSIDE,
            IN,
            OTHERS,
            K,
            SLOTS,
            ALL,
            CHANNELS,
            PARTS,
        )
