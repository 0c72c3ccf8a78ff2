"""Positions of retrieved blocks and around them, each of them once."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def bordered(
    indices: Int[Tensor, "B N k"],
    size: tuple[int, int],
    block: int,
    border: int,
    overlap: bool = False,
) -> tuple[Int[Tensor, "B N K"], Bool[Tensor, "B N K"]]:
    """Lists the positions of retrieved blocks and of a border around each.

    Args:
        indices: (B, N, k) blocks in row-major order, best first.
        size: (Hz, Wz) of the exemplar's map.
        block: side of the blocks in positions; divides the size unless they overlap.
        border: positions on each of a block's four sides, 0 or more.
        overlap: whether blocks begin at every position, see `overlapping_blocks`.

    Returns:
        (B, N, k w²) row-major positions, w = block + 2 border, block by block; and which of them
        count: those outside of the map do not (their number is that of a position on its edge),
        nor do those that a better block has listed already.
    """
    height, width = size
    step = 1 if overlap else block
    across, side = (width - block) // step + 1, block + 2 * border
    offsets = torch.arange(-border, block + border, device=indices.device)
    y = torch.div(indices, across, rounding_mode="floor").unsqueeze(-1) * step + offsets
    x = (indices % across).unsqueeze(-1) * step + offsets
    rows, columns = y.clamp(0, height - 1), x.clamp(0, width - 1)
    places = (rows.unsqueeze(-1) * width + columns.unsqueeze(-2)).flatten(2)
    inside = ((rows == y).unsqueeze(-1) & (columns == x).unsqueeze(-2)).flatten(2)
    # A number of its own for each that is outside, so that equal numbers are listed twice.
    numbers = torch.arange(indices.shape[2] * side**2, device=indices.device) + height * width
    ordered, order = torch.where(inside, places, numbers).sort(dim=-1, stable=True)
    again = torch.zeros_like(inside)
    again[..., 1:] = ordered[..., 1:] == ordered[..., :-1]
    return places, inside & ~torch.zeros_like(inside).scatter_(-1, order, again)
