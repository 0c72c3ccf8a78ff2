"""Refinement of PatchMatch's matches by a convolutional GRU (CoCosNet v2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rabit.layers.convolution import conv


@dataclass(frozen=True)
class Refinement:
    """What the refiner gives for one level.

    Args:
        hidden: (B, D, H, W) state, for the next finer level.
        change: (B, H, W, K, 2) (down, right) that each match moves by, in exemplar positions.
    """

    hidden: Float[Tensor, "B D H W"]
    change: Float[Tensor, "B H W K 2"]


class PatchMatchRefiner(nn.Module):
    """Reads the best match of each position and its neighbours, and moves all K a little.

    Its state begins as a function of the coarsest level's features, not as zeros, so that every
    gate works from the first level on, which may be the only one.

    Args:
        channels: of the features.
        candidates: K, matches of a position.
        width: D, channels of the state and of the features' projection.
        reach: largest change on an axis, in exemplar positions.
    """

    def __init__(self, channels: int, candidates: int, width: int, reach: float) -> None:
        super().__init__()
        self.candidates = candidates
        self.reach = reach
        self.project = conv(channels, width, 1)
        self.gates = conv(2 * width + 3, 2 * width)
        self.proposal = conv(2 * width + 3, width)
        self.change = conv(width, 2 * candidates)

    def start_still(self) -> None:
        """Makes the changes small at first, not 0; called once, after initialisation."""
        nn.init.xavier_normal_(self.change.weight, gain=0.01)
        assert self.change.bias is not None
        nn.init.zeros_(self.change.bias)

    def forward(
        self,
        features: Float[Tensor, "B C H W"],
        offset: Float[Tensor, "B 2 H W"],
        score: Float[Tensor, "B 1 H W"],
        hidden: Float[Tensor, "B D h w"] | None,
    ) -> Refinement:
        """Updates the state and predicts the changes.

        Args:
            features: (B, C, H, W) of the condition.
            offset: (B, 2, H, W) from each position to its best match, (down, right), in shares of
                the maps, within (-1, 1).
            score: (B, 1, H, W) of the best match, a cosine.
            hidden: (B, D, h, w) state of the coarser level; None at the coarsest.

        Returns:
            The new state and the changes, of the weights' dtype.
        """
        projected = torch.tanh(self.project(features.to(self.project.weight.dtype)))
        size = (features.shape[2], features.shape[3])
        state = projected if hidden is None else F.interpolate(hidden, size=size, mode="nearest")
        inputs = torch.cat([projected, offset.to(projected), score.to(projected)], dim=1)
        gates = torch.sigmoid(self.gates(torch.cat([state, inputs], dim=1)))
        reset, update = gates.chunk(2, dim=1)
        proposal = torch.tanh(self.proposal(torch.cat([reset * state, inputs], dim=1)))
        state = torch.lerp(state, proposal, update)
        change = self.reach * torch.tanh(self.change(state))
        change = change.unflatten(1, (self.candidates, 2)).permute(0, 3, 4, 1, 2)
        return Refinement(hidden=state, change=change)
