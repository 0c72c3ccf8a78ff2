"""Recipes for a few hundred photographs."""

from __future__ import annotations

from dataclasses import replace

from rabit.config import (
    AlignmentConfig,
    ConditionConfig,
    DiscriminatorConfig,
    ExemplarMix,
    ExperimentConfig,
    FeatureConfig,
    GeneratorConfig,
    LossConfig,
    ModelConfig,
    TrainConfig,
)
from rabit.presets.small import small
from rabit.presets.task import task_preset

# Weights for the distilled VGG-19, whose features are several times smaller than VGG-19's.
PHOTOGRAPHS = LossConfig(
    backbone="vgg19-distilled",
    perc=1.5,
    cxt=0.15,
    cxt_layers=(("relu3_2", 2.0), ("relu4_2", 4.0), ("relu5_1", 8.0)),
    pse=1.5,
    pse_layers=(
        ("relu1_2", 1.0),
        ("relu2_2", 0.25),
        ("relu3_2", 0.25),
        ("relu4_2", 0.25),
        ("relu5_1", 0.25),
    ),
    adv=1.0,
    fm=4.0,
    warp=10.0,
)
# For a few hundred pictures, of which few are each other's like.
MOSTLY_ITSELF = ExemplarMix(hard=0.1, easy=0.3, itself=0.6)


def base(condition: ConditionConfig) -> ExperimentConfig:
    """A model for some hundred photographs of 256x256 and some minutes of one large GPU.

    12 million weights, 128x128 correspondence. Like `small` it learns fast: positional norm and
    large first weights. Its rates are lower: at 5e-4 two of some twenty trainings on photographs
    ended with every value at an end of its range. A few hundred pictures are made more by changed
    colours, and most exemplars are the picture itself in another view and these colours, which
    teaches to take the look from the exemplar. The perceptual losses are weighted for the distilled
    VGG-19.

    Args:
        condition: what is translated from.
    """
    return ExperimentConfig(
        model=ModelConfig(
            name="base",
            image_size=(256, 256),
            condition=condition,
            features=FeatureConfig(widths=(32, 64, 96, 128, 128, 64), hidden=32, norm="position"),
            alignment=AlignmentConfig(channels=64, head_width=64),
            generator=GeneratorConfig(
                widths=(256, 256, 192, 128, 64, 32),
                stem=256,
                hidden=32,
                injection_width=48,
                norm="position",
            ),
            init_gain=1.0,
        ),
        discriminator=DiscriminatorConfig(widths=(48, 96, 192, 256)),
        losses=PHOTOGRAPHS,
        train=TrainConfig(
            steps=2000,
            decay_steps=600,
            warmup_steps=100,
            batch=16,
            lr_generator=2e-4,
            lr_discriminator=2e-4,
            ema=0.995,
            mix=MOSTLY_ITSELF,
            jitter=0.3,
            workers=4,
            sample_every=500,
            checkpoint_every=500,
            keep_checkpoints=1,
        ),
    )


def facades(condition: ConditionConfig) -> ExperimentConfig:
    """`base` for photographs of house fronts with semantic maps.

    Args:
        condition: semantic maps.
    """
    return task_preset(base(condition), "facades")


def fashion(condition: ConditionConfig) -> ExperimentConfig:
    """`base` for standing persons, 256 pixels wide and 384 high, with semantic maps.

    Args:
        condition: semantic maps.
    """
    config = task_preset(base(condition), "fashion")
    return replace(config, model=replace(config.model, image_size=(384, 256)))


def fashion_pose(condition: ConditionConfig) -> ExperimentConfig:
    """`fashion` with the joints of the body.

    Args:
        condition: poses.
    """
    return task_preset(fashion(condition), "fashion-pose")


def fashion_edges(condition: ConditionConfig) -> ExperimentConfig:
    """`fashion` with edges, those that Canny finds where the folder has none.

    Args:
        condition: edges.
    """
    return task_preset(fashion(condition), "fashion-edges")


def faces(condition: ConditionConfig) -> ExperimentConfig:
    """`base` for portraits with semantic maps.

    Args:
        condition: semantic maps.
    """
    return task_preset(base(condition), "faces")


def facades_small(condition: ConditionConfig) -> ExperimentConfig:
    """`small` with the losses and the samples of `facades`.

    Args:
        condition: semantic maps.
    """
    config = task_preset(small(condition), "facades-small")
    train = replace(config.train, mix=MOSTLY_ITSELF, jitter=0.3)
    return replace(config, losses=PHOTOGRAPHS, train=train)
