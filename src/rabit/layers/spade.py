"""Spatially-adaptive normalisation: SPADE layers and the residual block made of them."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rabit.layers.convolution import conv
from rabit.layers.normalisation import plain_norm
from rabit.layers.recompute import Recomputable

SLOPE = 0.2


class Spade(nn.Module):
    """Normalises features, then scales and shifts each position by what a guide says there.

    Args:
        channels: channels of the features.
        guide_channels: channels of the guide.
        hidden: channels between the guide and the modulation.
        norm: kind of the parameter-free norm.
    """

    def __init__(self, channels: int, guide_channels: int, hidden: int, norm: str) -> None:
        super().__init__()
        self.norm = plain_norm(norm, channels)
        self.shared = conv(guide_channels, hidden)
        # gamma and beta in one convolution: half the calls, the same weights.
        self.modulation = conv(hidden, 2 * channels)

    def forward(
        self, x: Float[Tensor, "B C H W"], guide: Float[Tensor, "B G H W"]
    ) -> Float[Tensor, "B C H W"]:
        """Returns norm(x) * (1 + gamma(guide)) + beta(guide)."""
        gamma, beta = self.modulation(F.relu(self.shared(guide))).chunk(2, dim=1)
        return torch.addcmul(beta, self.norm(x), 1 + gamma)


class SpadeResidual(Recomputable):
    """Residual block of two SPADE layers and spectral-norm convolutions.

    Args:
        channels_in: input channels.
        channels_out: output channels; a 1x1 shortcut is learned where they differ.
        guide_channels: channels of the guide.
        hidden: channels inside each SPADE layer.
        norm: kind of the parameter-free norms.
        dilation: spacing of the 3x3 convolutions' taps.
        shortcut: "spade" has a SPADE layer in front of a learned shortcut, as in SPADE; "plain" has
            none.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        guide_channels: int,
        hidden: int,
        norm: str,
        dilation: int = 1,
        shortcut: str = "plain",
    ) -> None:
        super().__init__()
        middle = min(channels_in, channels_out)
        self.spade_in = Spade(channels_in, guide_channels, hidden, norm)
        self.spade_out = Spade(middle, guide_channels, hidden, norm)
        # No bias in front of a norm that would remove it.
        step = partial(conv, dilation=dilation, spectral_weight=True, padding_mode="reflect")
        self.conv_in = step(channels_in, middle, bias=False)
        self.conv_out = step(middle, channels_out)
        self.shortcut = (
            conv(channels_in, channels_out, 1, bias=False, spectral_weight=True)
            if channels_in != channels_out
            else nn.Identity()
        )
        self.spade_shortcut = None
        if shortcut == "spade" and channels_in != channels_out:
            self.spade_shortcut = Spade(channels_in, guide_channels, hidden, norm)

    def forward(
        self, x: Float[Tensor, "B C H W"], guide: Float[Tensor, "B G h w"]
    ) -> Float[Tensor, "B D H W"]:
        """Returns the features after the block; the guide is resized (nearest) to them."""
        if guide.shape[-2:] != x.shape[-2:]:
            guide = F.interpolate(guide, size=x.shape[-2:], mode="nearest")
        y = self.conv_in(self.spade_in(x, guide), SLOPE)
        y = self.conv_out(self.spade_out(y, guide), SLOPE)
        if self.spade_shortcut is not None:
            x = self.spade_shortcut(x, guide)
        return self.shortcut(x) + y
