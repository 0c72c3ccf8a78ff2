"""Presets for a CPU."""

from __future__ import annotations

from dataclasses import replace

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


def small(condition: ConditionConfig) -> ExperimentConfig:
    """A model for a CPU: 128x128 images, 64x64 correspondence, the same parts made narrow.

    It differs from `paper` in widths, in positional instead of batch norm (a batch of 4 has poor
    statistics), in larger first weights and learning rates (the budget is thousands of steps,
    not hundreds of thousands) that warm up, in a direct warp loss and in a perceptual backbone that
    needs no file.

    Args:
        condition: what is translated from.
    """
    return ExperimentConfig(
        model=ModelConfig(
            name="small",
            image_size=(128, 128),
            condition=condition,
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
            pse=10.0,
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
            warmup_steps=200,
            batch=4,
            lr_generator=5e-4,
            lr_discriminator=5e-4,
            ema=0.999,
            log_every=10,
            sample_every=250,
            checkpoint_every=250,
        ),
    )


def small_unaligned(condition: ConditionConfig) -> ExperimentConfig:
    """`small` without alignment: condition and unwarped exemplar are concatenated.

    Args:
        condition: what is translated from.
    """
    config = small(condition)
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
