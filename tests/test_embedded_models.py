"""The models that come with the package: there, small, described, and better than the baselines."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import rabit
from rabit.data.scenes import CLASSES, Scenes
from rabit.evaluation.benchmark import Benchmark, Row, evaluate
from rabit.layers.perceptual import random_backbone

NAMES = ("scenes-small", "scenes-small-unaligned")
HELD_OUT_SEED = 20_000_000


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


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    models = {name: rabit.load(name) for name in NAMES}
    result: Benchmark = evaluate(models, Scenes(12, (128, 128), HELD_OUT_SEED), random_backbone())
    return {row.name: row for row in result.rows}


@pytest.mark.parametrize(
    "baseline", ["exemplar copied", "class mean colours", "scenes-small-unaligned"]
)
def test_the_embedded_model_beats(rows: dict[str, Row], baseline: str) -> None:
    """Twelve of the 200 scenes that the card's table is made of."""
    model, other = rows["scenes-small"], rows[baseline]
    assert model.psnr.mean > other.psnr.mean
    assert model.ssim.mean > other.ssim.mean
    assert model.distance.mean < other.distance.mean
