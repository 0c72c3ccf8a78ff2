"""A built correspondence: what every alignment method returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rabit.alignment.products import gather_product, scatter_product
from rabit.functional.blocks import from_blocks, to_blocks

# An exemplar position that receives less than this share of one query position is not reached.
LEAST_MASS = 1e-3


@dataclass(frozen=True)
class WarpedBack:
    """Values carried from the condition back to the exemplar.

    Args:
        values: (B, C, Hz, Wz) averages of what each position receives; 0 where nothing arrives.
        received: (B, 1, Hz, Wz) whether the position receives mass.
    """

    values: Float[Tensor, "B C Hz Wz"]
    received: Bool[Tensor, "B 1 Hz Wz"]


@dataclass(frozen=True)
class Correspondence:
    """Which exemplar positions each position of the condition's feature map looks at.

    The matrix T (H W rows, Hz Wz columns) is kept as its non-zero weights: row block n is
    non-zero in the k exemplar blocks indices[n]. A dense correspondence is one block a side.

    Args:
        weights: (B, N, b, k c) non-negative, each row of sum 1; candidates block by block.
        indices: (B, N, k) exemplar blocks, row-major, best first.
        peak: (B, 1, H / h, W / w) best cosine of each query block or position, in [-1, 1].
        size: (H, W) of the condition's feature map.
        exemplar_size: (Hz, Wz) of the exemplar's feature map.
        block: (height, width) of the query blocks in positions, b = height * width.
        exemplar_block: (height, width) of the exemplar blocks, c = height * width.
        mass: (B, N, k) mass of the retrieved blocks in (0, 1]; None without a ranking.
        threshold: (B, N) of the ranking, in cosine units; None without a ranking.
        residual: (B, N) |sum p - k| of the ranking; None without a ranking.
    """

    weights: Float[Tensor, "B N b k*c"]
    indices: Int[Tensor, "B N k"]
    peak: Float[Tensor, "B 1 h w"]
    size: tuple[int, int]
    exemplar_size: tuple[int, int]
    block: tuple[int, int]
    exemplar_block: tuple[int, int]
    mass: Float[Tensor, "B N k"] | None = None
    threshold: Float[Tensor, "B N"] | None = None
    residual: Float[Tensor, "B N"] | None = None

    @property
    def confidence(self) -> Float[Tensor, "B 1 H W"]:
        """The peak clamped to [0, 1], repeated to the size of the condition's feature map."""
        peak = self.peak.clamp(0, 1)
        height, width = self.size
        peak = peak.repeat_interleave(height // peak.shape[2], dim=2)
        return peak.repeat_interleave(width // peak.shape[3], dim=3)

    def warp(
        self, values: Float[Tensor, "B C Hz Wz"], chunk: int | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Carries values from the exemplar to the condition: T V.

        Args:
            values: (B, C, Hz, Wz) values at the exemplar's positions, any channels.
            chunk: query blocks at a time; chosen from the sizes if None.

        Returns:
            (B, C, H, W) weighted sums; differentiable in the values and the weights.

        Raises:
            ValueError: the values are not of the exemplar's feature size.
        """
        self._check(values, self.exemplar_size, "warp", "exemplar")
        with torch.autocast(values.device.type, enabled=False):
            blocks = to_blocks(values, self.exemplar_block)
            warped = gather_product(self.weights, blocks, self.indices, chunk)
        return from_blocks(warped, self.size, self.block)

    def warp_back(self, values: Float[Tensor, "B C H W"], chunk: int | None = None) -> WarpedBack:
        """Carries values from the condition to the exemplar: transposed T times V, averaged.

        Rows of transposed T are divided by the mass they receive.

        Args:
            values: (B, C, H, W) values at the condition's positions, any channels.
            chunk: query blocks at a time; chosen from the sizes if None.

        Returns:
            The averages and where anything was received; differentiable in the values and the
            weights.

        Raises:
            ValueError: the values are not of the condition's feature size.
        """
        self._check(values, self.size, "warp back", "condition")
        count = self._exemplar_blocks
        with torch.autocast(values.device.type, enabled=False):
            blocks = to_blocks(values, self.block)
            ones = torch.ones_like(blocks[..., :1])
            sums = scatter_product(
                self.weights, torch.cat([blocks, ones], dim=-1), self.indices, count, chunk
            )
        received = sums[..., -1:] >= LEAST_MASS
        averages = sums[..., :-1] / sums[..., -1:].clamp(min=LEAST_MASS)
        averages = averages.masked_fill(~received, 0)
        return WarpedBack(
            values=from_blocks(averages, self.exemplar_size, self.exemplar_block),
            received=from_blocks(received, self.exemplar_size, self.exemplar_block),
        )

    def matches(self) -> Float[Tensor, "B H W 2"]:
        """Returns the (x, y) of the exemplar position with the largest weight, in its positions.

        Pixel centres are integers, the origin is top-left; no gradient flows.
        """
        inside = self.exemplar_block[0] * self.exemplar_block[1]
        candidate = self.weights.argmax(-1)
        block = self.indices.gather(2, candidate // inside)
        across = self.exemplar_size[1] // self.exemplar_block[1]
        offset = candidate % inside
        height, width = self.exemplar_block
        x = block % across * width + offset % width
        y = torch.div(block, across, rounding_mode="floor") * height + offset // width
        grid = from_blocks(torch.stack([x, y], dim=-1), self.size, self.block)
        return grid.permute(0, 2, 3, 1).to(self.weights.dtype)

    def detach(self) -> Correspondence:
        """Returns the same correspondence without its graph."""
        return self._each(Tensor.detach)

    def __getitem__(self, rows: slice) -> Correspondence:
        """Returns the correspondences of some rows of the batch."""
        return self._each(lambda value: value[rows])

    @property
    def _exemplar_blocks(self) -> int:
        (height, width), (bh, bw) = self.exemplar_size, self.exemplar_block
        return (height // bh) * (width // bw)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Correspondence:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        changed: dict[str, Any] = {
            name: change(value) for name, value in values.items() if isinstance(value, Tensor)
        }
        return replace(self, **changed)

    def _check(self, values: Tensor, size: tuple[int, int], verb: str, side: str) -> None:
        expected = (len(self.weights), *size)
        if values.ndim != 4 or (len(values), *values.shape[2:]) != expected:
            raise ValueError(
                f"cannot {verb} values of shape {tuple(values.shape)}, expected (B, C, H, W) with "
                f"B = {expected[0]}, H = {size[0]}, W = {size[1]} of the {side}'s features; "
                "resize them first"
            )
        if not values.is_floating_point():
            raise ValueError(f"cannot {verb} {values.dtype} values, expected floating-point ones")
