"""Partition of feature maps into rectangular blocks (section 3.1)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def to_blocks(
    x: Float[Tensor, "B C H W"], block: int | tuple[int, int]
) -> Float[Tensor, "B N b C"]:
    """Groups the positions of a map into blocks.

    Args:
        x: (B, C, H, W) map.
        block: side of the square blocks, or their (height, width), in positions.

    Returns:
        (B, N, b, C): blocks in row-major order, positions in row-major order inside each block.

    Raises:
        ValueError: the map is not a whole number of blocks high and wide.
    """
    bh, bw = _sides(block)
    batch, channels, height, width = x.shape
    if bh < 1 or bw < 1 or height % bh or width % bw:
        raise ValueError(
            f"a map of {height}x{width} positions (shape {tuple(x.shape)}) has no whole number of "
            f"{bh}x{bw} blocks; resize the map or choose a block that divides it"
        )
    x = x.reshape(batch, channels, height // bh, bh, width // bw, bw)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, bh * bw, channels)


def from_blocks(
    blocks: Float[Tensor, "B N b C"], size: tuple[int, int], block: int | tuple[int, int]
) -> Float[Tensor, "B C H W"]:
    """Puts blocks back in their places: the inverse of `to_blocks`.

    Args:
        blocks: (B, N, b, C) blocks in row-major order.
        size: (H, W) of the map.
        block: side of the square blocks, or their (height, width), in positions.

    Returns:
        (B, C, H, W) map.

    Raises:
        ValueError: N blocks of b positions do not make a map of this size.
    """
    bh, bw = _sides(block)
    height, width = size
    batch, count, inside, channels = blocks.shape
    if inside != bh * bw or height % bh or width % bw or count != (height // bh) * (width // bw):
        raise ValueError(
            f"blocks of shape {tuple(blocks.shape)} do not fill a map of {height}x{width} "
            f"positions with {bh}x{bw} blocks; expected (B, H*W/b, b, C) with b = {bh * bw}"
        )
    x = blocks.reshape(batch, height // bh, width // bw, bh, bw, channels)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, height, width)


def _sides(block: int | tuple[int, int]) -> tuple[int, int]:
    sides = (block, block) if isinstance(block, int) else block
    if not isinstance(sides, tuple) or [type(side) for side in sides] != [int, int]:
        raise ValueError(f"block is {block!r}, expected a whole number or (height, width)")
    return sides
