"""Presets: every experiment is a function that returns its configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rabit.config import (
    AlignmentConfig,
    ConditionConfig,
    DiscriminatorConfig,
    ExperimentConfig,
    FeatureConfig,
    GeneratorConfig,
    LossConfig,
    ModelConfig,
    TrainConfig,
)


def paper(classes: tuple[str, ...]) -> ExperimentConfig:
    """The paper's setting: 256x256 images, 128x128 correspondence, 2x2 blocks, k = 3, the
    CoCosNet family's widths, batch norm, Adam 1e-4 / 4e-4 with beta (0, 0.999).

    Args:
        classes: names of the condition's classes.
    """
    return ExperimentConfig(
        model=ModelConfig(
            name="paper", condition=ConditionConfig(classes=classes), image_size=(256, 256)
        )
    )


def small(classes: tuple[str, ...]) -> ExperimentConfig:
    """A model for a CPU: 128x128 images, 64x64 correspondence, the same parts made narrow.

    It differs from `paper` in widths, in positional instead of batch norm (a batch of 4 has poor
    statistics), in larger first weights and learning rates (the budget is thousands of steps,
    not hundreds of thousands), in a direct warp loss and in a perceptual backbone that needs no
    file.

    Args:
        classes: names of the condition's classes.
    """
    return ExperimentConfig(
        model=ModelConfig(
            name="small",
            image_size=(128, 128),
            condition=ConditionConfig(classes=classes),
            features=FeatureConfig(widths=(16, 24, 32, 48, 48, 32), hidden=16, norm="position"),
            alignment=AlignmentConfig(channels=48, head_width=48, head_blocks=1),
            generator=GeneratorConfig(
                widths=(192, 128, 96, 48, 24),
                stem=192,
                hidden=16,
                injection_width=24,
                norm="position",
                attention=True,
            ),
            init_gain=1.0,
        ),
        discriminator=DiscriminatorConfig(widths=(32, 64, 96, 128), attention=True),
        losses=LossConfig(
            backbone="random",
            perc=1.0,
            cxt=0.1,
            adv=0.2,
            fm=1.0,
            warp=10.0,
            pse_layers=(
                ("relu1_2", 1.0),
                ("relu2_2", 0.25),
                ("relu3_2", 0.25),
                ("relu4_2", 0.25),
                ("relu5_2", 0.25),
            ),
        ),
        train=TrainConfig(
            steps=2100,
            decay_steps=700,
            batch=4,
            lr_generator=5e-4,
            lr_discriminator=5e-4,
            ema=0.999,
            log_every=10,
            sample_every=250,
            checkpoint_every=250,
        ),
    )


def small_unaligned(classes: tuple[str, ...]) -> ExperimentConfig:
    """`small` without alignment: condition and unwarped exemplar are concatenated.

    Args:
        classes: names of the condition's classes.
    """
    config = small(classes)
    return replace(
        config,
        model=replace(
            config.model,
            name="small-unaligned",
            alignment=replace(config.model.alignment, method="none"),
            generator=replace(config.model.generator, injection="concat"),
        ),
        losses=replace(config.losses, cyc=0.0, cst=0.0, warp=0.0),
    )


PRESETS: dict[str, Callable[[tuple[str, ...]], ExperimentConfig]] = {
    "paper": paper,
    "small": small,
    "small-unaligned": small_unaligned,
}


def preset(name: str, classes: tuple[str, ...]) -> ExperimentConfig:
    """Returns a preset's configuration by name.

    Args:
        name: one of PRESETS.
        classes: names of the condition's classes.

    Raises:
        ValueError: no preset has that name.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name](classes)


def with_backbone(losses: LossConfig, backbone: str) -> LossConfig:
    """Returns the losses on another perceptual backbone.

    Args:
        losses: the losses.
        backbone: vgg19, vgg19-distilled (which ends at relu5_1, so that it stands in for relu5_2),
            random, or none, which turns the losses that need one off.

    Raises:
        ValueError: there is no such backbone.
    """
    kind: Any = backbone
    if backbone == "none":
        return replace(losses, backbone=kind, perc=0.0, cxt=0.0, pse=0.0)
    changes: dict[str, Any] = {"backbone": kind}
    if backbone == "vgg19-distilled":
        for name in ("perc_layers", "cxt_layers", "pse_layers"):
            pairs = getattr(losses, name)
            changes[name] = tuple(
                ("relu5_1" if layer == "relu5_2" else layer, weight) for layer, weight in pairs
            )
    return replace(losses, **changes)
