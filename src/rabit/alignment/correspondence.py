"""A built correspondence: what every alignment method returns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rabit.alignment.matrix import Matrix, each_tensor
from rabit.alignment.options import check_chunk
from rabit.functional.dtype import working_dtype

# An exemplar position that receives less than this share of one query position is not reached.
LEAST_MASS = 1e-3


@dataclass(frozen=True, eq=False)
class WarpedBack:
    """Values carried from the condition back to the exemplar.

    Args:
        values: (B, C, Hz, Wz) averages of what each position receives; 0 where nothing arrives.
        received: (B, 1, Hz, Wz) whether the position receives mass.
    """

    values: Float[Tensor, "B C Hz Wz"]
    received: Bool[Tensor, "B 1 Hz Wz"]


@dataclass(frozen=True, eq=False)
class Correspondence:
    """Which exemplar positions each position of the condition's feature map looks at.

    Args:
        matrix: T, from the exemplar's positions to the condition's.
        mass: (B, N, k) mass of the retrieved blocks in (0, 1]; None without a ranking.
        threshold: (B, N) of the ranking, in cosine units; None without a ranking.
        residual: (B, N) |sum p - k| of the ranking, or (B, 1) the error of transport's column sums
            in the 1-norm, of a total of 1; None for other methods.
    """

    matrix: Matrix
    mass: Float[Tensor, "B N k"] | None = None
    threshold: Float[Tensor, "B N"] | None = None
    residual: Float[Tensor, "B N"] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the condition's feature map."""
        return self.matrix.size

    @property
    def exemplar_size(self) -> tuple[int, int]:
        """(Hz, Wz) of the exemplar's feature map."""
        return self.matrix.exemplar_size

    @property
    def peak(self) -> Float[Tensor, "B 1 h w"]:
        """Best cosine of each query block or position, in [-1, 1] up to rounding."""
        return self.matrix.peak()

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
            ValueError: the values are not of the exemplar's feature size, or the chunk is no whole
                number of at least 1.
        """
        self._check(values, self.exemplar_size, "warp", "exemplar")
        check_chunk(chunk)
        with torch.autocast(values.device.type, enabled=False):
            return self.matrix.gather(values, chunk)

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
            ValueError: the values are not of the condition's feature size, or the chunk is no
                whole number of at least 1.
        """
        self._check(values, self.size, "warp back", "condition")
        check_chunk(chunk)
        # What many positions send to one sums to more than half precision can hold.
        wide = values.to(working_dtype(values))
        with torch.autocast(values.device.type, enabled=False):
            sums = self.matrix.scatter(torch.cat([wide, torch.ones_like(wide[:, :1])], 1), chunk)
        received = sums[:, -1:] >= LEAST_MASS
        averages = (sums[:, :-1] / sums[:, -1:].clamp(min=LEAST_MASS)).to(values.dtype)
        return WarpedBack(values=averages.masked_fill(~received, 0), received=received)

    def matches(self) -> Float[Tensor, "B H W 2"]:
        """Returns the (x, y) of the exemplar position with the largest weight, in its positions.

        Pixel centres are integers, the origin is top-left; no gradient flows.
        """
        best, width = self.matrix.best(), self.exemplar_size[1]
        places = torch.stack([best % width, best // width], dim=-1)
        return places.to(working_dtype(self.peak))

    def to(self, device: torch.device | str) -> Correspondence:
        """Returns the same correspondence on another device.

        Raises:
            ValueError: it is a dtype, in which places of the exemplar would have no exact number.
        """
        if isinstance(device, torch.dtype):
            raise ValueError(f"{device} is no device; a correspondence keeps its types")
        return each_tensor(self, lambda value: value.to(device))

    def __repr__(self) -> str:
        """Says between what it is, without the numbers of all positions."""
        (height, width), (rows, columns) = self.size, self.exemplar_size
        return (
            f"Correspondence(batch of {self.matrix.batch}, from {rows}×{columns} positions of the "
            f"exemplar to {height}×{width}, height × width)"
        )

    def detach(self) -> Correspondence:
        """Returns the same correspondence without its graph."""
        return each_tensor(self, Tensor.detach)

    def __getitem__(self, rows: slice) -> Correspondence:
        """Returns the correspondences of some rows of the batch.

        Raises:
            ValueError: the rows are not given as a slice.
        """
        if not isinstance(rows, slice):
            raise ValueError(
                f"rows of the batch are {rows!r}, expected a slice such as [0:1]: the batch stays"
            )
        return each_tensor(self, lambda value: value[rows])

    def _check(self, values: Tensor, size: tuple[int, int], verb: str, side: str) -> None:
        expected = (self.matrix.batch, *size)
        if not isinstance(values, Tensor):
            raise ValueError(f"cannot {verb} a {type(values).__name__}, expected a tensor")
        if values.ndim != 4 or (len(values), *values.shape[2:]) != expected:
            raise ValueError(
                f"cannot {verb} values of shape {tuple(values.shape)}, expected (B, C, H, W) with "
                f"B = {expected[0]}, H = {size[0]}, W = {size[1]} of the {side}'s features; "
                "resize them first"
            )
        if not values.is_floating_point():
            raise ValueError(f"cannot {verb} {values.dtype} values, expected floating-point ones")
