"""Presets and what is changed about them by name."""

from __future__ import annotations

import pytest

from rabit.layers.perceptual import random_backbone
from rabit.presets import preset, with_backbone


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
