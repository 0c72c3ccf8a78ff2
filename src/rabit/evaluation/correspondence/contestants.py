"""The correspondences that are compared, and the attention a user would reach for instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rabit.alignment import Correspondence, correspond
from rabit.functional.normalise import unit_features

ATTENTION = "attention"
TEMPERATURE = 0.01


@dataclass(frozen=True)
class Contestant:
    """A way to carry values from an exemplar to a condition.

    Args:
        name: what tables and charts call it.
        method: of `rabit.alignment.correspond`, or ATTENTION for scaled_dot_product_attention.
        options: of the method.
    """

    name: str
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def correspond(self, x: Tensor, z: Tensor) -> Correspondence:
        """Returns the correspondence; ATTENTION has none."""
        return correspond(x, z, self.method, **self.options)

    def warp(
        self,
        x: Float[Tensor, "B C H W"],
        z: Float[Tensor, "B C Hz Wz"],
        values: Float[Tensor, "B V Hz Wz"],
    ) -> Float[Tensor, "B V H W"]:
        """Returns the values carried to the condition, from features to the warped values."""
        if self.method == ATTENTION:
            return attention_warp(x, z, values)
        return self.correspond(x, z).warp(values)

    def misfit(self, side: int) -> str:
        """Says why maps of a side have no blocks of this contestant; nothing if they have."""
        fits = side >= self.block and side % self.block == 0
        return "" if fits else f"blocks of {self.block}×{self.block} do not fit"

    @property
    def block(self) -> int:
        """Side of the largest block, which a map's side must be a multiple of."""
        return max((self.options.get("block", 2), *self.options.get("coarse", ())))

    def operations(self, side: int, channels: int, width: int) -> float | None:
        """Returns the operations of the forward pass's matrix products between square maps.

        Args:
            side: of both maps, in positions.
            channels: of the features.
            width: channels of the values.

        Returns:
            Twice the multiplications; None for methods that are no matrix product.
        """
        positions = side * side
        if self.method in (ATTENTION, "dense", "dense-stored"):
            return 2.0 * positions**2 * (channels + width)
        if self.method != "ranking":
            return None
        block, k = self.options.get("block", 2), self.options.get("k", 3)
        sides = (*self.options.get("coarse", ()), block)
        mean = self.options.get("descriptor", "concat") == "mean"
        widths = [channels] * len(sides)
        if not mean:
            widths[-1] *= block * block
        competing = positions // sides[0] ** 2
        keys = (side - block + 1) ** 2 if self.options.get("overlap", False) else competing
        if shortlist := self.options.get("shortlist", 0):
            total = 2.0 * competing * (keys * channels + min(shortlist, keys) * widths[0])
        else:
            total = 2.0 * competing * keys * widths[0]
        for level, (large, small) in enumerate(pairwise(sides), start=1):
            retrieved = min(self.options.get("coarse_k", 16), competing)
            competing = retrieved * (large // small) ** 2
            total += 2.0 * (positions // small**2) * competing * widths[level]
        seen = k * (block + 2 * self.options.get("border", 0)) ** 2
        return total + 2.0 * positions * seen * (channels + width)


def attention_warp(
    x: Float[Tensor, "B C H W"], z: Float[Tensor, "B C Hz Wz"], values: Float[Tensor, "B V Hz Wz"]
) -> Float[Tensor, "B V H W"]:
    """Dense correspondence by torch's scaled_dot_product_attention.

    Its memory-linear kernel wants values as wide as the features, so they are padded.
    """
    queries, keys = (
        unit_features(side).flatten(2).transpose(1, 2)[:, None].contiguous() for side in (x, z)
    )
    rows = values.flatten(2).transpose(1, 2)[:, None].contiguous()
    padded = F.pad(rows, (0, max(0, queries.shape[-1] - rows.shape[-1])))
    warped = F.scaled_dot_product_attention(queries, keys, padded, scale=1 / TEMPERATURE)
    out = warped[:, 0, :, : values.shape[1]].transpose(1, 2)
    return out.reshape(len(x), values.shape[1], *x.shape[2:])


def contestants(quick: bool = False) -> tuple[Contestant, ...]:
    """What is compared: dense forms, the peers' methods, and the ranking in its variants.

    The rows of the paper's Table 7 are among them: dense (CoCosNet), patchmatch (CoCosNet v2), and
    the ranking with k = 1, 2, 3 and blocks of b = 64, 16, 4 positions.

    Args:
        quick: only one ranking of each kind, and neither transport nor a matrix that is stored.
    """
    few = (
        Contestant("scaled_dot_product_attention", ATTENTION),
        Contestant("dense", "dense"),
        Contestant("patchmatch", "patchmatch"),
        Contestant("ranking, k = 3, b = 4", "ranking"),
        Contestant("ranking, mean descriptor", "ranking", {"descriptor": "mean"}),
        Contestant("ranking, border 1", "ranking", {"border": 1}),
        Contestant("ranking, 3 levels", "ranking", {"coarse": (16,)}),
    )
    if quick:
        return few
    overlapping = (
        Contestant("ranking, overlap", "ranking", {"overlap": True}),
        Contestant("ranking, overlap, shortlist", "ranking", {"overlap": True, "shortlist": 16}),
    )
    variants = ((2, 2), (1, 2), (1, 4), (1, 8))
    ranked = (
        Contestant(f"ranking, k = {k}, b = {side * side}", "ranking", {"k": k, "block": side})
        for k, side in variants
    )
    slow = (Contestant("dense, stored", "dense-stored"), Contestant("transport", "transport"))
    levels = Contestant("ranking, 4 levels", "ranking", {"coarse": (16, 4)})
    return (*few, *slow, *overlapping, levels, *ranked)
