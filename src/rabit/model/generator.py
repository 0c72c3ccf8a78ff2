"""The generation network: a SPADE-style generator guided at every scale (paper 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rabit.alignment.network import Alignment
from rabit.layers.convolution import conv
from rabit.layers.recompute import Recomputable, recomputed
from rabit.layers.residual import NonLocal
from rabit.layers.spade import SLOPE, SpadeResidual
from rabit.model.injection import ConcatInjection, ConfidenceInjection, resize_guides

# Which features guide the blocks at 1/32, 1/16, ... 1/1 of the image's resolution, by the
# logarithm of that factor (network table of the CoCosNet family).
SOURCES: dict[int, tuple[int, ...]] = {0: (1,), 1: (2,), 2: (3,), 3: (3,), 4: (5, 4), 5: (5,)}
ATTENTION_AT = 2


class GuidedBlock(Recomputable):
    """A SPADE residual block together with the injection that guides it.

    Args:
        source: which scale of the pyramids guides it.
        injection: fuses the condition's and the warped exemplar's features of that scale.
        block: the residual block.
    """

    def __init__(
        self, source: int, injection: ConfidenceInjection | ConcatInjection, block: SpadeResidual
    ) -> None:
        super().__init__()
        self.source = source
        self.injection = injection
        self.block = block

    def forward(self, y: Float[Tensor, "B C H W"], alignment: Alignment) -> Tensor:
        """Returns the features after the block."""
        guides = resize_guides(
            (
                alignment.condition_features.scale(self.source),
                alignment.warped_features.scale(self.source),
                alignment.confidence,
            ),
            (y.shape[-2], y.shape[-1]),
        )
        out: Tensor = self.block(y, self.injection(*guides))
        return out


class Generator(nn.Module):
    """Turns an alignment into an image.

    Args:
        stem: convolution over condition and warped exemplar at the coarsest resolution.
        stages: guided blocks of each resolution, coarsest first.
        attention: non-local block at a quarter of the image's resolution, or an identity.
        last: convolution to RGB.
    """

    def __init__(
        self, stem: nn.Module, stages: nn.ModuleList, attention: nn.Module, last: nn.Module
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.attention = attention
        self.last = last

    def forward(self, alignment: Alignment) -> Float[Tensor, "B 3 H W"]:
        """Returns images in [-1, 1] of the condition's size."""
        height, width = alignment.condition_features.x1.shape[-2:]
        x = alignment.condition_features.x5
        y = torch.cat([x, alignment.warped_features.x5], dim=1)
        for index, stage in enumerate(self.stages):
            level = len(self.stages) - 1 - index
            y = F.interpolate(y, size=(height >> level, width >> level), mode="nearest")
            if index == 0:
                y = self.stem(y)
            assert isinstance(stage, nn.ModuleList)
            for block in stage:
                y = recomputed(block, y, alignment)
            if level == ATTENTION_AT:
                y = self.attention(y)
        # In place: nothing else reads the last block's features.
        return torch.tanh(self.last(F.leaky_relu(y, SLOPE, inplace=True)))


def build_generator(
    condition_channels: int,
    feature_widths: tuple[int, int, int, int, int, int],
    widths: tuple[int, ...],
    stem: int,
    hidden: int,
    injection: str,
    injection_width: int,
    norm: str,
    attention: bool,
    shortcut: str = "plain",
) -> Generator:
    """Builds the generator from its numbers.

    Args:
        condition_channels: channels of the condition.
        feature_widths: widths of the feature extractors.
        widths: channels of each resolution, coarsest first; five or six.
        stem: channels of the stem.
        hidden: channels inside each SPADE layer.
        injection: confi or concat.
        injection_width: channels of the fused feature (confi).
        norm: kind of the parameter-free norm.
        attention: whether the non-local block is there.
        shortcut: of the residual blocks, see `SpadeResidual`.

    Returns:
        The generator, its weights not yet initialised.
    """
    w2, w3, w4, w5 = feature_widths[1:5]
    sides = {1: (condition_channels, 3), 2: (w2, w2), 3: (w3, w3), 4: (w4, w4), 5: (w5, w5)}

    def guided(source: int, channels_in: int, channels_out: int) -> GuidedBlock:
        x, z = sides[source]
        fuse = (
            ConfidenceInjection(x, z, injection_width)
            if injection == "confi"
            else ConcatInjection(x, z)
        )
        sizes = (channels_in, channels_out, fuse.channels, hidden)
        block = SpadeResidual(*sizes, norm, shortcut=shortcut)
        return GuidedBlock(source, fuse, block)

    stages = nn.ModuleList()
    channels = stem
    for index, width in enumerate(widths):
        level = len(widths) - 1 - index
        stage = nn.ModuleList()
        for source in SOURCES[level]:
            stage.append(guided(source, channels, width))
            channels = width
        stages.append(stage)
    at = widths[len(widths) - 1 - ATTENTION_AT]
    return Generator(
        stem=conv(2 * w5, stem),
        stages=stages,
        attention=NonLocal(at) if attention else nn.Identity(),
        last=conv(channels, 3),
    )
