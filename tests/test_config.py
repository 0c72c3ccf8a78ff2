"""Configurations refuse what they do not know and survive JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from rabit.config import (
    AlignmentConfig,
    DiscriminatorConfig,
    ExperimentConfig,
    GeneratorConfig,
    LossConfig,
    ModelConfig,
    PatchMatchConfig,
    TrainConfig,
    TransportConfig,
)
from rabit.fields import from_dict, to_dict
from rabit.model.discriminator import Discriminator
from rabit.presets import PRESETS, preset


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_survive_json(name: str) -> None:
    config = preset(name, ("sky", "road", "tree"))
    text = json.dumps(to_dict(config))
    assert from_dict(ExperimentConfig, json.loads(text)) == config


def test_paper_preset_is_the_papers_setting() -> None:
    config = preset("paper", ("sky", "road"))
    assert config.model.image_size == (256, 256)
    assert (config.model.alignment.method, config.model.alignment.block) == ("ranking", 2)
    assert (config.model.alignment.k, config.model.alignment.position) == (3, "semantic")
    train = config.train
    assert (train.lr_generator, train.lr_discriminator) == (1e-4, 4e-4)
    assert (train.beta1, train.beta2) == (0.0, 0.999)
    assert all(config.losses.weights()[n] > 0 for n in ("cyc", "cst", "perc", "cxt", "pse", "adv"))


def test_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no preset 'big'.*paper, ade20k"):
        preset("big", ("sky",))


def _changed(path: str, value: Any) -> dict[str, Any]:
    data = to_dict(preset("small", ("sky", "road")))
    target = data
    *sections, field = path.split(".")
    for section in sections:
        target = target[section]
    target[field] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("model.colour", 3, "config.model: unknown field colour; known fields are name"),
        ("model.alignment.k", "three", r"config.model.alignment.k is 'three', expected int"),
        ("model.alignment.k", True, "config.model.alignment.k is True, expected int"),
        ("model.alignment.k", 0, "alignment.k is 0, expected a number above 0"),
        ("model.alignment.method", "sinkhorn", "expected one of ranking, dense"),
        ("model.alignment.stride", 3, "alignment.stride is 3, expected 2 .* or 4"),
        ("model.alignment.stride", 0, "alignment.stride is 0, expected 2 .* or 4"),
        ("model.alignment.stride", 4.0, "config.model.alignment.stride is 4.0, expected int"),
        ("model.alignment.epsilon", -1.0, "alignment.epsilon is -1.0"),
        ("model.alignment.epsilon", 1e-30, "alignment.epsilon is 1e-30, expected at least 1e-12"),
        ("model.alignment.temperature", 1e-9, "alignment.temperature is 1e-09, expected at least"),
        ("model.alignment.channels", 1, "alignment.channels is 1, expected at least 2"),
        ("model.alignment.transport.tolerance", 0.0, "transport.tolerance is 0.0, expected a num"),
        ("model.alignment.transport.iterations", 0.5, "transport.iterations is 0.5, expected int"),
        ("model.alignment.shortlist", -1, "alignment.shortlist is -1, expected 0 or more"),
        ("model.alignment.shortlist", 2, "alignment.k is 3, but alignment.shortlist has 2 blocks"),
        ("model.image_size", [100, 128], "expected height and width that are multiples of 16"),
        ("model.image_size", [128], "config.model.image_size has 1 entries, expected 2"),
        ("model.features.widths", [1, 2], "features.widths has 2 entries, expected 6"),
        ("model.generator.widths", [8, 8], "generator.widths has 2 entries, expected 5 or 6"),
        ("model.condition.classes", ["a", "a"], "expected distinct names"),
        ("discriminator.widths", 8, "config.discriminator.widths is 8, expected a list"),
        ("discriminator.scales", 10**10, "scales is 10000000000, expected 1 to 10"),
        ("losses.adv", -1.0, "losses.adv is -1.0, expected 0 or more"),
        ("losses.perc_layers", [], "perc_layers has no layer .* but losses.perc is on"),
        ("losses.cxt_layers", [["relu3_2", 0.0]], "cxt_layers has no layer .* losses.cxt is on"),
        ("losses.pse_layers", [["relu1_2", -1.0]], r"pse_layers\[0\]\[1\] is -1.0, expected 0 or"),
        ("losses.backbone", "none", "perc, cxt, pse need one"),
        ("model.alignment.method", "none", "the losses cyc, cst, warp need a correspondence"),
        ("train.beta1", 1.0, r"train.beta1 is 1.0, expected \[0, 1\)"),
        ("train.decay_steps", 10**9, "more than train.steps"),
        ("train", [], "config.train: found list, expected a mapping"),
    ],
)
def test_wrong_fields_are_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_dict(ExperimentConfig, _changed(path, value))


def test_a_shortlist_needs_two_levels_and_concatenation() -> None:
    assert AlignmentConfig(shortlist=16).options()["shortlist"] == 16
    for other in ({"coarse": (4,)}, {"descriptor": "mean"}):
        with pytest.raises(ValueError, match="alignment.shortlist is 16, .* leave one out"):
            AlignmentConfig(shortlist=16, **other)


def test_stride_covers_generator_and_blocks() -> None:
    model = ModelConfig(
        image_size=(192, 192),
        alignment=AlignmentConfig(block=6),
        generator=GeneratorConfig(widths=(8, 8, 8, 8, 8)),
    )
    assert model.stride == 48
    coarse = AlignmentConfig(block=2, coarse=(24, 6))
    assert replace(model, alignment=coarse).stride == 48
    quarter = replace(coarse, stride=4)
    assert replace(model, alignment=quarter).stride == 96
    with pytest.raises(ValueError, match=r"of 96 \(of the generator's stride, 16, .* block, 96\)"):
        replace(model, image_size=(144, 192), alignment=quarter)


@pytest.mark.parametrize("coarse", ((2,), (3,), (4, 8), (8, 3)))
def test_larger_blocks_are_whole_numbers_of_smaller_ones(coarse: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="alignment.coarse is .*largest first, each a multiple"):
        AlignmentConfig(block=2, coarse=coarse)


def test_blocks_inside_larger_ones_do_not_overlap() -> None:
    assert AlignmentConfig(overlap=True).options()["overlap"] is True
    with pytest.raises(ValueError, match="alignment.overlap is on and alignment.coarse is .4,."):
        AlignmentConfig(overlap=True, coarse=(4,))


def test_every_option_reaches_the_method() -> None:
    options = AlignmentConfig(coarse=(8, 4), coarse_k=5).options()
    assert (options["coarse"], options["coarse_k"], options["k"]) == ((8, 4), 5, 3)
    solver = TransportConfig(tolerance=1e-3, iterations=50)
    options = AlignmentConfig(method="transport", transport=solver, temperature=0.02).options()
    assert options == {"temperature": 0.02, "tolerance": 1e-3, "iterations": 50}
    for method in ("dense", "dense-stored"):
        assert AlignmentConfig(method=method).options() == {"temperature": 0.01}


def test_k_beyond_the_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="alignment.k is 300, but there are 256 blocks"):
        ModelConfig(image_size=(64, 64), alignment=AlignmentConfig(k=300))
    many = AlignmentConfig(k=300, overlap=True)
    assert ModelConfig(image_size=(64, 64), alignment=many).alignment.k == 300
    with pytest.raises(ValueError, match="alignment.k is 962, but there are 961 blocks"):
        ModelConfig(image_size=(64, 64), alignment=replace(many, k=962))
    with pytest.raises(ValueError, match="alignment.k is 65, but there are 64 blocks"):
        ModelConfig(image_size=(64, 64), alignment=AlignmentConfig(k=65, stride=4))


@pytest.mark.parametrize(("stride", "positions"), [(2, 1024), (4, 256)])
def test_candidates_beyond_the_positions_are_refused(stride: int, positions: int) -> None:
    def model(candidates: int) -> ModelConfig:
        search = PatchMatchConfig(candidates=candidates)
        alignment = AlignmentConfig(method="patchmatch", stride=stride, patchmatch=search)
        return ModelConfig(image_size=(64, 64), alignment=alignment)

    assert model(positions).alignment.patchmatch.candidates == positions
    message = f"candidates is {positions + 1}, but there are {positions} positions"
    with pytest.raises(ValueError, match=message):
        model(positions + 1)


def test_whole_numbers_pass_as_floats() -> None:
    assert from_dict(LossConfig, {"cyc": 2}).cyc == 2.0
    assert isinstance(from_dict(TrainConfig, {"beta1": 0}).beta1, float)


def test_losses_may_not_all_be_off() -> None:
    off = dict.fromkeys(LossConfig().weights(), 0.0)
    with pytest.raises(ValueError, match="every weight in losses is 0"):
        from_dict(LossConfig, off)


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_samples_that_the_discriminator_cannot_judge_are_refused(scales: int) -> None:
    config = replace(
        preset("small", ("sky", "road")), discriminator=DiscriminatorConfig(scales=scales)
    )
    least = config.discriminator.smallest
    judge = Discriminator(1, (4, 4, 4, 4), scales, attention=False)
    assert judge(torch.zeros(1, 0, least, least), torch.rand(1, 1, least, least))[-1].scores.numel()
    with pytest.raises((ValueError, RuntimeError)):
        judge(torch.zeros(1, 0, least - 4, 96), torch.rand(1, 1, least - 4, 96))
    message = rf"\(model.image_size times train.window\), expected at least {least} a side"
    refused, taken = (least - 1) // 16 * 16, -(-least // 16) * 16
    with pytest.raises(ValueError, match=f"{refused} x {refused} pixels {message}"):
        replace(config, model=replace(config.model, image_size=(refused, refused)))
    replace(config, model=replace(config.model, image_size=(taken, taken)))
    unjudged = replace(config.losses, adv=0.0, fm=0.0)
    replace(config, losses=unjudged, model=replace(config.model, image_size=(refused, refused)))
