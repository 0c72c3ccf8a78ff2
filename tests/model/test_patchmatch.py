"""A model whose correspondence is PatchMatch: its refiner is a part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from rabit.config import ExperimentConfig, ModelConfig
from rabit.fields import from_dict, to_dict
from rabit.inference import Translator
from rabit.model.network import build_network
from rabit.model.storage import load_model, save_model
from rabit.training.checkpoint import new_state
from tiny import step, tiny_batch, tiny_experiment


def experiment(gain: float = 1.0, **search: Any) -> ExperimentConfig:
    """Returns the tiny experiment with PatchMatch; search are fields of its own section."""
    data = to_dict(tiny_experiment(64, alignment__method="patchmatch"))
    data["model"]["init_gain"] = gain
    data["model"]["alignment"]["patchmatch"].update(search)
    return from_dict(ExperimentConfig, data)


@pytest.mark.parametrize("gain", (0.02, 1.0))
@pytest.mark.parametrize("start", (8, 64))
def test_every_parameter_learns(gain: float, start: int) -> None:
    state = new_state(experiment(gain, start=start, refiner_width=6))
    before = {n: p.detach().clone() for n, p in state.network.named_parameters()}
    assert any(name.startswith("alignment.refiner.") for name in before)
    step(state, tiny_batch(2))
    for name, parameter in state.network.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert bool((parameter.grad != 0).any()), name
        assert not torch.equal(parameter, before[name]), name


def test_saved_and_loaded_models_translate_alike(tmp_path: Path) -> None:
    config = experiment(candidates=6, iterations=2).model
    network = build_network(config, seed=1)
    save_model(tmp_path, network, config)
    stored = load_model(tmp_path)
    assert stored.config == config
    for (name, a), b in zip(
        network.state_dict().items(), stored.network.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
    labels, exemplar = torch.zeros(64, 64, dtype=torch.uint8).numpy(), tiny_batch(1).exemplar
    images = [
        Translator(loaded, config).translate(labels, exemplar, seed=seed).image
        for loaded, seed in ((network, 2), (stored.network, 2), (stored.network, 3))
    ]
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def warped(config: ModelConfig) -> torch.Tensor:
    batch = tiny_batch(2)
    network = build_network(config, seed=1).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        alignment = network.alignment(batch.condition, batch.exemplar, batch.exemplar_condition)
    return alignment.warped_exemplar


@pytest.mark.parametrize(
    ("field", "value"),
    (
        ("candidates", 3),
        ("iterations", 1),
        ("start", 8),
        ("refiner_width", 5),
        ("refiner_width", 0),
    ),
)
def test_options_change_the_match(field: str, value: int) -> None:
    assert not torch.equal(warped(experiment().model), warped(experiment(**{field: value}).model))


def test_the_refiner_starts_small_and_its_reach_is_the_configured_one() -> None:
    refiner = build_network(experiment(refiner_reach=0.7).model).alignment.refiner
    assert refiner is not None
    assert refiner.reach == 0.7
    assert 0 < float(refiner.change.weight.detach().abs().max()) < 0.02


def test_other_methods_have_no_refiner() -> None:
    for method in ("ranking", "dense", "none"):
        network = build_network(tiny_experiment(64, alignment__method=method).model)
        assert network.alignment.refiner is None
    without = build_network(experiment(refiner_width=0).model)
    ranking = build_network(tiny_experiment(64).model)
    assert list(without.state_dict()) == list(ranking.state_dict())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    (
        ("candidates", 0, "alignment.patchmatch.candidates is 0"),
        ("candidates", 1025, "candidates is 1025, but there are 1024 positions"),
        ("iterations", 0, "alignment.patchmatch.iterations is 0"),
        ("start", -1, "alignment.patchmatch.start is -1"),
        ("refiner_width", -1, "alignment.patchmatch.refiner_width is -1"),
        ("refiner_reach", 0.0, "alignment.patchmatch.refiner_reach is 0.0"),
    ),
)
def test_wrong_fields_are_named(field: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        experiment(**{field: value})
