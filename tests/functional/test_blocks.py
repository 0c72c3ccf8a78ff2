from __future__ import annotations

from typing import Any

import pytest
import torch

from rabit.functional.blocks import (
    from_blocks,
    from_nested_blocks,
    nested_order,
    overlapping_blocks,
    to_blocks,
    to_nested_blocks,
)


def test_convention_row_major() -> None:
    x = torch.arange(24.0).view(1, 1, 4, 6)
    blocks = to_blocks(x, 2)
    assert blocks.shape == (1, 6, 4, 1)
    assert blocks[0, 0, :, 0].tolist() == [0, 1, 6, 7]
    assert blocks[0, 1, :, 0].tolist() == [2, 3, 8, 9]
    assert blocks[0, 3, :, 0].tolist() == [12, 13, 18, 19]
    assert to_blocks(x, (1, 3))[0, 1, :, 0].tolist() == [3, 4, 5]


@pytest.mark.parametrize("block", (1, 2, (4, 6), (1, 3)))
def test_round_trip(block: int | tuple[int, int]) -> None:
    x = torch.randn(2, 3, 4, 6)
    assert torch.equal(from_blocks(to_blocks(x, block), (4, 6), block), x)


def test_overlapping_blocks_hold_those_of_every_grid() -> None:
    x = torch.arange(2 * 30.0).view(1, 2, 5, 6)
    blocks = overlapping_blocks(x, 2)
    assert blocks.shape == (1, 20, 4, 2)
    assert blocks[0, 6, :, 0].tolist() == [7, 8, 13, 14]
    for down, right in ((0, 0), (0, 1), (1, 1)):
        grid = to_blocks(x[:, :, down : down + 4, right : right + 4], 2)
        places = [(down + 2 * i) * 5 + right + 2 * j for i in (0, 1) for j in (0, 1)]
        assert torch.equal(blocks[:, places], grid)
    with pytest.raises(ValueError, match="5x6 positions has no 7x7 blocks"):
        overlapping_blocks(x, 7)


def test_errors() -> None:
    with pytest.raises(ValueError, match="5x6 positions .* no whole number of 2x2 blocks"):
        to_blocks(torch.zeros(1, 1, 5, 6), 2)
    with pytest.raises(ValueError, match="0x0 blocks"):
        to_blocks(torch.zeros(1, 1, 4, 4), 0)
    with pytest.raises(ValueError, match=r"\(1, 5, 4, 1\) do not fill a map of 4x6"):
        from_blocks(torch.zeros(1, 5, 4, 1), (4, 6), 2)


def test_convention_nested_blocks() -> None:
    x = torch.arange(32.0).view(1, 1, 4, 8)
    nested = to_nested_blocks(x, (4, 2))
    assert nested[0, :4, :, 0].tolist() == to_blocks(x[..., :4], 2)[0, :, :, 0].tolist()
    assert nested[0, 4, :, 0].tolist() == [4, 5, 12, 13]
    assert nested_order((4, 8), (4, 2)).tolist() == [0, 1, 4, 5, 2, 3, 6, 7]
    assert torch.equal(nested, to_blocks(x, 2)[:, nested_order((4, 8), (4, 2))])
    assert nested_order((4, 6), (2,)).tolist() == list(range(6))


@pytest.mark.parametrize("sides", ((2,), (4, 2), (12, 4, 1), (6, 3)))
def test_nested_round_trip(sides: tuple[int, ...]) -> None:
    x = torch.randn(2, 3, 12, 24)
    assert torch.equal(from_nested_blocks(to_nested_blocks(x, sides), (12, 24), sides), x)


def test_nested_errors() -> None:
    with pytest.raises(ValueError, match="8x12 positions .* no whole number of 8x8 blocks"):
        to_nested_blocks(torch.zeros(1, 1, 8, 12), (8, 2))
    with pytest.raises(ValueError, match=r"\(4, 8\), expected the largest first"):
        to_nested_blocks(torch.zeros(1, 1, 8, 8), (4, 8))


@pytest.mark.parametrize("block", ["2", 2.0, (2,), (2, 2, 2), (2.0, 2)])
def test_a_block_is_whole_numbers(block: Any) -> None:
    with pytest.raises(ValueError, match="expected a whole number or"):
        to_blocks(torch.zeros(1, 1, 4, 4), block)
