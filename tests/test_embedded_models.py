"""The models that come with the package: there, small, described, and better than the baselines."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import rabit
from networks import random_networks
from rabit.ablation.measure import measure
from rabit.data.scenes import CLASSES, Scenes
from rabit.evaluation.baselines import (
    COPIED,
    MEAN_COLOURS,
    class_mean_colours,
    exemplar_copied,
)
from rabit.evaluation.results import BaselineResults, ModelResults, Results
from rabit.evaluation.testset import Counts, scenes_test_set
from rabit.metrics.pixels import psnr

NAMES = ("scenes-small", "scenes-small-unaligned")


def folder_of(name: str) -> Path:
    return Path(str(resources.files("rabit") / "models" / name))


def test_they_are_there() -> None:
    assert rabit.embedded_models() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_half_precision_and_small(name: str) -> None:
    path = folder_of(name) / "model.safetensors"
    assert path.stat().st_size < 15_000_000
    kinds = {tensor.dtype for tensor in load_file(path).values()}
    assert kinds == {torch.float16}
    config = json.loads((folder_of(name) / "config.json").read_text())
    assert config["name"] == name and tuple(config["condition"]["classes"]) == CLASSES


@pytest.mark.parametrize("name", NAMES)
def test_cards_say_what_was_done(name: str) -> None:
    card = (folder_of(name) / "card.md").read_text()
    for word in ("seed", "steps", "minutes", "Losses", "Command", "Held-out figures", "Limits"):
        assert word in card, word


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_changes_no_more_than_is_seen(name: str) -> None:
    sample = Scenes(1, (128, 128), seed=10_001)[0]
    maps = [each.regions.numpy() for each in (sample.condition, sample.exemplar_condition)]
    exact, rounded = (
        rabit.load(name, precision).translate(maps[0], sample.exemplar, maps[1]).image
        for precision in ("float32", "bfloat16")
    )
    assert 40 < psnr(rounded, exact).item() < 70


@pytest.fixture(scope="module")
def figures() -> dict[str, dict[str, float]]:
    """Of twelve of the 200 scenes that the cards' tables are made of."""
    test = scenes_test_set(
        Counts(conditions=12, edits=2, exemplars=1), (128, 128), protocols=("translation",)
    )
    methods: dict[str, Results] = {name: ModelResults(rabit.load(name)) for name in NAMES}
    methods[COPIED] = BaselineResults(exemplar_copied, len(CLASSES))
    methods[MEAN_COLOURS] = BaselineResults(class_mean_colours, len(CLASSES))
    networks = random_networks()
    return {
        name: measure(results, test, networks, torch.device("cpu")).figures
        for name, results in methods.items()
    }


@pytest.mark.parametrize("baseline", [COPIED, MEAN_COLOURS, "scenes-small-unaligned"])
def test_the_embedded_model_beats(figures: dict[str, dict[str, float]], baseline: str) -> None:
    model, other = figures["scenes-small"], figures[baseline]
    assert model["translation.psnr"] > other["translation.psnr"]
    assert model["translation.ssim"] > other["translation.ssim"]
    assert model["translation.perceptual"] < other["translation.perceptual"]
