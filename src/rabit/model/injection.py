"""How condition and warped exemplar guide the generator: CONFI, or concatenation (paper 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rabit.layers.convolution import conv
from rabit.layers.spade import SLOPE


class ConfidenceInjection(nn.Module):
    """Fuses condition and warped exemplar by how reliable the correspondence is (paper 3.3).

    F = X (1 - CMAP) + (T Z) CMAP after one convolution on each side; the multi-channel map
    M = sigmoid(convs(F)) then weighs both sides in every channel.

    Args:
        condition_channels: channels of the condition's features.
        warped_channels: channels of the warped exemplar's features.
        width: channels of the fused feature.
    """

    def __init__(self, condition_channels: int, warped_channels: int, width: int) -> None:
        super().__init__()
        self.channels = width
        self.condition_in = conv(condition_channels, width)
        self.warped_in = conv(warped_channels, width)
        self.weigh = nn.Sequential(
            conv(width, width),
            nn.LeakyReLU(SLOPE, inplace=True),
            conv(width, width),
            nn.Sigmoid(),
        )

    def forward(
        self,
        condition: Float[Tensor, "B X H W"],
        warped: Float[Tensor, "B Z H W"],
        confidence: Float[Tensor, "B 1 H W"],
    ) -> Float[Tensor, "B C H W"]:
        """Returns the fused feature that SPADE layers read."""
        x = self.condition_in(condition)
        difference = self.warped_in(warped) - x
        # Not torch.lerp, which takes one type only: in mixed precision the confidence is float32.
        weights = self.weigh(x + confidence * difference)
        return x + weights * difference


class ConcatInjection(nn.Module):
    """Concatenates condition and warped exemplar, as SPADE+COS in the paper's Table 6.

    Args:
        condition_channels: channels of the condition's features.
        warped_channels: channels of the warped exemplar's features.
    """

    def __init__(self, condition_channels: int, warped_channels: int) -> None:
        super().__init__()
        self.channels = condition_channels + warped_channels

    def forward(
        self,
        condition: Float[Tensor, "B X H W"],
        warped: Float[Tensor, "B Z H W"],
        confidence: Float[Tensor, "B 1 H W"],
    ) -> Float[Tensor, "B C H W"]:
        """Returns both features, one behind the other; the confidence is not used."""
        return torch.cat([condition, warped], dim=1)


def resize_guides(
    features: tuple[Tensor, Tensor, Tensor], size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns condition, warped exemplar and confidence at a resolution, by nearest neighbours."""
    x, z, confidence = (
        v if v.shape[-2:] == size else F.interpolate(v, size=size, mode="nearest") for v in features
    )
    return x, z, confidence
