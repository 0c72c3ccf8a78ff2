from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from rabit.config import ExperimentConfig
from rabit.model.network import build_network
from rabit.training.checkpoint import new_state
from rabit.training.starting import start_from
from tiny import tiny_experiment


def weights(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def with_classes(config: ExperimentConfig, count: int) -> ExperimentConfig:
    names = tuple(f"class {number}" for number in range(count))
    condition = replace(config.model.condition, classes=names)
    return replace(config, model=replace(config.model, condition=condition))


def test_network_and_average_get_the_weights_and_the_discriminator_none() -> None:
    state = new_state(tiny_experiment())
    other = build_network(state.config.model, seed=5)
    before = weights(state.discriminator)
    assert not torch.equal(next(state.network.parameters()), next(other.parameters()))
    assert start_from(state, other, "other") == []
    for name, tensor in other.state_dict().items():
        assert torch.equal(state.network.state_dict()[name], tensor)
        assert torch.equal(state.averaged.state_dict()[name], tensor)
    for name, tensor in before.items():
        assert torch.equal(state.discriminator.state_dict()[name], tensor)


def test_a_run_gives_its_average_and_its_discriminator_as_well() -> None:
    config = tiny_experiment()
    state = new_state(replace(config, train=replace(config.train, seed=5)))
    run, average = new_state(config), build_network(config.model, seed=6)
    assert start_from(state, run.network, "run", average, run.discriminator) == []
    for own, given in (
        (state.network, run.network),
        (state.averaged, average),
        (state.discriminator, run.discriminator),
    ):
        taken = weights(given)
        assert weights(own).keys() == taken.keys()
        assert all(torch.equal(tensor, taken[name]) for name, tensor in weights(own).items())


def test_a_discriminator_of_other_widths_starts_anew() -> None:
    state, run = new_state(tiny_experiment()), new_state(tiny_experiment(discriminator__scales=1))
    before = weights(state.discriminator)
    anew = start_from(state, run.network, "run", run.averaged, run.discriminator)
    second = {name for name in before if name.startswith("discriminators.1.")}
    assert second and set(anew) == {f"discriminator.{name}" for name in second}
    for name, tensor in weights(state.discriminator).items():
        taken = before if name in second else run.discriminator.state_dict()
        assert torch.equal(tensor, taken[name])


def test_what_has_another_shape_starts_anew() -> None:
    config = tiny_experiment()
    state = new_state(with_classes(config, 9))
    before = weights(state.network)
    other = build_network(with_classes(config, 4).model, seed=5)
    anew = start_from(state, other, "other")
    assert 0 < len(anew) < len(before)
    for name, tensor in state.network.state_dict().items():
        kept, taken = before[name], other.state_dict()[name]
        assert (kept.shape != taken.shape) == (name in anew)
        assert torch.equal(tensor, kept if name in anew else taken)


def test_a_model_of_another_kind_is_refused() -> None:
    state = new_state(tiny_experiment())
    before = weights(state.network)
    wider = tiny_experiment(
        features__widths=[8, 12, 12, 12, 12, 12],
        generator__widths=[16, 16, 14, 12, 12],
        generator__stem=16,
    )
    other = build_network(wider.model, seed=5)
    with pytest.raises(ValueError, match=r"^other: \d+ % of the network's weights are in it"):
        start_from(state, other, "other")
    assert all(torch.equal(before[name], each) for name, each in state.network.state_dict().items())
