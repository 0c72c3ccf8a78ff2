from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rabit.config import ModelConfig
from rabit.data.images import to_tensor
from rabit.data.match_picture import draw_matches
from rabit.data.pictures import palette
from rabit.data.scenes import CLASSES
from rabit.evaluation.matches import match_figures, match_picture
from rabit.fields import from_dict, to_dict
from rabit.inference import Translator
from rabit.model.network import build_network
from tiny import tiny_experiment

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, len(CLASSES), (2, 6, 8)).repeat(8, 1).repeat(8, 2)
PHOTOS = RNG.integers(0, 256, (2, 80, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def translator() -> Translator:
    config = tiny_experiment(64).model
    return Translator(build_network(config, seed=1), config)


@pytest.mark.parametrize("index", [0, 1])
def test_the_item_of_a_batch_is_drawn(translator: Translator, index: int) -> None:
    result = translator.translate(LABELS, PHOTOS)
    assert result.matches is not None
    expected = draw_matches(
        palette(len(CLASSES))[LABELS[index]],
        PHOTOS[index],
        result.matches[index].numpy(),
        result.confidence[index, 0].numpy(),
        7,
    )
    picture = match_picture(translator, result, LABELS, PHOTOS, lines=7, index=index)
    assert np.array_equal(np.asarray(picture), expected)


def test_one_exemplar_serves_a_batch(translator: Translator) -> None:
    result = translator.translate(LABELS, PHOTOS[1])
    picture = match_picture(translator, result, LABELS, to_tensor(PHOTOS[1]), index=1)
    both = match_picture(translator, result, LABELS, PHOTOS[[1, 1]], index=1)
    assert np.array_equal(np.asarray(picture), np.asarray(both))


def test_edges_are_drawn_as_well() -> None:
    data = to_dict(tiny_experiment(64, alignment__position="image").model)
    data["condition"] = {"kind": "edge", "classes": ["edge", "distance"]}
    config = from_dict(ModelConfig, data)
    other = Translator(build_network(config, seed=1), config)
    edges = torch.rand(2, 64, 64)
    result = other.translate(edges, PHOTOS[0])
    assert match_picture(other, result, edges, PHOTOS[0]).width == 1304


def test_other_inputs_than_the_translation_s_are_refused(translator: Translator) -> None:
    result = translator.translate(LABELS[0], PHOTOS[0])
    with pytest.raises(ValueError, match="give the condition that was translated"):
        match_picture(translator, result, LABELS[0, :40], PHOTOS[0])
    with pytest.raises(ValueError, match="give the exemplar that was translated"):
        match_picture(translator, result, LABELS[0], PHOTOS[0, :20, :20])
    with pytest.raises(ValueError, match="lines is -1"):
        match_picture(translator, result, LABELS[0], PHOTOS[0], lines=-1)


def test_without_alignment_there_is_nothing_to_draw(translator: Translator) -> None:
    config = tiny_experiment(64, alignment__method="none").model
    plain = Translator(build_network(config, seed=1), config)
    result = plain.translate(LABELS[0], PHOTOS[0])
    with pytest.raises(ValueError, match=f"model {config.name} has no alignment.*scenes-small"):
        match_picture(plain, result, LABELS[0], PHOTOS[0])
    with pytest.raises(ValueError, match="give the translator that made it"):
        match_picture(translator, result, LABELS[0], PHOTOS[0])


def test_figures_are_those_of_the_item(translator: Translator) -> None:
    result = translator.translate(LABELS, PHOTOS)
    confidence = torch.zeros(2, 1, 48, 64)
    confidence[1, 0, :12] = 0.9
    confidence[1, 0, 12:] = 0.5
    result = replace(result, confidence=confidence)
    assert match_figures(result).confident == match_figures(result).median == 0
    assert match_figures(result, 1).confident == 0.25
    assert match_figures(result, 1).median == 0.5
