"""Blocks computed again: the same to the last bit, nothing left behind, and less kept."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rabit.data.batch import Batch
from rabit.layers.convolution import conv
from rabit.layers.normalisation import BatchNorm
from rabit.layers.perceptual import load_backbone
from rabit.layers.recompute import Recomputable, recomputed, set_recompute
from rabit.layers.spade import SpadeResidual
from rabit.model.network import build_discriminator, build_network
from rabit.training.step import discriminator_loss, generator_losses, weigh
from tiny import tiny_batch, tiny_experiment


def in_dtype(batch: Batch, dtype: torch.dtype) -> Batch:
    """Returns a batch whose numbers have another type."""
    condition, other = (
        replace(each, channels=each.channels.to(dtype))
        for each in (batch.condition, batch.exemplar_condition)
    )
    exemplar, truth = batch.exemplar.to(dtype), batch.truth.to(dtype)
    return replace(
        batch, condition=condition, exemplar_condition=other, exemplar=exemplar, truth=truth
    )


def step(on: bool, dtype: torch.dtype, norm: str, half: bool = False) -> dict[str, Tensor]:
    """Returns the losses, gradients and buffers of a step of both networks."""
    experiment = tiny_experiment(features__norm=norm, generator__norm=norm)
    batch = tiny_batch()
    torch.set_default_dtype(dtype)
    try:
        network = build_network(experiment.model)
        discriminator = build_discriminator(experiment.model, experiment.discriminator)
        backbone = load_backbone("random")
    finally:
        torch.set_default_dtype(torch.float32)
    batch = in_dtype(batch, dtype)
    for each in (network, discriminator):
        set_recompute(each, on)
    precision = torch.autocast("cpu", torch.bfloat16) if half else nullcontext()
    with precision:
        result = generator_losses(network, discriminator, backbone, batch, experiment.losses)
        total = weigh(result.values, experiment.losses)
    total.backward()
    discriminator.zero_grad()
    with precision:
        judged = discriminator_loss(discriminator, batch, result.output.image.detach())
    judged.backward()
    found = dict(result.values) | {"d": judged}
    for name, each in (("network", network), ("discriminator", discriminator)):
        found |= {f"{name} {key}": value for key, value in each.state_dict().items()}
        gradients = [(key, p.grad) for key, p in each.named_parameters()]
        found |= {f"{name} {key} grad": g for key, g in gradients if g is not None}
    return found


@pytest.mark.parametrize(
    ("dtype", "norm", "half"),
    [
        (torch.float64, "batch", False),
        (torch.float32, "position", False),
        (torch.float32, "instance", True),
    ],
)
def test_a_step_is_the_same_to_the_last_bit(dtype: torch.dtype, norm: str, half: bool) -> None:
    kept, again = (step(on, dtype, norm, half) for on in (False, True))
    assert kept.keys() == again.keys()
    different = [name for name in kept if not torch.equal(kept[name], again[name])]
    assert not different


class Counted:
    """Counts the bytes that the backward pass waits with: what is saved, and blocks' inputs."""

    def __init__(self, network: nn.Module) -> None:
        self.storages: dict[int, int] = {}
        for module in network.modules():
            if isinstance(module, Recomputable):
                module.register_forward_pre_hook(lambda _, inputs: self.add(inputs))
        own = [*network.parameters(), *network.buffers()]
        self.own = {tensor.untyped_storage().data_ptr() for tensor in own}

    def add(self, found: Any) -> Any:
        for each in found if isinstance(found, tuple) else (found,):
            if isinstance(each, Tensor):
                storage = each.untyped_storage()
                if storage.data_ptr() not in self.own:
                    self.storages[storage.data_ptr()] = storage.nbytes()
        return None

    def pack(self, saved: Tensor) -> Tensor:
        self.add(saved)
        return saved


def test_less_is_kept() -> None:
    experiment, batch = tiny_experiment(), tiny_batch()
    kept = []
    for on in (False, True):
        network = build_network(experiment.model)
        set_recompute(network, on)
        counted = Counted(network)
        with torch.autograd.graph.saved_tensors_hooks(counted.pack, lambda saved: saved):
            output = network(batch.condition, batch.exemplar, batch.exemplar_condition)
        kept.append(sum(counted.storages.values()))
        assert output.image.requires_grad
    assert kept[1] < 0.5 * kept[0]


def test_two_passes_before_one_backward_pass_each_keep_their_vectors() -> None:
    torch.manual_seed(0)
    block = SpadeResidual(4, 4, 3, 5, "batch")
    inputs = [torch.randn(2, 4, 6, 6) for _ in range(3)]
    guide = torch.randn(2, 3, 6, 6)
    states: list[dict[str, Tensor]] = []
    before = {name: value.clone() for name, value in block.state_dict().items()}
    for on in (False, True):
        block.load_state_dict(before)
        block.zero_grad()
        set_recompute(block, on)
        total = sum((recomputed(block, x, guide).square().sum() for x in inputs), torch.zeros(()))
        after_forward = {name: value.clone() for name, value in block.state_dict().items()}
        total.backward()
        assert all(torch.equal(after_forward[n], v) for n, v in block.state_dict().items())
        gradients = {
            f"{n} grad": p.grad.clone() for n, p in block.named_parameters() if p.grad is not None
        }
        states.append(after_forward | gradients)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_without_gradients_nothing_is_computed_again() -> None:
    block = SpadeResidual(4, 4, 3, 5, "position").eval()
    set_recompute(block, True)
    x, guide = torch.randn(1, 4, 6, 6), torch.randn(1, 3, 6, 6)
    with torch.no_grad():
        y = recomputed(block, x, guide)
    assert not y.requires_grad
    assert torch.equal(y, block(x, guide))


def test_nothing_to_switch_on_is_an_error() -> None:
    layers = nn.Sequential(conv(3, 3), BatchNorm(3))
    set_recompute(layers, False)
    with pytest.raises(ValueError, match="no block that can be computed again"):
        set_recompute(layers, True)
