from __future__ import annotations

from typing import Any

import numpy as np
import ot
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rabit.functional import sinkhorn as module
from rabit.functional.sinkhorn import sinkhorn


def vectors(
    batch: int, channels: int, count: int, seed: int = 0, dtype: torch.dtype = torch.float64
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, channels, count, generator=generator, dtype=torch.float64)
    return F.normalize(x, dim=1).to(dtype).requires_grad_()


def smooth_pair(side: int = 16, channels: int = 32) -> tuple[Tensor, Tensor]:
    """A smooth map and another cut from it elsewhere, with noise: most places have a partner."""
    generator = torch.Generator().manual_seed(0)
    whole = torch.zeros(1, channels, 2 * side, 2 * side)
    for scale in (2, 4, 8):
        coarse = torch.randn(1, channels, *[2 * side // scale] * 2, generator=generator)
        whole += scale**0.5 * F.interpolate(coarse, size=whole.shape[2:], mode="bilinear")
    noise = torch.randn(1, channels, side, side, generator=generator)
    start = side // 4
    x = whole[..., :side, :side]
    z = whole[..., start : start + side, start : start + side] + 0.3 * noise
    return F.normalize(x, dim=1).flatten(2), F.normalize(z, dim=1).flatten(2)


def plan(x: Tensor, z: Tensor, bias: Tensor, temperature: float) -> Tensor:
    logits = x.transpose(1, 2) @ z / temperature + bias.unsqueeze(1)
    return logits.softmax(-1) / x.shape[2]


def plain_iterations(x: Tensor, z: Tensor, temperature: float, count: int) -> Tensor:
    """Log-domain Sinkhorn, all scores at once; returns the bias after the last iteration."""
    logits = x.transpose(1, 2) @ z / temperature
    bias = torch.zeros_like(logits[:, 0])
    for _ in range(count):
        rows = -torch.logsumexp(logits + bias.unsqueeze(1), dim=2, keepdim=True)
        bias = -torch.logsumexp(logits + rows, dim=1) + np.log(x.shape[2] / z.shape[2])
    return bias - bias.mean(1, keepdim=True)


@pytest.mark.parametrize("chunk", (None, 1, 4))
@pytest.mark.parametrize(("rows", "columns"), ((11, 7), (7, 11), (1, 5), (5, 1)))
@pytest.mark.parametrize("temperature", (1.0, 0.1, 0.03))
def test_agrees_with_pot(temperature: float, rows: int, columns: int, chunk: int | None) -> None:
    x, z = vectors(2, 3, rows).detach(), vectors(2, 3, columns, seed=1).detach()
    solved = sinkhorn(x, z, temperature, tolerance=1e-12, iterations=1000, chunk=chunk)
    assert solved.converged
    for image, own in enumerate(plan(x, z, solved.bias, temperature)):
        reference = ot.sinkhorn(
            np.full(rows, 1 / rows),
            np.full(columns, 1 / columns),
            -(x[image].T @ z[image]).numpy(),
            temperature,
            method="sinkhorn_log",
            numItermax=200_000,
            stopThr=1e-13,
        )
        assert np.abs(own.numpy() - reference).max() < 1e-10


@pytest.mark.parametrize("temperature", (0.1, 0.01, 0.003))
def test_both_marginals(temperature: float) -> None:
    x, z = smooth_pair()
    solved = sinkhorn(x, z, temperature)
    assert solved.converged
    transported = plan(x.double(), z.double(), solved.bias.double(), temperature)
    columns = (transported.sum(1) - 1 / z.shape[2]).abs().sum()
    rows = (transported.sum(2) - 1 / x.shape[2]).abs().sum()
    assert float(columns) < 1.1e-4
    assert float(rows) < 1e-12
    assert float((columns - solved.error).abs()) < 1e-5
    assert float(solved.bias.mean().abs()) < 1e-4


def test_few_iterations() -> None:
    x, z = smooth_pair()
    taken = int(sinkhorn(x, z, 0.01).iterations)
    bias = plain_iterations(x, z, 0.01, 5 * taken)
    error = (plan(x, z, bias, 0.01).sum(1) - 1 / z.shape[2]).abs().sum()
    assert float(error) > 1e-4


def test_position_that_nothing_resembles_gets_its_share() -> None:
    x = vectors(1, 4, 30, dtype=torch.float32).detach()
    z = torch.cat([x, -x[..., :2]], dim=2)
    solved = sinkhorn(x, z, 0.005, iterations=2000)
    assert solved.converged
    columns = plan(x.double(), z.double(), solved.bias.double(), 0.005).sum(1)
    assert torch.allclose(columns, torch.full_like(columns, 1 / 32), atol=1e-4)


@pytest.mark.parametrize("chunk", (None, 2))
def test_gradient(chunk: int | None) -> None:
    x, z = vectors(2, 3, 7), vectors(2, 3, 5, seed=1)
    assert torch.autograd.gradcheck(
        lambda x, z: sinkhorn(x, z, 0.1, 1e-13, 500, chunk).bias, (x, z)
    )


@pytest.mark.parametrize("temperature", (0.3, 0.05))
def test_gradient_is_that_of_many_iterations(temperature: float) -> None:
    x, z = vectors(1, 4, 9), vectors(1, 4, 6, seed=1)
    values = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def objective(bias: Tensor) -> Tensor:
        return ((plan(x, z, bias, temperature) @ values) ** 2).sum()

    solved = sinkhorn(x, z, temperature, tolerance=1e-13, iterations=1000)
    unrolled = plain_iterations(x, z, temperature, 3000)
    assert torch.allclose(solved.bias, unrolled, atol=1e-9)
    found = torch.autograd.grad(objective(solved.bias), (x, z))
    wanted = torch.autograd.grad(objective(unrolled), (x, z))
    without = torch.autograd.grad(objective(solved.bias.detach()), (x, z))
    for gradient, expected, partial in zip(found, wanted, without, strict=True):
        scale = float(expected.abs().max())
        assert torch.allclose(gradient, expected, rtol=0, atol=1e-8 * scale)
        assert float((partial - expected).abs().max()) > 1e-2 * scale


def test_gradient_in_single_precision() -> None:
    x, z = smooth_pair()
    pull = torch.randn(1, x.shape[2], generator=torch.Generator().manual_seed(0))
    gradients: list[Tensor] = []
    for dtype in (torch.float32, torch.float64):
        own = x.to(dtype).requires_grad_()
        solved = sinkhorn(own, z.to(dtype), 0.02, tolerance=1e-5)
        gradients += torch.autograd.grad(solved.bias, own, pull.to(dtype))
    found, expected = gradients
    assert float((found - expected).norm() / expected.norm()) < 2e-3


def test_half_precision() -> None:
    x, z = (side.bfloat16().requires_grad_() for side in smooth_pair())
    solved = sinkhorn(x, z, 0.05)
    assert solved.converged
    assert solved.bias.dtype == torch.float32
    assert torch.allclose(solved.bias, sinkhorn(x.float(), z.float(), 0.05).bias, atol=1e-5)
    gradients = torch.autograd.grad(solved.bias.square().sum(), (x, z))
    assert all(gradient.dtype == torch.bfloat16 for gradient in gradients)


def test_permutations_have_finite_gradients() -> None:
    x = vectors(1, 16, 40, dtype=torch.float32)
    z = x.detach().flip(2).requires_grad_()
    solved = sinkhorn(x, z, 0.002)
    assert solved.converged
    for gradient in torch.autograd.grad(solved.bias, (x, z), torch.ones_like(solved.bias)):
        assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("iterations", (1, 3, 10))
def test_too_few_iterations_are_reported(iterations: int) -> None:
    x, z = smooth_pair()
    solved = sinkhorn(x, z, 0.005, iterations=iterations)
    assert not solved.converged
    assert int(solved.iterations) == iterations
    columns = plan(x, z, solved.bias, 0.005).sum(1)
    error = (columns - 1 / z.shape[2]).abs().sum()
    assert float((error - solved.error).abs()) < 1e-4
    assert float(solved.error) > 1e-4


@pytest.mark.parametrize("chunk", (None, 5))
def test_what_is_stored_equals_what_is_computed_anew(
    chunk: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, z = vectors(2, 8, 36), vectors(2, 8, 24, seed=1)

    def solved() -> tuple[Tensor, ...]:
        bias = sinkhorn(x, z, 0.1, 1e-9, chunk=chunk).bias
        return (bias, *torch.autograd.grad(bias.square().sum(), (x, z)))

    stored = solved()
    monkeypatch.setattr(module, "STORED", 36 * 24 - 1)
    for each, anew in zip(stored, solved(), strict=True):
        assert torch.allclose(each, anew, rtol=1e-6, atol=1e-9)


def test_images_are_solved_on_their_own() -> None:
    x, z = vectors(3, 4, 20).detach(), vectors(3, 4, 24, seed=1).detach()
    together = sinkhorn(x, z, 0.05)
    for image in range(3):
        alone = sinkhorn(x[image : image + 1], z[image : image + 1], 0.05)
        assert torch.equal(alone.bias[0], together.bias[image])
        assert int(alone.iterations) == int(together.iterations[image])


def test_unsolved_gradient_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOLVER_ITERATIONS", 1)
    x, z = vectors(1, 3, 7), vectors(1, 3, 5, seed=1)
    bias = sinkhorn(x, z, 0.1).bias
    with pytest.warns(UserWarning, match="relative residual of .* after 1 iterations"):
        bias.square().sum().backward()


@pytest.mark.parametrize(
    ("options", "message"),
    (
        ({"temperature": 0.0}, "temperature is 0.0, expected a positive number"),
        ({"tolerance": -1.0}, "tolerance is -1.0, expected a positive number"),
        ({"tolerance": float("nan")}, "tolerance is nan"),
        ({"iterations": 0}, "iterations is 0, expected a whole number of at least 1"),
        ({"iterations": 2.5}, "iterations is 2.5"),
    ),
)
def test_errors(options: dict[str, Any], message: str) -> None:
    x = vectors(1, 2, 3)
    with pytest.raises(ValueError, match=message):
        sinkhorn(x, x, **{"temperature": 0.1, **options})
