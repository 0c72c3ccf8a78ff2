"""Mean features of blocks, of length 1, and their gradient, each in one launch on a GPU."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.functional.fused import power_of_two

# Channels that a warp holds.
CHANNELS_A_WARP = 512


def mean_rows(
    unit: Float[Tensor, "B N b C"], smallest: float
) -> tuple[Float[Tensor, "B N C"], Float[Tensor, "B N 1"]]:
    """Averages the features of blocks and scales them to length 1, as `unit_vectors` does.

    Args:
        unit: (B, N, b, C) contiguous blocks on a GPU on which Triton works.
        smallest: a length, whose square is added to that of every length.

    Returns:
        (B, N, C) of the input's dtype and (B, N, 1) float32, what the means were multiplied by.
    """
    from rabit.functional.fused_means_kernels import mean_kernel

    batch, count, inside, channels = unit.shape
    mean = unit.new_empty((batch, count, channels))
    scale = unit.new_empty((batch, count, 1), dtype=torch.float32)
    with torch.cuda.device_of(unit):
        mean_kernel[(batch * count,)](
            unit, mean, scale, channels, smallest**2, INSIDE=inside, **_shapes(channels)
        )
    return mean, scale


def mean_rows_gradient(
    pull: Float[Tensor, "B N C"],
    mean: Float[Tensor, "B N C"],
    scale: Float[Tensor, "B N 1"],
    unit_pull: Float[Tensor, "B N b C"],
) -> None:
    """Pulls the gradient of `mean_rows` back to the features of the blocks.

    Args:
        pull: (B, N, C) contiguous gradient of the means.
        mean: (B, N, C) from `mean_rows`.
        scale: (B, N, 1) from `mean_rows`.
        unit_pull: (B, N, b, C) contiguous, added to.
    """
    from rabit.functional.fused_means_kernels import mean_gradient_kernel

    batch, count, inside, channels = unit_pull.shape
    with torch.cuda.device_of(unit_pull):
        mean_gradient_kernel[(batch * count,)](
            pull, mean, scale, unit_pull, channels, INSIDE=inside, **_shapes(channels)
        )


def _shapes(channels: int) -> dict[str, int]:
    """What the programs are compiled for."""
    padded = power_of_two(channels)
    return {"CHANNELS": padded, "num_warps": min(8, max(1, padded // CHANNELS_A_WARP))}
