"""Compiled networks: the same losses, gradients and names, and nothing left to Python."""

from __future__ import annotations

import copy
import shutil
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from rabit.layers.perceptual import load_backbone
from rabit.layers.recompute import set_recompute
from rabit.model.compiled import compile_networks
from rabit.model.network import TranslationNetwork, build_discriminator, build_network
from rabit.training.step import generator_losses, weigh
from tiny import tiny_batch, tiny_experiment

# Torch's compiler warns of torch's own retired parts, and of gradients that it looks at itself.
pytestmark = pytest.mark.filterwarnings("ignore")

# What tells a difference of sums' order from another computation, through a chaotic network.
SMOOTH: dict[str, Any] = {"alignment__temperature": 0.1, "alignment__epsilon": 0.4}


def step(backend: str | None) -> tuple[dict[str, float], dict[str, Tensor], list[str]]:
    """Returns the generator's losses, its gradients, and the names of the networks' tensors."""
    experiment = tiny_experiment(discriminator__scales=1, **SMOOTH)
    network = build_network(experiment.model)
    discriminator = build_discriminator(experiment.model, experiment.discriminator)
    if backend is not None:
        compile_networks(network, discriminator, backend)
    result = generator_losses(
        network, discriminator, load_backbone("random"), tiny_batch(), experiment.losses
    )
    weigh(result.values, experiment.losses).backward()
    values = {name: value.item() for name, value in result.values.items()}
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    return values, gradients, [*network.state_dict(), *discriminator.state_dict()]


def test_a_captured_step_is_the_same() -> None:
    """Captures the whole networks, which takes a compiler minutes, and runs them uncompiled."""
    torch.compiler.reset()
    counters.clear()
    expected, pull, names = step(None)
    found, captured, same_names = step("eager")
    assert names == same_names
    assert not counters["graph_break"]
    # Both extractors, the generator, and the discriminator with and without gradients.
    assert counters["stats"]["unique_graphs"] >= 5
    assert found == pytest.approx(expected, rel=1e-4)
    a, b = (torch.cat([g.flatten() for g in each.values()]) for each in (captured, pull))
    assert float(torch.cosine_similarity(a, b, dim=0)) > 0.999


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler: no g++")
@pytest.mark.parametrize("training", [True, False])
def test_a_compiled_layer_computes_the_same(training: bool) -> None:
    torch.compiler.reset()
    experiment = tiny_experiment()
    plain = build_network(experiment.model).alignment.exemplar_extractor.step2.train(training)
    compiled = copy.deepcopy(plain)
    compiled.compile()
    x = torch.randn(2, 6, 8, 8).to(memory_format=torch.channels_last)
    outcomes = [outcome(layer, x) for layer in (plain, compiled)]
    for found, expected in zip(*outcomes, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def outcome(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Returns a layer's result, gradients and buffers."""
    x = x.clone().requires_grad_()
    y = layer(x)
    kept, weights = y.detach().clone(), list(layer.parameters())
    return [
        kept,
        *torch.autograd.grad(y.square().sum() + y[0].sum(), (x, *weights)),
        *layer.buffers(),
    ]


def test_recomputation_is_refused() -> None:
    network: TranslationNetwork = build_network(tiny_experiment().model)
    set_recompute(network, True)
    with pytest.raises(ValueError, match="switch off either recompute or compile"):
        compile_networks(network, None)
