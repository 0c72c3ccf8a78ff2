"""The matching head: what of both sides is compared (paper 3.1)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from rabit.functional.normalise import unit_vectors
from rabit.functional.position import image_position, semantic_position
from rabit.layers.convolution import conv
from rabit.layers.recompute import recomputed
from rabit.layers.residual import Residual


def encode_position(
    kind: str, regions: Int[Tensor, "B H W"], *, components: bool = False, radius: bool = False
) -> Float[Tensor, "B P H W"] | None:
    """Returns the position channels of one side.

    Args:
        kind: semantic (a coordinate system for each region), image (one for the image) or none.
        regions: (B, H, W) region ids at the correspondence's resolution.
        components: whether a region's connected components are regions of their own (semantic).
        radius: whether the distance to the origin, sqrt(x² + y²) / sqrt(2), is a third channel.

    Returns:
        (B, 2 or 3, H, W) with x and y in [-1, 1], or None for kind none.
    """
    if kind == "none":
        return None
    if kind == "semantic":
        return semantic_position(regions, components=components, radius=radius)
    batch, height, width = regions.shape
    position = image_position((height, width), batch, regions.device, torch.float32)
    if not radius:
        return position
    distance = position.square().sum(dim=1, keepdim=True).div(2).sqrt()
    return torch.cat([position, distance], dim=1)


class MatchingHead(nn.Module):
    """Turns features, positions and condition channels into vectors to compare by cosine.

    The residual blocks are shared by both sides; the last 1x1 convolutions are not, but start
    from the same weights, so that equal regions match from the first step.

    Args:
        feature_channels: channels of x6.
        condition_channels: channels of the condition.
        position_channels: channels of the position encoding, 0 for none.
        width: channels of the residual blocks.
        blocks: number of residual blocks.
        channels: channels of the vectors compared.
    """

    def __init__(
        self,
        feature_channels: int,
        condition_channels: int,
        position_channels: int,
        width: int,
        blocks: int,
        channels: int,
    ) -> None:
        super().__init__()
        self.enter = conv(feature_channels + condition_channels + position_channels, width, 1)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(blocks)))
        self.condition_out = conv(width, channels, 1, bias=False)
        self.exemplar_out = conv(width, channels, 1, bias=False)

    def start_equal(self) -> None:
        """Gives both sides the same last weights; called once, after initialisation."""
        with torch.no_grad():
            self.exemplar_out.weight.copy_(self.condition_out.weight)

    def forward(
        self,
        features: Float[Tensor, "B C6 H W"],
        channels: Float[Tensor, "B C H W"],
        position: Float[Tensor, "B P H W"] | None,
        exemplar: bool,
    ) -> Float[Tensor, "B D H W"]:
        """Returns the vectors of one side.

        Args:
            features: (B, C6, H, W) the side's x6.
            channels: (B, C, H, W) the side's condition, nearest-resized; zeros where unknown.
            position: (B, P, H, W) the side's positions.
            exemplar: which side's last weights to use.
        """
        parts = [unit_vectors(features, dim=1), channels]
        if position is not None:
            parts.append(position)
        y = self.enter(torch.cat(parts, dim=1))
        for block in self.blocks:
            assert isinstance(block, Residual)
            y = recomputed(block, y)
        out: Tensor = self.exemplar_out(y) if exemplar else self.condition_out(y)
        return out
