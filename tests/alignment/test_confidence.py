"""The confidence of each position, against a plain reference over all places."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rabit.alignment import correspond
from rabit.alignment.matrix import BlockMatrix
from rabit.functional.normalise import unit_features


def features(height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 5, height, width, dtype=torch.float64, generator=generator)


def reference(x: Tensor, z: Tensor, indices: Tensor, block: int) -> Tensor:
    """Best cosine of each position with those of the blocks that its own block retrieved."""
    height, width, across = x.shape[2], x.shape[3], z.shape[3] // block
    cosine = unit_features(x).flatten(2).transpose(1, 2) @ unit_features(z).flatten(2)
    place = torch.arange(z.shape[2] * z.shape[3])
    owner = place // z.shape[3] // block * across + place % z.shape[3] // block
    query = torch.arange(height * width)
    own = query // width // block * (width // block) + query % width // block
    seen = (indices[:, own].unsqueeze(3) == owner).any(2)
    return cosine.masked_fill(~seen, -2).amax(2).view(len(x), 1, height, width)


@pytest.mark.parametrize(
    ("block", "k", "coarse"), ((2, 3, ()), (4, 1, ()), (1, 5, ()), (2, 2, (4,)))
)
def test_values_and_gradients_are_the_reference(
    block: int, k: int, coarse: tuple[int, ...]
) -> None:
    x, z = features(8, 4).requires_grad_(), features(8, 12, seed=1).requires_grad_()
    built = correspond(
        x, z, block=block, k=k, coarse=coarse, coarse_k=2, epsilon=0.4, confidence="position"
    )
    blocks = correspond(x, z, block=block, k=k, coarse=coarse, coarse_k=2, epsilon=0.4)
    assert isinstance(built.matrix, BlockMatrix)
    expected = reference(x, z, built.matrix.indices, block)
    assert torch.allclose(built.peak, expected)
    assert built.confidence.shape == (2, 1, 8, 4)
    assert torch.equal(built.confidence, built.peak.clamp(0, 1))
    # Nothing else depends on it.
    assert torch.equal(built.warp(z), blocks.warp(z))
    pull = features(8, 4, seed=2)[:, :1]
    found = torch.autograd.grad(built.peak, (x, z), pull)
    wanted = torch.autograd.grad(expected, (x, z), pull)
    assert all(map(torch.allclose, found, wanted))


def test_positions_of_one_block_differ() -> None:
    x, z = features(8, 8), features(8, 8, seed=1)
    assert correspond(x, z).peak.shape == (2, 1, 4, 4)
    peak = correspond(x, z, confidence="position").peak
    assert float((peak[..., ::2, ::2] - peak[..., 1::2, 1::2]).abs().max()) > 0.1


def test_an_unknown_confidence_is_named() -> None:
    x = features(4, 4)
    with pytest.raises(ValueError, match="confidence is 'pixel', expected 'block' or 'position'"):
        correspond(x, x, confidence="pixel")
