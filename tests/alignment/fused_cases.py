"""Cases of the fused programs of blocks; `functional/test_fused` runs them in a process of its own.

Triton decides when it is imported whether it compiles for a GPU or interprets on the CPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rabit.alignment import attention, correspond, matrix
from rabit.alignment.attention import attend_blocks
from rabit.alignment.fused import attend, carry
from rabit.alignment.matrix import BlockMatrix
from rabit.functional import fused, normalise
from rabit.functional.fused_units import unit_rows
from rabit.functional.normalise import SMALLEST_NORM, unit_blocks

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") else "cuda"
DTYPES = (torch.float32, torch.bfloat16)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Sets whether the fused forms are taken; at first they are not."""

    def take(yes: bool) -> None:
        monkeypatch.setattr(fused, "can_fuse", lambda scores, k: yes)
        monkeypatch.setattr(normalise, "can_fuse_units", lambda x: yes)
        monkeypatch.setattr(attention, "can_fuse_blocks", lambda *_: yes)
        monkeypatch.setattr(matrix, "can_fuse_blocks", lambda *_: yes)

    take(False)
    return take


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def close(found: Tensor, wanted: Tensor) -> bool:
    """Equal but for the order of sums, and what half precision rounds."""
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    error = 1e-5 if found.dtype == torch.float32 else 0.01
    found, wanted = found.detach(), wanted.detach()
    size = float(wanted.abs().max())
    return bool(((found - wanted).abs().float() <= error * (wanted.abs().float() + size)).all())


def gradients(output: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    pull = normal(*output.shape, seed=9).to(output.dtype)
    return torch.autograd.grad(output, inputs, pull)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", (torch.contiguous_format, torch.channels_last))
@pytest.mark.parametrize(
    ("shape", "side"), (((2, 6, 4, 8), 2), ((1, 40, 6, 9), 3), ((1, 5, 3, 35), 1))
)
def test_unit_blocks(
    shape: tuple[int, ...],
    side: int,
    layout: torch.memory_format,
    dtype: torch.dtype,
    eager: Callable[[bool], None],
) -> None:
    x = normal(*shape).to(dtype)
    x[0, :, 0, 0] = 0.5
    x = x.to(memory_format=layout).requires_grad_()
    wanted = unit_blocks(x, (side,))
    pulled = gradients(wanted, (x,))
    eager(True)
    found = unit_blocks(x, (side,))
    assert close(found, wanted)
    assert close(gradients(found, (x,))[0], pulled[0])


def test_unit_blocks_that_do_not_fit_say_so(eager: Callable[[bool], None]) -> None:
    eager(True)
    with pytest.raises(ValueError, match="no whole number of 2x2 blocks"):
        unit_blocks(normal(1, 4, 5, 4), (2,))


def test_unit_rows_of_a_part_of_a_map() -> None:
    whole = normal(2, 6, 8, 8)
    part = whole[:, 1:5, 2:6, 4:]
    unit, scale = unit_rows(part, 2, SMALLEST_NORM)
    assert torch.allclose(unit, unit_blocks(part, (2,)), atol=1e-6)
    assert scale.shape == (2, 4, 4, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("inside", "others", "k", "channels"),
    ((4, 4, 3, 300), (9, 1, 2, 6), (2, 16, 2, 5), (1, 4, 5, 7)),
)
def test_attention(inside: int, others: int, k: int, channels: int, dtype: torch.dtype) -> None:
    x = (normal(2, 6, inside, channels) / channels**0.5).to(dtype).requires_grad_()
    z = (normal(2, 7, others, channels, seed=1) / channels**0.5).to(dtype).requires_grad_()
    indices = torch.stack([torch.randperm(7)[:k] for _ in range(12)]).view(2, 6, k).to(DEVICE)
    log_mass = (-normal(2, 6, k, seed=2).abs()).requires_grad_()
    inputs = (x, z, log_mass)
    wanted = attend_blocks(x, z, indices, log_mass, 0.05)
    found = attend(x, z, indices, log_mass, 0.05)
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-6)
    for gradient, expected in zip(gradients(found, inputs), gradients(wanted, inputs), strict=True):
        assert close(gradient, expected)


def test_negligible_weights_are_zero() -> None:
    x, z = normal(1, 1, 1, 4), normal(1, 2, 1, 4, seed=1)
    log_mass = torch.tensor([[[0.0, -60.0]]], device=DEVICE)
    weights = attend(x, z, torch.tensor([[[0, 1]]], device=DEVICE), log_mass, 1e3)
    assert weights.flatten().tolist() == [1, 0]


@pytest.mark.parametrize(("width", "dtype"), ((3, torch.float32), (40, torch.bfloat16)))
@pytest.mark.parametrize(
    ("block", "exemplar_block", "k"),
    (((2, 2), (2, 2), 3), ((1, 2), (3, 1), 2), ((4, 4), (1, 1), 9)),
)
def test_carrying(
    block: tuple[int, int],
    exemplar_block: tuple[int, int],
    k: int,
    width: int,
    dtype: torch.dtype,
) -> None:
    size, exemplar_size = (8, 4), (6, 4)
    inside, others = block[0] * block[1], exemplar_block[0] * exemplar_block[1]
    count, available = 32 // inside, 24 // others
    weights = normal(2, count, inside, k * others).softmax(-1).requires_grad_()
    values = normal(2, 6, 4, width, seed=1).to(dtype).permute(0, 3, 1, 2).requires_grad_()
    draws = [torch.randperm(available)[:k] for _ in range(2 * count)]
    indices = torch.stack(draws).view(2, count, k).to(DEVICE)
    cosine = normal(2, 1, size[0] // block[0], size[1] // block[1])
    built = BlockMatrix(size, exemplar_size, weights, indices, block, exemplar_block, cosine)
    wanted = built.gather(values)
    found = carry(weights, values, indices, size, block, exemplar_block)
    assert close(found, wanted)
    for inputs in ((weights, values), (weights,), (values,)):
        pulled, expected = gradients(found, inputs), gradients(wanted, inputs)
        assert all(map(close, pulled, expected))
        found = carry(weights, values, indices, size, block, exemplar_block)
        wanted = built.gather(values)
    # Only what is asked for is computed.
    alone = carry(weights.detach(), values, indices, size, block, exemplar_block)
    assert close(gradients(alone, (values,))[0], gradients(wanted, (values,))[0])


@pytest.mark.parametrize(
    ("options", "dtype"),
    (
        ({}, torch.float32),
        ({}, torch.bfloat16),
        ({"descriptor": "mean"}, torch.float32),
        ({"border": 1}, torch.float32),
        ({"coarse": (4,)}, torch.float32),
    ),
)
def test_the_whole_path(
    options: dict[str, Any], dtype: torch.dtype, eager: Callable[[bool], None]
) -> None:
    x, z, values = (normal(1, 6, 8, 8, seed=seed).to(dtype).requires_grad_() for seed in (6, 7, 8))

    def both() -> tuple[Tensor, tuple[Tensor, ...]]:
        built = correspond(x, z, epsilon=0.2, temperature=0.1, **options)
        warped = built.warp(values)
        total = warped.float().square().sum() + built.peak.sum()
        return warped, torch.autograd.grad(total, (x, z, values))

    wanted, expected = both()
    eager(True)
    found, pulled = both()
    # Half precision features that are rounded otherwise in their last digit are 1/256 apart; with
    # these seeds they retrieve the same blocks all the same.
    for each, other in zip((found, *pulled), (wanted, *expected), strict=True):
        error = float((each - other).detach().float().norm() / other.detach().float().norm())
        assert error < (2e-5 if dtype == torch.float32 else 0.03)
