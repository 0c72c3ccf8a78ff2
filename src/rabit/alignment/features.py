"""The feature extractors F_X and F_Z of the alignment network (paper 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rabit.layers.convolution import conv
from rabit.layers.normalisation import InstanceNorm
from rabit.layers.recompute import recomputed
from rabit.layers.residual import NonLocal
from rabit.layers.spade import SLOPE, SpadeResidual


@dataclass(frozen=True)
class FeaturePyramid:
    """Features of one side at every scale that is matched, warped or injected.

    Args:
        x1: (B, C1, H, W) the extractor's own input.
        x2: (B, C2, H/2, W/2).
        x3: (B, C3, H/2, W/2).
        x4: (B, C4, H/4, W/4).
        x5: (B, C5, H/4, W/4).
        x6: (B, C6, H/2, W/2), what the matching head reads; None where nothing is matched or
            the pyramid is warped.
    """

    x1: Float[Tensor, "B C1 H W"]
    x2: Float[Tensor, "B C2 H2 W2"]
    x3: Float[Tensor, "B C3 H2 W2"]
    x4: Float[Tensor, "B C4 H4 W4"]
    x5: Float[Tensor, "B C5 H4 W4"]
    x6: Float[Tensor, "B C6 H2 W2"] | None = None

    def scale(self, index: int) -> Tensor:
        """Returns the features x1 to x5 by their number."""
        return (self.x1, self.x2, self.x3, self.x4, self.x5)[index - 1]


class FeatureExtractor(nn.Module):
    """Multi-scale features of a condition (F_X) or an exemplar (F_Z).

    Spectral-norm convolutions with instance norm, then SPADE residual blocks guided by the
    extractor's own input.

    Args:
        channels: channels of the input.
        widths: channels of the first convolution and of x2, x3, x4, x5 and x6.
        hidden: channels inside each SPADE layer.
        norm: kind of the parameter-free norm inside the SPADE layers.
        match: whether x6, which only the matching head reads, is computed.
        attention: whether x4 goes through a non-local block on its way to x5.
        shortcut: of the residual blocks, see `SpadeResidual`.
        last_norm: whether x6's own convolution has spectral and instance norm as the first five do.
    """

    def __init__(
        self,
        channels: int,
        widths: tuple[int, int, int, int, int, int],
        hidden: int,
        norm: str,
        match: bool,
        attention: bool = False,
        shortcut: str = "plain",
        last_norm: bool = False,
    ) -> None:
        super().__init__()
        w1, w2, w3, w4, w5, w6 = widths

        def step(sides: tuple[int, int], stride: int = 1, dilation: int = 1) -> nn.Sequential:
            layer = conv(*sides, stride=stride, dilation=dilation, bias=False, spectral_weight=True)
            return nn.Sequential(layer, InstanceNorm())

        def block(channels_in: int, channels_out: int, dilation: int = 1) -> SpadeResidual:
            sizes = (channels_in, channels_out, channels, hidden)
            return SpadeResidual(*sizes, norm, dilation, shortcut)

        self.step1 = step((channels, w1))
        self.step2 = step((w1, w2), stride=2)
        self.step3 = step((w2, w3))
        self.step4 = step((w3, w4), stride=2)
        self.step5 = step((w4, w4))
        self.block4 = block(w4, w4)
        self.attention = NonLocal(w4) if attention else nn.Identity()
        self.block5 = nn.ModuleList([block(w4, w4), block(w4, w5)])
        self.block6 = block(w5, w6, dilation=4) if match else None
        self.last = None
        if match:
            self.last = step((w6, w6), dilation=2) if last_norm else conv(w6, w6, dilation=2)

    def forward(self, x: Float[Tensor, "B C H W"]) -> FeaturePyramid:
        """Returns the pyramid of an input whose sides are multiples of 4."""
        x2 = self.step2(F.leaky_relu(self.step1(x), SLOPE))
        x3 = self.step3(F.leaky_relu(x2, SLOPE))
        y = self.step4(F.leaky_relu(x3, SLOPE))
        y = self.step5(F.leaky_relu(y, SLOPE))
        x4 = recomputed(self.block4, y, x)
        x5 = self.attention(x4)
        for block in self.block5:
            x5 = recomputed(block, x5, x)
        x6 = None
        if self.block6 is not None and self.last is not None:
            up = F.interpolate(x5, size=x3.shape[-2:], mode="bilinear", align_corners=False)
            x6 = self.last(recomputed(self.block6, up, x))
        return FeaturePyramid(x1=x, x2=x2, x3=x3, x4=x4, x5=x5, x6=x6)
