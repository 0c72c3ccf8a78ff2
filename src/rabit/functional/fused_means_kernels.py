# mypy: disallow-untyped-decorators=False
"""Triton programs behind `rabit.functional.fused_means`, imported when needed.

Each works on one block of INSIDE positions; CHANNELS is the power of two that holds its channels.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def mean_kernel(
    unit_ptr: tl.tensor,
    mean_ptr: tl.tensor,
    scale_ptr: tl.tensor,
    channels: tl.tensor,
    smallest: tl.tensor,
    INSIDE: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """Averages a block's features and scales them to length 1; `smallest` is the square that is
    added to that of the length.
    """
    block = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, CHANNELS)
    total = tl.zeros((CHANNELS,), tl.float32)
    for i in range(INSIDE):
        at = (block * INSIDE + i) * channels + c
        total += tl.load(unit_ptr + at, mask=c < channels, other=0.0).to(tl.float32)
    mean = total / INSIDE
    scale = 1.0 / tl.sqrt(tl.sum(mean * mean, 0) + smallest)
    described = (mean * scale).to(mean_ptr.dtype.element_ty)
    tl.store(mean_ptr + block * channels + c, described, mask=c < channels)
    tl.store(scale_ptr + block, scale)


@triton.jit
def mean_gradient_kernel(
    pull_ptr: tl.tensor,
    mean_ptr: tl.tensor,
    scale_ptr: tl.tensor,
    unit_pull_ptr: tl.tensor,
    channels: tl.tensor,
    INSIDE: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """Pulls the gradient of `mean_kernel` back and adds it to that of the block's features."""
    block = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, CHANNELS)
    there = c < channels
    own = block * channels + c
    pull = tl.load(pull_ptr + own, mask=there, other=0.0).to(tl.float32)
    mean = tl.load(mean_ptr + own, mask=there, other=0.0).to(tl.float32)
    change = (pull - mean * tl.sum(pull * mean, 0)) * (tl.load(scale_ptr + block) / INSIDE)
    for i in range(INSIDE):
        at = (block * INSIDE + i) * channels + c
        total = tl.load(unit_pull_ptr + at, mask=there, other=0.0).to(tl.float32) + change
        tl.store(unit_pull_ptr + at, total.to(unit_pull_ptr.dtype.element_ty), mask=there)
