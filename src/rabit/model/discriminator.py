"""The discriminator: patches judged at several scales, given the condition."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rabit.config import smallest_side
from rabit.layers.convolution import spectral
from rabit.layers.recompute import Recomputable, recomputed
from rabit.layers.residual import NonLocal
from rabit.layers.spade import SLOPE


@dataclass(frozen=True)
class Judgement:
    """What one scale's discriminator says.

    Args:
        scores: (B, 1, h, w) one score a patch, higher for real.
        features: the activations in front, which feature matching compares.
    """

    scores: Float[Tensor, "B 1 h w"]
    features: tuple[Tensor, ...]


class PatchDiscriminator(Recomputable):
    """Judges overlapping patches of an image with its condition.

    Args:
        channels: channels of condition and image together.
        widths: channels of its four layers.
        attention: whether a non-local block follows the third.
    """

    def __init__(self, channels: int, widths: tuple[int, int, int, int], attention: bool) -> None:
        super().__init__()
        w1, w2, w3, w4 = widths

        def step(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
            layer = nn.Conv2d(channels_in, channels_out, 4, stride, 1, bias=False)
            return nn.Sequential(spectral(layer), nn.InstanceNorm2d(channels_out))

        self.steps = nn.ModuleList(
            [nn.Conv2d(channels, w1, 4, 2, 1), step(w1, w2, 2), step(w2, w3, 2), step(w3, w4, 1)]
        )
        self.attention = NonLocal(w3) if attention else nn.Identity()
        # No bias: while all scores lie within the hinge, real and generated cancel in it.
        self.last = nn.Conv2d(w4, 1, 4, 1, 1, bias=False)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Judgement:
        """Returns patch scores and the features in front of them."""
        features = []
        for index, step in enumerate(self.steps):
            x = F.leaky_relu(step(x), SLOPE)
            if index == 2:
                x = self.attention(x)
            features.append(x)
        return Judgement(scores=self.last(x), features=tuple(features))


class Discriminator(nn.Module):
    """Patch discriminators at the full, half, ... resolution.

    Args:
        channels: channels of condition and image together.
        widths: channels of each discriminator's four layers.
        scales: number of discriminators.
        attention: whether each has a non-local block.
    """

    def __init__(
        self, channels: int, widths: tuple[int, int, int, int], scales: int, attention: bool
    ) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(
            PatchDiscriminator(channels, widths, attention) for _ in range(scales)
        )

    def forward(
        self, condition: Float[Tensor, "B C H W"], image: Float[Tensor, "B 3 H W"]
    ) -> tuple[Judgement, ...]:
        """Returns one judgement a scale, finest first.

        Raises:
            ValueError: the images are too small for the coarsest scale to have scores.
        """
        least = smallest_side(len(self.discriminators))
        if min(image.shape[-2:]) < least:
            raise ValueError(
                f"images of {image.shape[-2]}x{image.shape[-1]} are too small for "
                f"{len(self.discriminators)} scales of the discriminator, which need sides of "
                f"{least}: take larger ones, or fewer scales"
            )
        x = torch.cat([condition, image], dim=1)
        judgements = []
        for index, discriminator in enumerate(self.discriminators):
            if index:
                x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            judgements.append(recomputed(discriminator, x))
        return tuple(judgements)
