from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rabit.alignment.attention import attend_blocks
from rabit.alignment.products import candidate_products, gather_product, scatter_product


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 4, 3, dtype=torch.float64, requires_grad=True)
    z = torch.randn(2, 7, 6, 3, dtype=torch.float64, requires_grad=True)
    indices = torch.stack([torch.randperm(7)[:2] for _ in range(10)]).view(2, 5, 2)
    log_mass = torch.rand(2, 5, 2, dtype=torch.float64).log().requires_grad_()
    return x, z, indices, log_mass


def reference(x: Tensor, z: Tensor, indices: Tensor, log_mass: Tensor, tau: float) -> Tensor:
    """Everything gathered at once, one query block at a time."""
    weights = []
    for image in range(len(x)):
        for block in range(x.shape[1]):
            candidates = torch.cat([z[image, place] for place in indices[image, block]])
            prior = torch.cat([mass.expand(z.shape[2]) for mass in log_mass[image, block]])
            weights.append((x[image, block] @ candidates.T / tau + prior).softmax(-1))
    return torch.stack(weights).view(*x.shape[:3], -1)


@pytest.mark.parametrize("chunk", (None, 1, 3))
def test_equals_reference(chunk: int | None) -> None:
    x, z, indices, log_mass = inputs()
    weights = attend_blocks(x, z, indices, log_mass, 0.1, chunk)
    expected = reference(x, z, indices, log_mass, 0.1)
    assert torch.allclose(weights, expected, atol=1e-12)
    assert torch.allclose(weights.sum(-1), torch.ones_like(weights[..., 0]))
    cost = torch.randn_like(weights)
    found = torch.autograd.grad((weights * cost).sum(), (x, z, log_mass))
    wanted = torch.autograd.grad((expected * cost).sum(), (x, z, log_mass))
    for gradient, other in zip(found, wanted, strict=True):
        assert torch.allclose(gradient, other, atol=1e-10)


def test_gradient() -> None:
    x, z, indices, log_mass = inputs()
    assert torch.autograd.gradcheck(
        lambda x, z, log_mass: attend_blocks(x, z, indices, log_mass, 0.5, chunk=2),
        (x, z, log_mass),
    )


@pytest.mark.parametrize("chunk", (None, 1, 4))
def test_products_equal_the_matrix(chunk: int | None) -> None:
    _, z, indices, _ = inputs()
    weights = torch.rand(2, 5, 4, 12, dtype=torch.float64)
    queries = torch.randn(2, 5, 4, 3, dtype=torch.float64)
    matrix = torch.zeros(2, 5, 4, 7, 6, dtype=torch.float64)
    for image in range(2):
        for block in range(5):
            for place, exemplar in enumerate(indices[image, block]):
                part = weights[image, block, :, 6 * place : 6 * place + 6]
                matrix[image, block, :, exemplar] = part
    warped = torch.einsum("bnimj,bmjc->bnic", matrix, z)
    assert torch.allclose(gather_product(weights, z, indices, chunk), warped)
    back = torch.einsum("bnimj,bnic->bmjc", matrix, queries)
    assert torch.allclose(scatter_product(weights, queries, indices, 7, chunk), back)


def test_products_gradient() -> None:
    x, z, indices, _ = inputs()
    weights = torch.rand(2, 5, 4, 12, dtype=torch.float64, requires_grad=True)
    check = torch.autograd.gradcheck
    assert check(lambda x, z: candidate_products(x, z, indices, 3), (x, z))
    assert check(lambda w, z: gather_product(w, z, indices, 3), (weights, z))
    assert check(lambda w, x: scatter_product(w, x, indices, 7, 3), (weights, x))


def test_repeated_blocks_add_up() -> None:
    weights = torch.full((1, 2, 1, 2), 0.5)
    indices = torch.zeros(1, 2, 2, dtype=torch.int64)
    back = scatter_product(weights, torch.ones(1, 2, 1, 1), indices, 3)
    assert back.flatten().tolist() == [2, 0, 0]
