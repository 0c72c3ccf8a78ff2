"""Partition of feature maps into rectangular blocks (section 3.1), and into blocks of blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

Side = int | tuple[int, int]


def to_blocks(x: Float[Tensor, "B C H W"], block: Side) -> Float[Tensor, "B N b C"]:
    """Groups the positions of a map into blocks.

    Args:
        x: (B, C, H, W) map.
        block: side of the square blocks, or their (height, width), in positions.

    Returns:
        (B, N, b, C): blocks in row-major order, positions in row-major order inside each block.

    Raises:
        ValueError: the map is not a whole number of blocks high and wide.
    """
    return to_nested_blocks(x, (block,))


def overlapping_blocks(x: Float[Tensor, "B C H W"], block: int) -> Float[Tensor, "B M b C"]:
    """Returns the blocks that begin at every position of a map, not only on a grid.

    Args:
        x: (B, C, H, W) map.
        block: side of the square blocks in positions, at most H and W.

    Returns:
        (B, M, b, C): M = (H - block + 1)(W - block + 1) blocks in row-major order of their first
        positions, positions in row-major order inside each block.

    Raises:
        ValueError: the map is smaller than a block.
    """
    height, width = x.shape[2] - block + 1, x.shape[3] - block + 1
    if block < 1 or height < 1 or width < 1:
        raise ValueError(
            f"a map of {x.shape[2]}x{x.shape[3]} positions has no {block}x{block} blocks"
        )
    rows = x.permute(0, 2, 3, 1)
    moved = [
        rows[:, down : down + height, right : right + width]
        for down in range(block)
        for right in range(block)
    ]
    return torch.stack(moved, dim=3).flatten(1, 2)


def from_blocks(
    blocks: Float[Tensor, "B N b C"], size: tuple[int, int], block: Side
) -> Float[Tensor, "B C H W"]:
    """Puts blocks back in their places: the inverse of `to_blocks`.

    Args:
        blocks: (B, N, b, C) blocks in row-major order.
        size: (H, W) of the map.
        block: side of the square blocks, or their (height, width), in positions.

    Returns:
        (B, C, H, W) map, channels-last in memory.

    Raises:
        ValueError: N blocks of b positions do not make a map of this size.
    """
    return from_nested_blocks(blocks, size, (block,))


def to_nested_blocks(
    x: Float[Tensor, "B C H W"], sides: Sequence[Side]
) -> Float[Tensor, "B N b C"]:
    """Groups positions into blocks so that the blocks of each larger block are consecutive.

    Args:
        x: (B, C, H, W) map.
        sides: of the blocks, largest first; each a multiple of the next.

    Returns:
        (B, N, b, C): blocks of the last side, row-major inside those of the side before, and so
        on; positions row-major inside each block. A view to (B, M, N / M, b, C) has the N / M
        blocks of each of M larger blocks on its third axis.

    Raises:
        ValueError: the map is not a whole number of the largest blocks high and wide, or a side is
            no multiple of the next.
    """
    batch, channels, *size = x.shape
    rows, columns = _factors((size[0], size[1]), sides, tuple(x.shape))
    depth = len(rows)
    axes = [axis for level in range(depth) for axis in (2 + level, 2 + depth + level)]
    parts = x.reshape(batch, channels, *rows, *columns).permute(0, *axes, 1)
    count = math.prod(rows[:-1]) * math.prod(columns[:-1])
    return parts.reshape(batch, count, rows[-1] * columns[-1], channels)


def from_nested_blocks(
    blocks: Float[Tensor, "B N b C"], size: tuple[int, int], sides: Sequence[Side]
) -> Float[Tensor, "B C H W"]:
    """Puts blocks back in their places: the inverse of `to_nested_blocks`.

    Args:
        blocks: (B, N, b, C).
        size: (H, W) of the map.
        sides: of the blocks, largest first.

    Returns:
        (B, C, H, W) map, channels-last in memory.

    Raises:
        ValueError: N blocks of b positions do not make a map of this size.
    """
    (bh, bw), (height, width) = _pair(sides[-1]), size
    batch, count, inside, channels = blocks.shape
    if inside != bh * bw or height % bh or width % bw or count != (height // bh) * (width // bw):
        raise ValueError(
            f"blocks of shape {tuple(blocks.shape)} do not fill a map of {height}x{width} "
            f"positions with {bh}x{bw} blocks; expected (B, H*W/b, b, C) with b = {bh * bw}"
        )
    rows, columns = _factors(size, sides, (batch, channels, *size))
    sizes = [n for pair in zip(rows, columns, strict=True) for n in pair]
    down = range(1, 2 * len(rows), 2)
    parts = blocks.reshape(batch, *sizes, channels)
    parts = parts.permute(0, *down, *(axis + 1 for axis in down), -1)
    # A position's channels stay side by side: whole rows of a block are copied at a time.
    return parts.reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def nested_order(
    size: tuple[int, int], sides: Sequence[int], device: torch.device | None = None
) -> Int[Tensor, " N"]:
    """Returns the row-major number of each block in the order of `to_nested_blocks`.

    Args:
        size: (H, W) of the map.
        sides: of the square blocks, largest first.
        device: of the result.
    """
    last = sides[-1]
    height, width = size[0] // last, size[1] // last
    numbers = torch.arange(height * width, device=device).view(1, 1, height, width)
    return to_nested_blocks(numbers, [side // last for side in sides]).flatten()


def _factors(
    size: tuple[int, int], sides: Sequence[Side], shape: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    """How many larger blocks, blocks in each, ..., positions in each there are, on both axes."""
    pairs = [_pair(side) for side in sides]
    if min(map(min, pairs)) < 1 or any(
        whole % part for whole, part in zip(size, pairs[0], strict=True)
    ):
        (bh, bw), (height, width) = pairs[0], size
        raise ValueError(
            f"a map of {height}x{width} positions (shape {shape}) has no whole number of "
            f"{bh}x{bw} blocks; resize the map or choose a block that divides it"
        )
    if any(large[axis] % small[axis] for large, small in pairwise(pairs) for axis in (0, 1)):
        raise ValueError(
            f"block sides are {tuple(sides)}, expected the largest first and each a multiple of "
            "the next"
        )
    chain = [size, *pairs]
    rows, columns = (
        [large[axis] // small[axis] for large, small in pairwise(chain)] + [pairs[-1][axis]]
        for axis in (0, 1)
    )
    return rows, columns


def _pair(side: Side) -> tuple[int, int]:
    pair = (side, side) if isinstance(side, int) else side
    if not isinstance(pair, tuple) or [type(number) for number in pair] != [int, int]:
        raise ValueError(f"block is {side!r}, expected a whole number or (height, width)")
    return pair
