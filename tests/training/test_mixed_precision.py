"""Losses and gradients under autocast: every method, forward and backward, beside float32."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from rabit.alignment import correspond
from rabit.config import ExperimentConfig
from rabit.model.network import build_discriminator, build_network
from rabit.training.step import discriminator_loss, generator_losses, weigh
from tiny import random_network, tiny_batch, tiny_experiment

METHODS: dict[str, dict[str, Any]] = {
    "ranking": {},
    "mean descriptors": {"alignment__descriptor": "mean"},
    "three levels": {"alignment__coarse": [8]},
    "batch norm": {"features__norm": "batch", "generator__norm": "batch"},
    "dense": {"alignment__method": "dense"},
    "dense-stored": {"alignment__method": "dense-stored"},
    "transport": {"alignment__method": "transport"},
    "patchmatch": {"alignment__method": "patchmatch"},
    "none": {"alignment__method": "none"},
}
# Gradients through the random backbone are left out: they turn by tens of degrees when weights
# change by as little as a rounding error of half precision, in float32 too.
SMOOTH = {"losses__perc": 0.0, "losses__cxt": 0.0, "losses__pse": 0.0}


def smooth_experiment(name: str, **changes: Any) -> ExperimentConfig:
    """Returns an experiment whose correspondence does not hang on the last digits."""
    changes = METHODS[name] | changes
    if changes.get("alignment__method") != "none":
        changes["alignment__temperature"] = 0.1
    if changes.get("alignment__method", "ranking") == "ranking":
        changes["alignment__epsilon"] = 0.4
    return tiny_experiment(**changes)


def step(
    experiment: ExperimentConfig, dtype: torch.dtype | None, backward_inside: bool = False
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Returns the losses and gradients of one step of both networks."""
    torch.manual_seed(0)
    network = build_network(experiment.model)
    discriminator = build_discriminator(experiment.model, experiment.discriminator)
    batch, config, backbone = tiny_batch(), experiment.losses, random_network()

    def precision() -> Any:
        return nullcontext() if dtype is None else torch.autocast("cpu", dtype)

    with precision():
        result = generator_losses(network, discriminator, backbone, batch, config)
        total = weigh(result.values, config)
    with precision() if backward_inside else nullcontext():
        total.backward()
    discriminator.zero_grad()
    with precision():
        judged = discriminator_loss(discriminator, batch, result.output.image.detach())
    judged.backward()
    values = {name: value.item() for name, value in (result.values | {"d": judged}).items()}
    parameters = [*network.named_parameters(), *discriminator.named_parameters("d")]
    return values, {name: p.grad for name, p in parameters if p.grad is not None}


def cosine(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    """Returns the cosine of two gradients of all parameters."""
    assert first.keys() == second.keys()
    a, b = (torch.cat([g.flatten().double() for g in each.values()]) for each in (first, second))
    return float(torch.cosine_similarity(a, b, dim=0))


@pytest.mark.parametrize("name", METHODS)
def test_a_step_is_near_that_of_float32(name: str) -> None:
    experiment = smooth_experiment(name, **SMOOTH)
    expected, pull = step(experiment, None)
    found, half_pull = step(experiment, torch.bfloat16)
    assert found == pytest.approx(expected, rel=0.05, abs=0.05)
    assert all(gradient.dtype == torch.float32 for gradient in half_pull.values())
    assert cosine(half_pull, pull) > 0.9


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, torch.bfloat16) for name in METHODS), ("ranking", torch.float16)],
)
def test_a_backward_pass_inside_of_autocast_is_as_good(name: str, dtype: torch.dtype) -> None:
    experiment = smooth_experiment(name)
    _, outside = step(experiment, dtype)
    _, inside = step(experiment, dtype, backward_inside=True)
    assert all(bool(gradient.isfinite().all()) for gradient in inside.values())
    assert cosine(inside, outside) > 0.999


@pytest.mark.parametrize("method", ["ranking", "dense", "dense-stored", "transport", "patchmatch"])
def test_the_correspondence_is_that_of_float32(method: str) -> None:
    torch.manual_seed(0)
    sides = [torch.randn(1, 8, 16, 16).bfloat16() for _ in range(2)]
    image = torch.randn(1, 3, 16, 16)

    def outcome(sides: list[Tensor], half: bool) -> list[Tensor]:
        torch.manual_seed(1)
        x, z = (side.requires_grad_() for side in sides)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            built = correspond(x, z, method)
            warped = built.warp(image)
            loss = warped.square().mean() + built.confidence.mean()
            loss = loss + (built.warp_back(warped).values - image).abs().mean()
        return [warped, built.confidence, *torch.autograd.grad(loss, (x, z))]

    expected = outcome([side.float() for side in sides], half=False)
    found = outcome([side.clone() for side in sides], half=True)
    for part, whole in zip(found[:2], expected[:2], strict=True):
        assert torch.equal(part, whole)
    for part, whole in zip(found[2:], expected[2:], strict=True):
        assert torch.equal(part, whole.bfloat16())
