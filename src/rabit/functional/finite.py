"""Features that are no numbers, or too large to be measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rabit.functional.dtype import working_dtype


def check_finite(x: Tensor, z: Tensor) -> None:
    """Checks the features of both sides; a GPU is waited for.

    Args:
        x: (B, C, ...) features of the condition, not empty.
        z: (B, C, ...) features of the exemplar, likewise.

    Raises:
        ValueError: one of them has NaN or infinite numbers, or such as whose squares overflow in
            the precision that they are computed in.
    """
    # Those come through to the extremes.
    extremes = torch.stack([each for side in (x, z) for each in side.detach().aminmax()])
    for name, features, pair in zip("xz", (x, z), extremes.view(2, 2).tolist(), strict=True):
        if not all(map(math.isfinite, pair)):
            raise ValueError(
                f"features {name} of shape {tuple(features.shape)} contain NaN or infinite "
                "numbers; look at the network or the input that made them"
            )
        # A position's numbers are at most twice as large less their mean, and there are C of them.
        limit = math.sqrt(torch.finfo(working_dtype(features)).max / features.shape[1]) / 2
        largest = max(map(abs, pair))
        if largest > limit:
            raise ValueError(
                f"features {name} of shape {tuple(features.shape)} are as large as {largest:.1e}, "
                f"expected at most {limit:.1e}, as their squares overflow; scale them, which "
                "changes no cosine"
            )


class LaterCheck:
    """Finds features that are no numbers while a GPU works on what follows.

    A GPU is asked for one number at once, and waited for only when that is looked at: by then it
    has most often come, and the GPU has not run out of work.
    """

    def __init__(self, numbers: Sequence[Tensor]) -> None:
        """Asks for the numbers' sum.

        Args:
            numbers: of one device, not finite if the features are not.
        """
        total = numbers[0].sum()
        for each in numbers[1:]:
            total = total + each.sum()
        self._total = total.to("cpu", non_blocking=True)
        self._arrived: torch.cuda.Event | None = None
        if total.is_cuda:
            self._arrived = torch.cuda.current_stream(total.device).record_event()

    def check(self, x: Tensor, z: Tensor) -> None:
        """Checks the features if the sum is no finite number.

        Args:
            x: features of the condition.
            z: features of the exemplar.

        Raises:
            ValueError: as `check_finite`.
        """
        if self._arrived is not None:
            self._arrived.synchronize()
        if not math.isfinite(self._total.item()):
            check_finite(x, z)
