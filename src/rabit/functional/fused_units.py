"""`rabit.functional.normalise.unit_blocks` and its gradient, each in one launch on a GPU."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.functional.fused import power_of_two, triton_works

# A program holds the features of some positions of a row in registers.
LARGEST_CHANNELS = 4096
NUMBERS = 4096
POSITIONS = 32


def can_fuse_units(x: Tensor) -> bool:
    """Returns whether `unit_rows` takes these features.

    They need a GPU on which Triton works, at most 4096 channels, and single precision or less.

    Args:
        x: (B, C, H, W) features.
    """
    return (
        x.is_cuda
        and x.dtype != torch.float64
        and x.shape[1] <= LARGEST_CHANNELS
        and triton_works(x.device)
    )


def unit_rows(
    x: Float[Tensor, "B C H W"],
    side: int,
    smallest: float,
    other: Float[Tensor, "B C H W"] | None = None,
) -> tuple[Float[Tensor, "B N b C"], Float[Tensor, "B N b 1"]]:
    """Centres positions over channels, scales them to length 1 and groups them into blocks.

    Args:
        x: (B, C, H, W) features for which `can_fuse_units` holds, with any strides.
        side: of the blocks; divides H and W.
        smallest: a length, whose square is added to that of every length.
        other: more of the same shape, dtype and strides, in the same launch.

    Returns:
        (B, N, b, C) of the input's dtype and (B, N, b, 1) float32, what they were multiplied by;
        2 B with others.
    """
    from rabit.functional.fused_kernels import unit_kernel

    batch, channels, height, width = x.shape
    images = batch if other is None else 2 * batch
    lead = (images, height * width // side**2, side**2)
    unit = x.new_empty((*lead, channels))
    scale = x.new_empty((*lead, 1), dtype=torch.float32)
    padded, tile = _tile(channels, width)
    with torch.cuda.device_of(x):
        unit_kernel[(-(-width // tile), height, images)](
            x,
            other,
            unit,
            scale,
            batch,
            channels,
            height,
            width,
            *x.stride(),
            smallest**2,
            SIDE=side,
            CHANNELS=padded,
            TILE=tile,
        )
    return unit, scale


def unit_rows_gradient(
    pull: Float[Tensor, "B N b C"],
    unit: Float[Tensor, "B N b C"],
    scale: Float[Tensor, "B N b 1"],
    size: tuple[int, int],
    side: int,
) -> Float[Tensor, "B C H W"]:
    """Pulls the gradient of `unit_rows` back to the features.

    Args:
        pull: (B, N, b, C) gradient of the blocks.
        unit: (B, N, b, C) from `unit_rows`.
        scale: (B, N, b, 1) from `unit_rows`.
        size: (H, W) of the map.
        side: of the blocks.

    Returns:
        (B, C, H, W) of the blocks' dtype.
    """
    from rabit.functional.fused_kernels import unit_gradient_kernel

    batch, channels, (height, width) = len(unit), unit.shape[-1], size
    grad = unit.new_empty((batch, channels, height, width))
    padded, tile = _tile(channels, width)
    with torch.cuda.device_of(unit):
        unit_gradient_kernel[(-(-width // tile), height, batch)](
            pull.contiguous(),
            unit,
            scale,
            grad,
            channels,
            height,
            width,
            *grad.stride(),
            SIDE=side,
            CHANNELS=padded,
            TILE=tile,
        )
    return grad


def _tile(channels: int, width: int) -> tuple[int, int]:
    """How many channels, a power of two, and positions a program holds."""
    padded = power_of_two(channels)
    return padded, min(power_of_two(width), POSITIONS, max(1, NUMBERS // padded))
