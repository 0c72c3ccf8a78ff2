"""Norms without parameters, in front of which SPADE puts its modulation."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class PositionalNorm(nn.Module):
    """Normalises over the channels at each position: no batch statistics, so a batch of any size
    gives what its samples give alone (positional normalisation, Li et al. 2019)."""

    def __init__(self, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Returns x with zero mean and unit variance over its channels."""
        # Layer norm over the last axis of a channels-last view is one fused kernel.
        last = x.permute(0, 2, 3, 1)
        return F.layer_norm(last, last.shape[-1:], eps=self.epsilon).permute(0, 3, 1, 2)


def plain_norm(kind: str, channels: int) -> nn.Module:
    """Builds a norm without learned parameters.

    Args:
        kind: batch (synchronised across processes when converted by torch's SyncBatchNorm),
            instance, or position.
        channels: channels of its input.

    Returns:
        The norm.
    """
    if kind == "batch":
        return nn.BatchNorm2d(channels, affine=False)
    if kind == "instance":
        return nn.InstanceNorm2d(channels)
    return PositionalNorm()
