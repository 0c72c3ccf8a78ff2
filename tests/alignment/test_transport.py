from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import ot
import pytest
import torch
from torch import Tensor

from rabit.alignment import correspond
from rabit.functional.normalise import unit_features


def features(*size: int, batch: int = 2, channels: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels, *size, generator=generator)


def received(x: Tensor, z: Tensor, **options: Any) -> Tensor:
    """What each exemplar position receives of one unit from every position of the condition."""
    return correspond(x, z, "transport", **options).matrix.scatter(torch.ones_like(x[:, :1]))


@pytest.mark.parametrize("temperature", (0.05, 0.01))
def test_mass_is_preserved(temperature: float) -> None:
    x, z = features(6, 8), features(4, 10, seed=1)
    built = correspond(x, z, "transport", temperature=temperature)
    shares = built.matrix.scatter(torch.ones_like(x[:, :1])) / 48
    error = (shares - 1 / 40).abs().sum((1, 2, 3))
    assert float(error.max()) < 1.1e-4
    assert built.residual is not None
    assert built.residual.shape == (2, 1)
    assert float((built.residual[:, 0] - error).abs().max()) < 1e-5
    assert torch.allclose(built.warp(torch.ones(2, 1, 4, 10)), torch.ones(2, 1, 6, 8), atol=1e-5)
    assert torch.allclose(built.warp_back(torch.ones_like(x)).values, torch.ones(2, 6, 4, 10))
    dense = correspond(x, z, "dense", temperature=temperature)
    spread = dense.matrix.scatter(torch.ones_like(x[:, :1])) / 48
    assert float((spread - 1 / 40).abs().sum((1, 2, 3)).min()) > 0.1


def test_agrees_with_pot() -> None:
    x, z = features(3, 5).double(), features(4, 2, seed=1).double()
    built = correspond(x, z, "transport", temperature=0.05, tolerance=1e-11)
    identity = torch.eye(8, dtype=torch.float64).view(1, 8, 4, 2).expand(2, -1, -1, -1)
    table = built.warp(identity).flatten(2).transpose(1, 2) / 15
    first, second = unit_features(x).flatten(2), unit_features(z).flatten(2)
    for image in range(2):
        reference = ot.sinkhorn(
            np.full(15, 1 / 15),
            np.full(8, 1 / 8),
            -(first[image].T @ second[image]).numpy(),
            0.05,
            method="sinkhorn_log",
            numItermax=200_000,
            stopThr=1e-13,
        )
        assert np.abs(table[image].numpy() - reference).max() < 1e-9


def test_shuffled_features_are_put_back() -> None:
    x = features(6, 8, batch=1, channels=12)
    order = torch.randperm(48, generator=torch.Generator().manual_seed(0))
    z = x.flatten(2)[..., order].view_as(x)
    built = correspond(x, z, "transport")
    assert torch.allclose(built.warp(z), x, atol=1e-3)
    assert torch.allclose(built.warp_back(x).values, z, atol=1e-3)


def test_position_that_dense_never_matches_is_reached() -> None:
    x = features(4, 4, batch=1)
    z = torch.cat([x, -x[..., :1, :]], dim=2)
    dense = correspond(x, z, "dense").warp_back(x).received[0, 0, 4]
    assert not bool(dense.any())
    built = correspond(x, z, "transport", iterations=2000)
    assert bool(built.warp_back(x).received.all())


def test_confidence_is_the_best_cosine() -> None:
    x, z = features(6, 8), features(4, 10, seed=1)
    built, dense = (correspond(x, z, method) for method in ("transport", "dense"))
    assert torch.equal(built.confidence, dense.confidence)
    assert not torch.equal(built.matches(), dense.matches())


@pytest.mark.parametrize("side", (0, 1))
def test_gradient_flows_through_the_potential(side: int) -> None:
    """The plan's gradient is not that of a softmax with a fixed bias."""
    x, z = (features(3, 4, seed=seed).double().requires_grad_() for seed in (0, 1))
    own = (x, z)[side]
    built = correspond(x, z, "transport", temperature=0.1, tolerance=1e-12)
    fixed = built.matrix.scatter(torch.ones(2, 1, 3, 4, dtype=torch.float64))
    # What a column receives is its share whatever the features are, so its gradient is 0.
    gradient = torch.autograd.grad(fixed[..., 0].sum(), own, retain_graph=True)[0]
    assert float(gradient.abs().max()) < 1e-9
    there = features(3, 4, channels=2, seed=2).double()
    gradient = torch.autograd.grad((built.warp(there) * there).sum(), own)[0]
    assert float(gradient.abs().max()) > 1e-2


def test_too_few_iterations_warn() -> None:
    x, z = features(6, 8), features(4, 10, seed=1)
    message = "off by .* in the 1-norm after 3 iterations, expected 1.0e-04; allow more"
    with pytest.warns(RuntimeWarning, match=message):
        built = correspond(x, z, "transport", iterations=3)
    assert built.residual is not None
    assert float(built.residual.max()) > 1e-4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        correspond(x, z, "transport", iterations=3, tolerance=1.9)


@pytest.mark.parametrize(
    ("options", "message"),
    (
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"tolerance": 0.0}, "tolerance is 0.0, expected a positive number"),
        ({"iterations": 0}, "iterations is 0, expected a whole number of at least 1"),
        ({"k": 3}, "has no option k; it has temperature, tolerance, iterations"),
    ),
)
def test_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        received(features(4, 4), features(4, 4, seed=1), **options)
