"""Feature maps whose true correspondence is known at every size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

OCTAVES = 5
NOISE = 0.5


@dataclass(frozen=True)
class Field:
    """Features of two sides and where each position of the condition comes from.

    Args:
        x: (1, C, S, S) the condition's features.
        z: (1, C, S, S) the exemplar's features.
        truth: (S, S, 2) the exemplar position (x, y) whose features, with noise, x has.
    """

    x: Float[Tensor, "1 C S S"]
    z: Float[Tensor, "1 C S S"]
    truth: Float[Tensor, "S S 2"]


def known_field(side: int, channels: int, seed: int = 0) -> Field:
    """Draws an exemplar of smooth random features and a condition that is a distorted copy.

    The exemplar is white noise of five scales added up, each twice as coarse as the one before and
    of the same deviation, so that near positions are alike as in a photograph. The condition shows
    it turned by 20 degrees about the centre and 10 % smaller, by nearest positions, plus white
    noise of half its deviation.

    Args:
        side: of both maps, in positions.
        channels: of the features.
        seed: of what is drawn.
    """
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(1, channels, side, side, generator=generator)
    for octave in range(1, OCTAVES):
        coarse = max(1, side >> octave)
        noise = torch.randn(1, channels, coarse, coarse, generator=generator)
        z += F.interpolate(noise, size=(side, side), mode="bilinear", align_corners=False)
    z /= z.std()
    centre = (side - 1) / 2
    angle = torch.tensor(torch.pi / 9)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    across, down = (columns - centre) * 0.9, (rows - centre) * 0.9
    places = torch.stack(
        [
            across * angle.cos() - down * angle.sin() + centre,
            across * angle.sin() + down * angle.cos() + centre,
        ],
        dim=-1,
    )
    truth = places.round().clamp(0, side - 1)
    index = (truth[..., 1] * side + truth[..., 0]).long().flatten()
    x = z.flatten(2)[..., index].view_as(z)
    x.add_(torch.randn(x.shape, generator=generator), alpha=NOISE)
    return Field(x=x, z=z, truth=truth)


def share_within(
    matches: Float[Tensor, "S S 2"], truth: Float[Tensor, "S S 2"], distance: float
) -> float:
    """Returns the share of positions matched within a distance of the truth, in positions."""
    off = (matches.to(truth) - truth).norm(dim=-1)
    return float((off <= distance).double().mean())
