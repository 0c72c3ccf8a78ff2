from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from rabit.functional.blocks import to_nested_blocks
from rabit.functional.normalise import unit_blocks, unit_features, unit_vectors


def test_equals_plain_normalisation() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    unit = unit_vectors(x, 1)
    expected = F.normalize(x, dim=1)
    assert torch.allclose(unit, expected, atol=1e-7)
    cost = torch.randn_like(x)
    (found,) = torch.autograd.grad((unit * cost).sum(), x)
    (wanted,) = torch.autograd.grad((expected * cost).sum(), x)
    assert torch.allclose(found, wanted, atol=1e-7)


def test_gradient_also_near_zero() -> None:
    torch.manual_seed(1)
    for scale in (1.0, 1e-4):
        x = (scale * torch.randn(3, 4, dtype=torch.float64)).requires_grad_()
        assert torch.autograd.gradcheck(
            lambda x: unit_vectors(x, -1), x, eps=1e-6 * scale, rtol=1e-3
        )


def test_zero_stays_zero() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    unit = unit_vectors(x, -1)
    unit.sum().backward()
    assert float(unit.detach().abs().max()) == 0
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


@pytest.mark.parametrize("sides", ((2,), (4, 2), (1,)))
@pytest.mark.parametrize("memory_format", (torch.contiguous_format, torch.channels_last))
def test_unit_blocks_are_the_blocks_of_unit_features(
    sides: tuple[int, ...], memory_format: torch.memory_format
) -> None:
    torch.manual_seed(2)
    x = torch.randn(2, 5, 4, 8, dtype=torch.float64).to(memory_format=memory_format)
    given = x.clone()
    x.requires_grad_()
    found, wanted = unit_blocks(x, sides), to_nested_blocks(unit_features(x), sides)
    assert torch.equal(x, given)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-14)
    cost = torch.randn_like(found)
    (gradient,) = torch.autograd.grad((found * cost).sum(), x)
    (expected,) = torch.autograd.grad((wanted * cost).sum(), x)
    assert torch.allclose(gradient, expected, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x: unit_blocks(x, sides), x)


def test_unit_blocks_of_half_precision() -> None:
    torch.manual_seed(3)
    x = torch.randn(1, 6, 4, 4).bfloat16().requires_grad_()
    found = unit_blocks(x, (2,))
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, to_nested_blocks(unit_features(x), (2,)))
    found.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16
