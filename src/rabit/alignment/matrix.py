"""The correspondence matrix T: what carries values from the exemplar to the condition.

T has a row for each of the condition's H W positions and a column for each of the exemplar's
Hz Wz; rows are non-negative and sum to 1. How much of it is ever in memory is each form's affair.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.alignment.fused import can_fuse_blocks, carry
from rabit.alignment.products import gather_product, scatter_product
from rabit.functional.blocks import from_blocks, to_blocks

Record = TypeVar("Record", bound=Any)


@dataclass(frozen=True)
class Matrix(ABC):
    """A correspondence matrix of any form.

    Args:
        size: (H, W) of the condition's feature map, the rows.
        exemplar_size: (Hz, Wz) of the exemplar's feature map, the columns.
    """

    size: tuple[int, int]
    exemplar_size: tuple[int, int]

    @property
    @abstractmethod
    def batch(self) -> int:
        """B, the number of images."""

    @abstractmethod
    def gather(
        self, values: Float[Tensor, "B C Hz Wz"], chunk: int | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Returns T V, differentiable in the values and in what T is made of."""

    @abstractmethod
    def scatter(
        self, values: Float[Tensor, "B C H W"], chunk: int | None = None
    ) -> Float[Tensor, "B C Hz Wz"]:
        """Returns transposed T times V, differentiable like `gather`."""

    @abstractmethod
    def best(self) -> Int[Tensor, "B H W"]:
        """Returns the exemplar position, row-major, with the largest weight of each row."""

    @abstractmethod
    def peak(self) -> Float[Tensor, "B 1 h w"]:
        """Returns the best cosine of each row or row block, in [-1, 1], differentiable."""


@dataclass(frozen=True)
class BlockMatrix(Matrix):
    """Block-sparse: row block n is non-zero in the k exemplar blocks indices[n].

    A dense matrix is one block a side, a list of single positions is blocks of 1x1.

    Args:
        weights: (B, N, b, k c) non-negative, each row of sum 1; candidates block by block.
        indices: (B, N, k) exemplar blocks, row-major; best first for a ranking.
        block: (height, width) of the query blocks in positions, b = height * width.
        exemplar_block: (height, width) of the exemplar blocks, c = height * width.
        cosine: (B, 1, H / h, W / w) best cosine of each query block or position, in [-1, 1].
    """

    weights: Float[Tensor, "B N b k*c"]
    indices: Int[Tensor, "B N k"]
    block: tuple[int, int]
    exemplar_block: tuple[int, int]
    cosine: Float[Tensor, "B 1 h w"]

    def peak(self) -> Float[Tensor, "B 1 h w"]:
        """Returns the best cosine of each query block or position."""
        return self.cosine

    @property
    def batch(self) -> int:
        """B, the number of images."""
        return len(self.weights)

    def gather(
        self, values: Float[Tensor, "B C Hz Wz"], chunk: int | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Returns T V; `chunk` query blocks at a time, chosen from the sizes if None."""
        others, k = math.prod(self.exemplar_block), self.indices.shape[2]
        if can_fuse_blocks(math.prod(self.block), others, k, self.weights, values):
            return carry(
                self.weights, values, self.indices, self.size, self.block, self.exemplar_block
            )
        blocks = to_blocks(values, self.exemplar_block)
        warped = gather_product(self.weights, blocks, self.indices, chunk)
        return from_blocks(warped, self.size, self.block)

    def scatter(
        self, values: Float[Tensor, "B C H W"], chunk: int | None = None
    ) -> Float[Tensor, "B C Hz Wz"]:
        """Returns transposed T times V; `chunk` as for `gather`."""
        (height, width), (bh, bw) = self.exemplar_size, self.exemplar_block
        count = (height // bh) * (width // bw)
        blocks = to_blocks(values, self.block)
        sums = scatter_product(self.weights, blocks, self.indices, count, chunk)
        return from_blocks(sums, self.exemplar_size, self.exemplar_block)

    def best(self) -> Int[Tensor, "B H W"]:
        """Returns the exemplar position, row-major, with the largest weight of each row."""
        height, width = self.exemplar_block
        across = self.exemplar_size[1] // width
        candidate = self.weights.argmax(-1)
        block = self.indices.gather(2, candidate // (height * width))
        offset = candidate % (height * width)
        x = block % across * width + offset % width
        y = torch.div(block, across, rounding_mode="floor") * height + offset // width
        place = (y * self.exemplar_size[1] + x).unsqueeze(-1)
        return from_blocks(place, self.size, self.block)[:, 0]


def each_tensor(record: Record, change: Callable[[Tensor], Tensor]) -> Record:
    """Returns a dataclass with every tensor in it changed, in the matrix that it holds too.

    Args:
        record: a matrix, or a correspondence.
        change: what is done to a tensor; the batch stays the first axis.
    """
    changed: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, Tensor):
            changed[field.name] = change(value)
        elif isinstance(value, Matrix):
            changed[field.name] = each_tensor(value, change)
    return replace(record, **changed)
