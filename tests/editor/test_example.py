"""Examples: recipes of generated pictures for models that were trained on such."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rabit
from rabit.data.edges import EDGE_CHANNELS
from rabit.editor.checks import Limits
from rabit.editor.example import example_recipe, shipped_recipe
from rabit.editor.recipe import parse_recipe
from rabit.editor.run import run_recipe
from rabit.editor.service import Service, load_models
from rabit.model.sources import find_model, model_examples
from recipes import MODELS, model_of, translator_of


@pytest.mark.parametrize("model", ["scenes", "unaligned", "faces", "face-edges", "poses"])
def test_an_example_is_a_recipe_for_its_model(model: str) -> None:
    document: Any = example_recipe(MODELS[model], 2)
    recipe = parse_recipe(document, MODELS)
    assert (recipe.task, recipe.model, recipe.outputs) == ("translate", model, ("image",))
    (exemplar,) = recipe.exemplars
    assert exemplar.condition is not None
    assert recipe.condition.size == exemplar.condition.size == exemplar.image.size == (64, 64)
    assert document["condition"] != document["exemplars"][0]["condition"]
    assert run_recipe(translator_of(model), recipe, ["image"]).image

    assert example_recipe(MODELS[model], 2) == document
    assert example_recipe(MODELS[model], 3) != document


def test_the_exemplar_s_condition_is_its_own() -> None:
    """Every class has a material of its own: colours within regions are alike."""
    recipe = parse_recipe(example_recipe(MODELS["scenes"], 0), MODELS)
    (exemplar,) = recipe.exemplars
    assert exemplar.condition is not None
    labels, pixels = exemplar.condition.content, exemplar.image.pixels.astype(float)
    assert isinstance(labels, np.ndarray)

    def spread(ids: np.ndarray) -> float:
        means = np.zeros_like(pixels)
        for i in np.unique(ids):
            means[ids == i] = pixels[ids == i].mean(axis=0)
        return float(np.square(pixels - means).mean())

    assert isinstance(recipe.condition.content, np.ndarray)
    assert spread(labels) < 0.6 * spread(recipe.condition.content)


def test_an_example_has_the_model_s_size() -> None:
    config = replace(MODELS["scenes"], image_size=(96, 128))
    recipe = parse_recipe(example_recipe(config, 0), MODELS)
    assert recipe.condition.size == recipe.exemplars[0].image.size == (96, 128)
    small = replace(MODELS["scenes"], image_size=(32, 64))
    assert parse_recipe(example_recipe(small, 0), MODELS).condition.size == (64, 64)


def test_other_models_have_none() -> None:
    assert example_recipe(MODELS["strange"], 0) is None
    assert example_recipe(model_of("own", "semantic", ("a", "b")), 0) is None
    assert example_recipe(model_of("lines", "edge", EDGE_CHANNELS), 0) is None


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seed is -1, expected 0 or more"):
        example_recipe(MODELS["scenes"], -1)


def test_pictures_that_come_with_a_model_are_its_examples() -> None:
    """Every layout with every other picture's look, and none with its own."""
    config, folder = rabit.load("facades").config, find_model("facades")
    pairs = len(model_examples(folder))
    seen = []
    for seed in range(pairs * (pairs - 1)):
        document: Any = shipped_recipe("facades", folder, seed)
        recipe = parse_recipe(document, {"facades": config})
        (exemplar,) = recipe.exemplars
        assert exemplar.condition is not None
        assert recipe.condition.size == exemplar.image.size == config.image_size
        own, other = document["condition"]["labels"], document["exemplars"][0]["image"]
        assert document["exemplars"][0]["condition"]["labels"] != own
        seen.append((own, other))
    assert len(set(seen)) == len(seen)
    assert shipped_recipe("facades", folder, len(seen)) == shipped_recipe("facades", folder, 0)
    assert shipped_recipe("scenes-small", find_model("scenes-small"), 0) is None


@pytest.mark.parametrize("given", ["facades", str(find_model("facades"))])
def test_the_editor_begins_with_them(given: str) -> None:
    """Also where the model is given as a folder."""
    service = Service(load_models([given], "cpu"), Limits())
    (name,) = service.translators
    recipe = service.parse(service.example(name, 1))
    assert recipe.model == name
    assert run_recipe(service.translators[name], recipe, ["image"]).image is not None
