from __future__ import annotations

import torch
import torch.nn.functional as F

from rabit.functional.normalise import unit_vectors


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
