"""Presets: every experiment is a function that returns its configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rabit.config import (
    AlignmentConfig,
    ConditionConfig,
    DiscriminatorConfig,
    ExemplarMix,
    ExperimentConfig,
    FeatureConfig,
    GeneratorConfig,
    Kind,
    LossConfig,
    ModelConfig,
    TrainConfig,
)

# Steps of the peers' schedules: epochs x training images / batch, half of them decaying.
BATCH = 8
ADE20K_STEPS = 200 * 20_210 // BATCH
CELEBAHQ_STEPS = 60 * 24_183 // BATCH
DEEPFASHION_STEPS = 100 * 47_719 // BATCH


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


def paper(condition: ConditionConfig) -> ExperimentConfig:
    """The paper's setting: 256x256 images, 128x128 correspondence, 2x2 blocks, k = 3, the
    CoCosNet family's widths, batch norm, Adam 1e-4 / 4e-4 with beta (0, 0.999).

    Args:
        condition: what is translated from.
    """
    return ExperimentConfig(
        model=ModelConfig(name="paper", condition=condition, image_size=(256, 256))
    )


def ade20k(condition: ConditionConfig) -> ExperimentConfig:
    """`paper` for scenes: perc on relu5_2 x 0.01, a tenth of pse, a non-local block in the
    feature extractors, 200 epochs.

    Args:
        condition: semantic maps.
    """
    config = _task(paper(condition), "ade20k", ADE20K_STEPS)
    features = replace(config.model.features, attention=True)
    return replace(
        config,
        model=replace(config.model, features=features),
        losses=replace(config.losses, perc=0.01, perc_layers=(("relu5_2", 1.0),), pse=1.0),
    )


def celebahq(condition: ConditionConfig) -> ExperimentConfig:
    """`paper` for faces from masks: cyc 0.1, 60 epochs.

    Args:
        condition: semantic maps.
    """
    config = _task(paper(condition), "celebahq", CELEBAHQ_STEPS)
    return replace(config, losses=replace(config.losses, cyc=0.1))


def celebahq_edge(condition: ConditionConfig) -> ExperimentConfig:
    """`paper` for faces from edges: 60 epochs.

    Args:
        condition: edges.
    """
    return _task(paper(condition), "celebahq-edge", CELEBAHQ_STEPS)


def deepfashion(condition: ConditionConfig) -> ExperimentConfig:
    """`paper` for persons from poses: a direct loss on the warped exemplar (warp 100), 100 epochs.

    Args:
        condition: poses.
    """
    config = _task(paper(condition), "deepfashion", DEEPFASHION_STEPS)
    return replace(config, losses=replace(config.losses, warp=100.0))


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


def base(condition: ConditionConfig) -> ExperimentConfig:
    """A model for some hundred photographs of 256x256 and some minutes of one large GPU.

    12 million weights, 128x128 correspondence. Like `small` it learns fast: positional norm, large
    first weights and rates. A few hundred pictures are made more by changed colours, and most
    exemplars are the picture itself in another view and these colours, which teaches to take
    the look from the exemplar. The perceptual losses are weighted for the distilled VGG-19.

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
            lr_generator=5e-4,
            lr_discriminator=5e-4,
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
    return _task(base(condition), "facades")


def fashion(condition: ConditionConfig) -> ExperimentConfig:
    """`base` for standing persons, 256 pixels wide and 384 high, with semantic maps.

    Args:
        condition: semantic maps.
    """
    config = _task(base(condition), "fashion")
    return replace(config, model=replace(config.model, image_size=(384, 256)))


def facades_small(condition: ConditionConfig) -> ExperimentConfig:
    """`small` with the losses and the samples of `facades`.

    Args:
        condition: semantic maps.
    """
    config = _task(small(condition), "facades-small")
    train = replace(config.train, mix=MOSTLY_ITSELF, jitter=0.3)
    return replace(config, losses=PHOTOGRAPHS, train=train)


def ade20k_small(condition: ConditionConfig) -> ExperimentConfig:
    """`small` for scenes: a tenth of pse, as in `ade20k`.

    Args:
        condition: semantic maps.
    """
    config = _task(small(condition), "ade20k-small")
    return replace(config, losses=replace(config.losses, pse=1.0))


def celebahq_small(condition: ConditionConfig) -> ExperimentConfig:
    """`small` for faces from masks: cyc 0.1, as in `celebahq`.

    Args:
        condition: semantic maps.
    """
    config = _task(small(condition), "celebahq-small")
    return replace(config, losses=replace(config.losses, cyc=0.1))


def celebahq_edge_small(condition: ConditionConfig) -> ExperimentConfig:
    """`small` for faces from edges.

    Args:
        condition: edges.
    """
    return _task(small(condition), "celebahq-edge-small")


def deepfashion_small(condition: ConditionConfig) -> ExperimentConfig:
    """`small` for persons from poses: twice its warp loss, as every truth has the exemplar's look.

    Args:
        condition: poses.
    """
    config = _task(small(condition), "deepfashion-small")
    return replace(config, losses=replace(config.losses, warp=20.0))


def _task(config: ExperimentConfig, name: str, steps: int | None = None) -> ExperimentConfig:
    """Names a preset, and gives it a schedule of its own whose second half decays."""
    train = config.train
    if steps is not None:
        train = replace(train, steps=steps, decay_steps=steps // 2, batch=BATCH)
    return replace(config, model=replace(config.model, name=name), train=train)


PRESETS: dict[str, Callable[[ConditionConfig], ExperimentConfig]] = {
    "paper": paper,
    "ade20k": ade20k,
    "celebahq": celebahq,
    "celebahq-edge": celebahq_edge,
    "deepfashion": deepfashion,
    "small": small,
    "small-unaligned": small_unaligned,
    "base": base,
    "facades": facades,
    "fashion": fashion,
    "facades-small": facades_small,
    "ade20k-small": ade20k_small,
    "celebahq-small": celebahq_small,
    "celebahq-edge-small": celebahq_edge_small,
    "deepfashion-small": deepfashion_small,
}

KINDS_OF_TASKS: dict[str, Kind] = {
    "ade20k": "semantic",
    "celebahq": "semantic",
    "celebahq-edge": "edge",
    "deepfashion": "pose",
    "facades": "semantic",
    "fashion": "semantic",
}
"""What the presets of a task translate from; their small versions the same, the others anything."""


def preset_kind(name: str) -> Kind | None:
    """Returns the kind of condition that a preset is for; None for any.

    Args:
        name: one of PRESETS.

    Raises:
        ValueError: no preset has that name.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return KINDS_OF_TASKS.get(name.removesuffix("-small"))


def preset(name: str, classes: tuple[str, ...], kind: Kind | None = None) -> ExperimentConfig:
    """Returns a preset's configuration by name.

    Args:
        name: one of PRESETS.
        classes: names of the condition's channels; of semantic maps the classes, by id.
        kind: of the condition; the preset's own if None, semantic where it has none.

    Raises:
        ValueError: no preset has that name, or it is for another kind of condition.
    """
    own = preset_kind(name)
    if own is not None and kind not in (None, own):
        fitting = [n for n in PRESETS if KINDS_OF_TASKS.get(n.removesuffix("-small")) == kind]
        raise ValueError(
            f"preset {name} is for {own} conditions, but the data has {kind} conditions; name "
            f"other data, or one of the presets {', '.join(fitting)}, small and paper"
        )
    return PRESETS[name](ConditionConfig(kind=kind or own or "semantic", classes=classes))


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
