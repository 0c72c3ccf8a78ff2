"""The paper's setting and its tasks, and a small version of each task."""

from __future__ import annotations

from dataclasses import replace

from rabit.config import (
    ConditionConfig,
    ExperimentConfig,
    FeatureConfig,
    GeneratorConfig,
    ModelConfig,
)
from rabit.presets.small import small
from rabit.presets.task import BATCH, task_preset

# Epochs of the peers' schedules x training images / batch, half of them decaying.
ADE20K_STEPS = 200 * 20_210 // BATCH
CELEBAHQ_STEPS = 60 * 24_183 // BATCH
DEEPFASHION_STEPS = 100 * 47_719 // BATCH


def paper(condition: ConditionConfig) -> ExperimentConfig:
    """The paper's setting: 256x256 images, 128x128 correspondence, 2x2 blocks, k = 3, the
    CoCosNet family's networks, first weights and loss weights, batch norm, Adam 1e-4 / 4e-4 with
    beta (0, 0.999).

    Args:
        condition: what is translated from.
    """
    return ExperimentConfig(
        model=ModelConfig(
            name="paper",
            condition=condition,
            image_size=(256, 256),
            features=FeatureConfig(shortcut="spade", last_norm=True),
            generator=GeneratorConfig(shortcut="spade"),
        )
    )


def ade20k(condition: ConditionConfig) -> ExperimentConfig:
    """`paper` for scenes: perc on relu5_2 x 0.01, a tenth of pse, a non-local block in the
    feature extractors, 200 epochs.

    Args:
        condition: semantic maps.
    """
    config = task_preset(paper(condition), "ade20k", ADE20K_STEPS)
    features = replace(config.model.features, attention=True)
    return replace(
        config,
        model=replace(config.model, features=features),
        losses=replace(config.losses, perc=0.01, perc_layers=(("relu5_2", 1.0),), pse=0.25),
    )


def celebahq(condition: ConditionConfig) -> ExperimentConfig:
    """`paper` for faces from masks: cyc 0.1, 60 epochs.

    Args:
        condition: semantic maps.
    """
    config = task_preset(paper(condition), "celebahq", CELEBAHQ_STEPS)
    return replace(config, losses=replace(config.losses, cyc=0.1))


def celebahq_edge(condition: ConditionConfig) -> ExperimentConfig:
    """`paper` for faces from edges: 60 epochs.

    Args:
        condition: edges.
    """
    return task_preset(paper(condition), "celebahq-edge", CELEBAHQ_STEPS)


def deepfashion(condition: ConditionConfig) -> ExperimentConfig:
    """`paper` for persons from poses: a direct loss on the warped exemplar (warp 25), 100 epochs.

    Args:
        condition: poses.
    """
    config = task_preset(paper(condition), "deepfashion", DEEPFASHION_STEPS)
    return replace(config, losses=replace(config.losses, warp=25.0))


def ade20k_small(condition: ConditionConfig) -> ExperimentConfig:
    """`small` for scenes: a tenth of pse, as in `ade20k`.

    Args:
        condition: semantic maps.
    """
    config = task_preset(small(condition), "ade20k-small")
    return replace(config, losses=replace(config.losses, pse=1.0))


def celebahq_small(condition: ConditionConfig) -> ExperimentConfig:
    """`small` for faces from masks: cyc 0.1, as in `celebahq`.

    Args:
        condition: semantic maps.
    """
    config = task_preset(small(condition), "celebahq-small")
    return replace(config, losses=replace(config.losses, cyc=0.1))


def celebahq_edge_small(condition: ConditionConfig) -> ExperimentConfig:
    """`small` for faces from edges.

    Args:
        condition: edges.
    """
    return task_preset(small(condition), "celebahq-edge-small")


def deepfashion_small(condition: ConditionConfig) -> ExperimentConfig:
    """`small` for persons from poses: twice its warp loss, as every truth has the exemplar's look.

    Args:
        condition: poses.
    """
    config = task_preset(small(condition), "deepfashion-small")
    return replace(config, losses=replace(config.losses, warp=20.0))
