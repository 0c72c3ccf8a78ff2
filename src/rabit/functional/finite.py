"""Features that are no numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def check_finite(x: Tensor, z: Tensor) -> None:
    """Checks the features of both sides; a GPU is waited for.

    Args:
        x: features of the condition, any shape but empty.
        z: features of the exemplar, likewise.

    Raises:
        ValueError: one of them has NaN or infinite numbers.
    """
    # Those come through to the extremes.
    extremes = torch.stack([each for side in (x, z) for each in side.detach().aminmax()])
    for name, features, pair in zip("xz", (x, z), extremes.view(2, 2).tolist(), strict=True):
        if not all(map(math.isfinite, pair)):
            raise ValueError(
                f"features {name} of shape {tuple(features.shape)} contain NaN or infinite "
                "numbers; look at the network or the input that made them"
            )
