"""Presets and what is changed about them by name."""

from __future__ import annotations

from typing import Any

import pytest

from rabit.layers.perceptual import random_backbone
from rabit.model.network import build_network
from rabit.presets import PRESETS, preset, preset_kind, with_backbone


def test_the_ablation_differs_from_small_in_alignment_and_its_losses_only() -> None:
    full, ablation = preset("small", ("sky", "road")), preset("small-unaligned", ("sky", "road"))
    assert ablation.model.alignment.method == "none"
    assert ablation.model.generator.injection == "concat"
    assert (ablation.losses.cyc, ablation.losses.cst, ablation.losses.warp) == (0, 0, 0)
    assert ablation.train == full.train and ablation.discriminator == full.discriminator
    assert ablation.model.features == full.model.features
    for name in ("perc", "cxt", "pse", "adv", "fm", "backbone", "pse_layers", "cxt_layers"):
        assert getattr(ablation.losses, name) == getattr(full.losses, name)


def test_small_reads_layers_that_its_backbone_has() -> None:
    losses = preset("small", ("sky", "road")).losses
    random_backbone().check(losses.layers())
    assert "relu1_2" in losses.layers() and "relu4_2" in losses.layers()


def test_the_distilled_network_stands_in_for_relu5_2() -> None:
    losses = with_backbone(preset("paper", ("sky", "road")).losses, "vgg19-distilled")
    assert losses.backbone == "vgg19-distilled"
    assert "relu5_2" not in losses.layers() and "relu5_1" in losses.layers()


def test_no_backbone_turns_off_what_needs_one() -> None:
    losses = with_backbone(preset("small", ("sky", "road")).losses, "none")
    assert losses.layers() == () and losses.adv > 0


def test_unknown_backbone() -> None:
    with pytest.raises(ValueError, match="losses.backbone is 'alexnet', expected one of vgg19"):
        with_backbone(preset("small", ("sky", "road")).losses, "alexnet")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ade20k", "semantic"),
        ("celebahq", "semantic"),
        ("celebahq-edge", "edge"),
        ("deepfashion", "pose"),
    ],
)
def test_a_task_has_one_kind_of_condition(name: str, kind: str) -> None:
    for each in (name, f"{name}-small"):
        assert preset_kind(each) == kind
        config = preset(each, ("one", "two"))
        assert config.model.condition.kind == kind and config.model.name == each
    other: Any = "pose" if kind != "pose" else "edge"
    with pytest.raises(ValueError, match=f"preset {name} is for {kind} conditions, but the data"):
        preset(name, ("one", "two"), other)


def test_presets_without_a_task_take_any_kind() -> None:
    for name in ("paper", "small", "small-unaligned"):
        assert preset_kind(name) is None
        assert preset(name, ("one",), "pose").model.condition.kind == "pose"
        assert preset(name, ("one",)).model.condition.kind == "semantic"
    with pytest.raises(ValueError, match="no preset 'big'"):
        preset_kind("big")


def test_recipes_for_photographs() -> None:
    for name, kind, size in (
        ("facades", "semantic", (256, 256)),
        ("faces", "semantic", (256, 256)),
        ("fashion", "semantic", (384, 256)),
        ("fashion-pose", "pose", (384, 256)),
        ("fashion-edges", "edge", (384, 256)),
    ):
        config = preset(name, ("one", "two"))
        assert preset_kind(name) == kind == config.model.condition.kind
        assert config.model.image_size == size and config.model.name == name
        assert config.train.jitter > 0 and config.losses.backbone == "vgg19-distilled"
    small, facades = preset("facades-small", ("one",)), preset("facades", ("one",))
    assert small.losses == facades.losses and small.train.mix == facades.train.mix
    assert small.model.features == preset("small", ("one",)).model.features
    assert preset_kind("facades-small") == "semantic" and preset_kind("base") is None


def test_the_base_model_is_small_enough_to_ship() -> None:
    classes = tuple(str(i) for i in range(20))
    tensors = build_network(preset("base", classes).model).state_dict().values()
    assert 2 * sum(tensor.numel() for tensor in tensors) < 40e6  # bytes in float16


def test_task_weights_are_the_peers() -> None:
    weights = {name: preset(name, ("one",)).losses for name in PRESETS}
    assert weights["ade20k"].perc_layers == (("relu5_2", 1.0),) and weights["ade20k"].perc == 0.01
    # 10 and 1, and 100 below, of means over four samples that are divided by their number again.
    assert weights["ade20k"].pse == 0.25 and weights["paper"].pse == 2.5
    assert weights["celebahq"].cyc == 0.1 and weights["celebahq-edge"].cyc == 1
    assert weights["deepfashion"].warp == 25 and weights["celebahq"].warp == 0
    assert preset("ade20k", ("one",)).model.features.attention
    for name in ("paper", "ade20k", "celebahq", "celebahq-edge", "deepfashion"):
        config = preset(name, ("one",))
        assert config.model.init_gain == 0.02
        assert config.model.features.last_norm
        assert config.model.features.shortcut == config.model.generator.shortcut == "spade"
    schedule = preset("deepfashion", ("one",)).train
    assert schedule.steps == 100 * 47_719 // 8 and schedule.decay_steps == schedule.steps // 2
